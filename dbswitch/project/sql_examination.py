"""What SQL for psql destroys, found with patterns in its text. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

Finding = tuple[bool, str]  # one of the two below, and what was found
DESTROYS: Final = True
UNSEEN: Final = False

_DOLLAR: Final = r"(\$(?:[^\W\d]\w*)?\$)"
# The start of a dollar quote, escape strings (continued on the next line), strings, names and comments. The start of a nested
# comment stays.
_QUOTED: Final = re.compile(
    rf"(?<![\w$])(?:{_DOLLAR}|[eE]'(?:[^'\\]|\\.|''|'[^\S\n]*\n\s*')*')"
    r"|'[^']*'|\"[^\"]*\"|--[^\n\r]*|/\*(?:(?!/\*).)*?\*/",
    re.DOTALL,
)
# The statement or a clause such as FOR UPDATE, ON UPDATE SET NULL and ON CONFLICT DO UPDATE SET, told by the word before it.
_UPDATE_OR_SET: Final = re.compile(r"\bset\b|(?:\b(\w+)\s+|)\bupdate\b")
_UPDATE_CLAUSES: Final = frozenset({"after", "before", "do", "for", "key", "of", "on", "or", "then"})
_CODE: Final = re.compile(r"\s*(?:do|create\s+(?:or\s+replace\s+)?(?:function|procedure))\b")
# What psql gives to the shell.
_SHELL_COMMAND: Final = re.compile(
    r"\\!([^\n]*)|\\(?:g|gx|o|out|w|write)\s*\|([^\n]*)|\bprogram\s+'((?:[^']|'')*)'", re.IGNORECASE
)


def examine(text: str) -> Iterator[Finding]:
    """Yield what the statements and commands in `text` destroy, and what of it is not examined."""
    bare = _bare(text)
    loses = re.search(r"\b(?:drop|truncate|delete\s+from)\b", text, re.IGNORECASE)
    for statement in bare.split(";"):
        if re.search(r"\bdrop\b", statement):
            yield DESTROYS, "the SQL has a DROP"
        if re.search(r"^\s*truncate\b|\btruncate\s+table\b", statement):
            yield DESTROYS, "the SQL has a TRUNCATE"
        deletes = [part for part in _parts(statement) if re.search(r"\bdelete\s+from\b", part)]
        if not all(re.search(r"\bwhere\b", part) for part in deletes):
            yield DESTROYS, "the SQL has a DELETE without WHERE"
        if any(_updates_all(part) for part in _parts(statement)):
            yield DESTROYS, "the SQL has an UPDATE without WHERE"
        if _CODE.match(statement):
            yield UNSEEN, "the SQL has code (DO or CREATE FUNCTION), which is not examined"
            if loses:
                yield DESTROYS, "the SQL has code with a DROP, TRUNCATE or DELETE"
    if re.search(r"\\ir?\b", bare):
        yield UNSEEN, "the SQL runs a file (\\i), which is not examined"
    if re.search(r"['\"$]|/\*", bare):
        yield UNSEEN, "the SQL has a quote, a comment or a $ that is not understood"


def shell_lines(text: str) -> Iterator[str]:
    """Yield the lines that psql gives to the shell: behind a bang, a pipe or PROGRAM."""
    if re.search(r"\\|\bprogram\b", _bare(text)):
        for parts in _SHELL_COMMAND.findall(text):
            yield "".join(parts).replace("''", "'")


def _bare(text: str) -> str:
    # A dollar quote ends at its own tag. Searching the end of each start that has none would be quadratic.
    last = {found[1]: found.start() for found in re.finditer(f"(?={_DOLLAR})", text)}
    pieces: list[str] = []
    position = 0
    while found := _QUOTED.search(text, position):
        start, end, tag = found.start(), found.end(), found[1]
        if tag and last[tag] < end:
            pieces.append(text[position:end])
        else:
            pieces += (text[position:start], " ")
            end = text.index(tag, end) + len(tag) if tag else end
        position = end
    return "".join((*pieces, text[position:])).lower()


def _updates_all(part: str) -> bool:
    if re.search(r"\bwhere\b", part):
        return False
    before: str | None = None  # the word before an `update` whose `set` has not come
    for word in _UPDATE_OR_SET.finditer(part):
        if word[0] != "set":
            before = before if before is not None else word[1] or ""
        elif before is not None and before not in _UPDATE_CLAUSES:
            return True
        else:
            before = None
    return False


def _parts(statement: str) -> Iterator[str]:
    """Yield what each pair of parentheses holds, innermost first, then the rest of the statement."""
    unclosed = [""]
    for piece in re.findall(r"[^()]+|[()]", statement):
        if piece == "(":
            unclosed.append(piece)
        elif piece == ")" and len(unclosed) > 1:
            yield unclosed.pop() + piece
            unclosed[-1] += " "
        else:
            unclosed[-1] += piece
    yield "".join(unclosed)
