"""Reading JavaScript and TypeScript settings without running them: comments removed, string literals extracted. Pure."""
# This is no parser. What a pattern does not find is reported as not known; it is never guessed.

from __future__ import annotations

import re

# Strings first, so that `//` inside one is not taken for a comment (ECMA-262 12.4, 12.9.4). An escaped quote starts none:
# each would be searched for its end anew.
_TOKENS = (
    r"(?s)(?P<string>(?<!\\)(?:'(?:\\.|[^'\\\n])*'|\"(?:\\.|[^\"\\\n])*\"|`(?:\\.|[^`\\])*`))"
    r"|(?P<comment>//[^\n]*|/\*.*?(?:\*/|\Z))"
)
STRING = r"(?:'(?:\\.|[^'\\\n])*'|\"(?:\\.|[^\"\\\n])*\"|`(?:\\.|[^`\\$])*`)"


def without_comments(text: str) -> str:
    """Return the text with comments blanked and every line where it was."""
    return re.sub(_TOKENS, lambda one: one["string"] or "\n" * one["comment"].count("\n") or " ", text)


def strings(text: str) -> tuple[str, ...]:
    """Return the string literals in `text`, those of templates without `${}` included."""
    return tuple(literal[1:-1] for literal in re.findall(STRING, text))
