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


def items(text: str, start: int) -> list[str]:
    """Return what stands between the bracket at `start` and the closing one, split at the commas of this level."""
    found: list[str] = []
    depth = 0
    position = begin = start
    while position < len(text):
        token = _TOKENS.match(text, position)
        if token is not None:
            position = token.end()
            continue
        character = text[position]
        depth += (character in "([{") - (character in ")]}")
        if position == start or depth == 0 or (depth == 1 and character == ","):
            found.append(text[begin:position].strip())
            begin = position + 1
            if depth == 0:
                break
        position += 1
    else:
        found.append(text[begin:].strip())
    return [item for item in found if item]
