"""Reading JavaScript and TypeScript settings without running them: comments removed, string literals extracted. Pure.

This is no parser. What a pattern does not find is reported as not known; it is never guessed.
"""

from __future__ import annotations

import re

# Strings first, so that `//` inside one is not taken for a comment (ECMA-262 12.4, 12.9.4).
_TOKENS = re.compile(
    r"(?P<string>'(?:\\.|[^'\\\n])*'|\"(?:\\.|[^\"\\\n])*\"|`(?:\\.|[^`\\])*`)"
    r"|(?P<comment>//[^\n]*|/\*.*?(?:\*/|\Z))",
    re.DOTALL,
)
STRING = r"(?:'((?:\\.|[^'\\\n])*)'|\"((?:\\.|[^\"\\\n])*)\"|`((?:\\.|[^`\\$])*)`)"
_STRING = re.compile(STRING)


def without_comments(text: str) -> str:
    """Return the text with comments blanked and every line where it was."""

    def blank(match: re.Match[str]) -> str:
        if match["string"] is not None:
            return match["string"]
        return "\n" * match["comment"].count("\n") or " "

    return _TOKENS.sub(blank, text)


def strings(text: str) -> tuple[str, ...]:
    """Return the string literals in `text`, those of templates without `${}` included."""
    return tuple(
        next(group for group in match.groups() if group is not None) for match in _STRING.finditer(text)
    )


def call_arguments(text: str, start: int) -> str:
    """Return the text between the parenthesis at `start` and the closing one (or the end of the text)."""
    depth = 0
    position = start
    while position < len(text):
        token = _TOKENS.match(text, position)
        if token is not None:
            position = token.end()
            continue
        if text[position] in "([{":
            depth += 1
        elif text[position] in ")]}":
            depth -= 1
            if depth == 0:
                return text[start + 1 : position]
        position += 1
    return text[start + 1 :]
