"""What bash `source` gets from an env file, as far as it can be determined without running bash.

Running it would execute whatever the file contains. So this reads lines of plain words only: assignments, `export`,
commands that cannot be builtins, comments. At the first line that has anything else (a substitution, a redirection, a
keyword) it stops and says where. Source of the rules: the bash manual, "Quoting", "Simple Commands", "Shell Expansions".
"""

from __future__ import annotations

import re
from enum import StrEnum

from msgspec import Struct


class StopReason(StrEnum):
    """Why the lines after a stop are unknown."""

    OPEN_QUOTE = "a quote that is not closed"
    CONSTRUCT = "shell syntax that dbswitch does not follow"


class ReadingStop(Struct, frozen=True):
    """Where reading ends: a 1-based line (lines end with LF, as for the shell) and why."""

    line: int
    reason: StopReason


class ShellReading(Struct, frozen=True):
    """The variables that a shell has after `source`; None: the variable is set to an unknown value."""

    values: dict[str, str | None]
    stop: ReadingStop | None


# No possessive quantifiers: Python before 3.11.5 matches some of them wrongly (CPython issue 106052). Lookaheads keep each
# repetition maximal and each text readable in one way only, so that a failed match stays linear.
_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_PARAMETER = rf"\$(?:{_NAME}(?![A-Za-z0-9_])|\{{{_NAME}\}}|[0-9@*#?$!-])"
_NO_PARAMETER = r"\$(?![A-Za-z0-9_@*#?$!{(\[-])"
_SINGLE = r"'[^'\0]*'"
_DOUBLE = rf'"(?:[^"\\`$\0]|\\[^\0]|{_PARAMETER}|{_NO_PARAMETER})*"'
_PLAIN = r"[^ \t\n'\"\\`$&;|<>()~\0]"
_PIECE = rf"(?:{_PLAIN}|{_SINGLE}|{_DOUBLE}|\\(?:[^\0]|\Z)|{_PARAMETER}|{_NO_PARAMETER}(?!['\"])|~)"
_BLANK = r"(?:[ \t]|\\\n)"
_BLANKS = rf"{_BLANK}*(?!{_BLANK})"
_WORD = rf"(?!#){_PIECE}+(?!{_PIECE})"
# The words of a command, and what ends it; `&` runs it in a subshell, so that its assignments are lost.
_COMMAND = rf"{_BLANKS}(?P<words>(?:{_WORD}{_BLANKS})*)(?:(?<![^ \t\n])#[^\n]*(?![^\n]))?(?P<end>\n|\Z|[;&](?![;&|>]))"
_ASSIGNMENT = re.compile(rf"({_NAME})=")
_IN_DOUBLE = rf'\\([$`"\\\n])|({_PARAMETER})'
_UP_TO_OPEN_QUOTE = r"(?=(?P<closed>(?:[^'\"\\\n`$(<#]|\\[\s\S]|'[^']*'|\"(?:[^\"\\]|\\[\s\S])*\"|\$(?![('\"\[{]))*))(?P=closed)(?=['\"])"
# Names that bash computes or does not let a file change; assigning to some of them ends `source`.
_SPECIAL = r"_|E?UID|PPID|S?RANDOM|SECONDS|LINENO|DIRSTACK|GROUPS|FUNCNAME|HISTCMD|EPOCH\w+|BASH\w+|COMP_\w+|SHELLOPTS|POSIXLY_CORRECT"
# No builtin or keyword has any other character in its name.
_NOT_A_BUILTIN = re.compile(r"[^a-z.:!{}\[\]]")
_BINDS = re.compile(rf"{_NAME}(?:\[.*\])?\+?=", re.DOTALL)
_BRACES = re.compile(r"\{[^'\"]*(?:,|\.\.)")


def source(text: str) -> ShellReading:
    """Return what is known of the variables after `source`, and where that knowledge ends."""
    values: dict[str, str | None] = {}
    line: dict[str, str | None] = {}  # a line that cannot be parsed takes no effect at all
    position = line_start = 0
    while position < len(text):
        command = re.compile(_COMMAND).match(text, position)
        assigned = None if command is None else _assigned(re.findall(_WORD, command["words"]))
        if command is None or assigned is None or (command["end"] in {";", "&"} and not command["words"]):
            return _stopped(text, line_start, values)
        position = command.end()
        if command["end"] != "&":
            line |= assigned
        if command["end"] not in {";", "&"}:
            values |= line
            line = {}
            line_start = position
    return ShellReading(values | line, None)


def is_name(key: str) -> bool:
    """Return whether a shell can have a variable `key`."""
    return re.fullmatch(_NAME, key) is not None


def _stopped(text: str, position: int, values: dict[str, str | None]) -> ShellReading:
    if quote := re.compile(_UP_TO_OPEN_QUOTE).match(text, position):
        return ShellReading(values, ReadingStop(text.count("\n", 0, quote.end()) + 1, StopReason.OPEN_QUOTE))
    # The shell continues where this model stops, so variables assigned again from here on may get another value.
    named = set(re.findall(_NAME, text[position:]))
    known = {key: value for key, value in values.items() if key not in named}
    return ShellReading(known, ReadingStop(text.count("\n", 0, position) + 1, StopReason.CONSTRUCT))


def _assigned(words: list[str]) -> dict[str, str | None] | None:
    """Return what one command assigns, or None if that is not known."""
    first = next((i for i, word in enumerate(words) if not _ASSIGNMENT.match(word)), len(words))
    assignments, command = words[:first], words[first:]
    if command and command[0] == "export" and not assignments:
        assignments = [word for word in command[1:] if _ASSIGNMENT.match(word)]
        others = [_unquoted(word) for word in command[1:] if not _ASSIGNMENT.match(word)]
        if any(other is None or other[:1] == "-" or _BINDS.match(other) for other in others):
            return None
        if any(_BRACES.search(word) for word in command[1:]):
            return None  # one word may become several
    elif command:
        name = _unquoted(command[0])
        return {} if name and _NOT_A_BUILTIN.search(name) and not _BINDS.match(name) else None
    found: dict[str, str | None] = {}
    for word in assignments:
        name, _, value = word.partition("=")
        if re.fullmatch(_SPECIAL, name):
            return None
        found[name] = _unquoted(value)
    return found


def _unquoted(word: str) -> str | None:
    """Return a word as a command gets it, or None if an expansion makes it unknown."""
    pieces: list[str] = []
    for piece in re.findall(_PIECE, word):
        match piece[0]:
            case "'":
                pieces.append(piece[1:-1])
            case '"':
                if any(found[2] for found in re.finditer(_IN_DOUBLE, piece)):
                    return None
                pieces.append(re.sub(_IN_DOUBLE, lambda found: found[1].removeprefix("\n"), piece[1:-1]))
            case "\\":
                pieces.append(piece[1:].removeprefix("\n") or piece.removesuffix("\\\n"))
            case "~" | "$" if len(piece) > 1 or piece == "~":
                return None
            case _:
                pieces.append(piece)
    return "".join(pieces)
