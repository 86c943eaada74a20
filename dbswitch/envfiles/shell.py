"""What bash `source` makes of a file, as far as it can be said without running it.

The model knows comments, assignments, `export`, the quotes and `&`; commands that cannot bind a variable are skipped.
At the first thing it does not know (a substitution, a redirection, a compound command, a syntax error) it stops and says
where, instead of guessing. Source of the rules: the bash manual, "Quoting", "Simple Commands", "Shell Expansions".
"""

from __future__ import annotations

import re
from collections import ChainMap
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import MutableMapping


class StopReason(StrEnum):
    """Why nothing is said about the lines after a stop."""

    OPEN_QUOTE = "a quote that is not closed"
    CONSTRUCT = "shell syntax that is not followed here"


class Stop(Struct, frozen=True):
    """Where reading ends: a 1-based line (lines end with LF, as for the shell) and why."""

    line: int
    reason: StopReason


class ShellReading(Struct, frozen=True):
    """The variables a shell has after `source`. A value of None: bound, to something only a running shell knows."""

    values: dict[str, str | None]
    stop: Stop | None


_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_WORDS = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(\+?)=")
_ELEMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\[")
_BLANK = re.compile(r"(?:[ \t]|\\\n)+")
_COMMENT = re.compile(r"#[^\n]*")
_PLAIN = re.compile(r"""[^ \t\n'"\\`$&;|<>()~]+""")
_SINGLE = re.compile(r"'([^']*)'")
_DOUBLE_PLAIN = re.compile(r'[^"\\`$]+')
_PARAMETER = re.compile(
    r"\$(?:[A-Za-z_][A-Za-z0-9_]*|[0-9@*#?$!-]|\{[A-Za-z_][A-Za-z0-9_]*(?::?-[A-Za-z0-9_./@%:,+-]*)?\})"
)

_READ_ONLY = frozenset({"UID", "EUID", "PPID", "BASHOPTS", "BASH_VERSINFO", "SHELLOPTS", "POSIXLY_CORRECT"})
_COMPUTED = frozenset(
    {
        "_",
        "RANDOM",
        "SRANDOM",
        "SECONDS",
        "LINENO",
        "BASHPID",
        "DIRSTACK",
        "GROUPS",
        "FUNCNAME",
        "HISTCMD",
        "EPOCHSECONDS",
        "EPOCHREALTIME",
        "BASH_COMMAND",
        "BASH_SUBSHELL",
        "BASH_ARGV0",
        "BASH_ALIASES",
        "BASH_CMDS",
        "BASH_SOURCE",
        "BASH_LINENO",
        "BASH_ARGC",
        "BASH_ARGV",
        "COMP_WORDBREAKS",
    }
)
# Words that change what later lines mean, or bind variables in ways of their own.
_UNKNOWN_COMMANDS = frozenset(
    {
        "if",
        "then",
        "elif",
        "else",
        "fi",
        "for",
        "while",
        "until",
        "do",
        "done",
        "case",
        "esac",
        "select",
        "in",
        "function",
        "time",
        "coproc",
        "{",
        "}",
        "!",
        "[[",
        "]]",
        "set",
        "unset",
        "exit",
        "return",
        "read",
        "eval",
        ".",
        "source",
        "declare",
        "typeset",
        "local",
        "readonly",
        "printf",
        "mapfile",
        "readarray",
        "exec",
        "trap",
        "shopt",
        "getopts",
        "cd",
        "let",
        "alias",
        "builtin",
        "command",
        "env",
        "enable",
        "wait",
        "break",
        "continue",
        "shift",
        "history",
        "fc",
    }
)


class _Stopped(Exception):  # noqa: N818 - control flow inside this module, not an error
    def __init__(self, offset: int, reason: StopReason) -> None:
        super().__init__()
        self.offset = offset
        self.reason = reason


@dataclass(slots=True)
class _Word:
    text: str = ""
    known: bool = True
    # The part before the first quote, backslash or expansion: only there does bash recognise `NAME=` and keywords.
    bare: str | None = None

    def add(self, text: str, *, quoting: bool) -> None:
        if quoting and self.bare is None:
            self.bare = self.text
        self.text += text

    def literal(self) -> str:
        return self.text if self.bare is None else self.bare


@dataclass(slots=True)
class _Lexer:
    text: str
    position: int = 0
    line_start: int = 0
    values: dict[str, str | None] = field(default_factory=dict)

    def run(self) -> None:
        """Read line after line; a line takes effect as a whole, or not at all if it cannot be parsed."""
        while self.position < len(self.text):
            self.line_start = self.position
            line: dict[str, str | None] = {}
            self._line(ChainMap(line, self.values))
            self.values.update(line)

    def _line(self, values: MutableMapping[str, str | None]) -> None:
        commands = 0
        while True:
            start = self.position
            words = self._words()
            end = self.text[self.position : self.position + 1]
            following = self.text[self.position + 1 : self.position + 2]
            if end in {"", "\n"}:
                self._apply(words, values, start)
                self.position += 1
                return
            if end not in ";&" or not words or following in {";", "&", ">", "|"}:
                raise _Stopped(self.position, StopReason.CONSTRUCT)
            # `&` runs the command in a subshell: what it binds is lost.
            self._apply(words, values if end == ";" else dict(values), start)
            self.position += 1
            commands += 1

    def _words(self) -> list[_Word]:
        """Read one simple command; stop before LF, an operator or the end."""
        words: list[_Word] = []
        while True:
            if blank := _BLANK.match(self.text, self.position):
                self.position = blank.end()
            if comment := _COMMENT.match(self.text, self.position):
                self.position = comment.end()
            if self.position >= len(self.text) or self.text[self.position] in "\n;&":
                return words
            if self.text[self.position] in "|<>()\0":
                raise _Stopped(self.position, StopReason.CONSTRUCT)
            words.append(self._word())

    def _word(self) -> _Word:
        word = _Word()
        text = self.text
        while self.position < len(text):
            here = self.position
            if plain := _PLAIN.match(text, here):
                word.add(plain[0], quoting=False)
                self.position = plain.end()
                if "\0" in plain[0]:
                    raise _Stopped(here, StopReason.CONSTRUCT)
                continue
            match text[here]:
                case "'":
                    self._single(word)
                case '"':
                    self._double(word)
                case "\\":
                    if text[here + 1 : here + 2] != "\n":
                        word.add(text[here + 1 : here + 2] or "\\", quoting=True)
                    self.position += 2
                case "~":
                    # Expanded at the start of a value and behind each colon of it.
                    word.known = False
                    word.add("~", quoting=False)
                    self.position += 1
                case "$":
                    self._dollar(word, quoted=False)
                case "`" | "|" | "<" | ">" | "(" | ")":
                    raise _Stopped(here, StopReason.CONSTRUCT)
                case _:
                    return word
        return word

    def _single(self, word: _Word) -> None:
        closed = _SINGLE.match(self.text, self.position)
        if closed is None:
            raise _Stopped(self.position, StopReason.OPEN_QUOTE)
        word.add(closed[1], quoting=True)
        self.position = closed.end()

    def _double(self, word: _Word) -> None:
        opened, text = self.position, self.text
        self.position += 1
        word.add("", quoting=True)
        while self.position < len(text):
            if plain := _DOUBLE_PLAIN.match(text, self.position):
                word.add(plain[0], quoting=True)
                self.position = plain.end()
                continue
            match text[self.position]:
                case '"':
                    self.position += 1
                    return
                case "\\":
                    after = text[self.position + 1 : self.position + 2]
                    if after != "\n":
                        word.add(after if after and after in '$`"\\' else "\\" + after, quoting=True)
                    self.position += 2
                case "$":
                    self._dollar(word, quoted=True)
                case _:
                    raise _Stopped(self.position, StopReason.CONSTRUCT)
        raise _Stopped(opened, StopReason.OPEN_QUOTE)

    def _dollar(self, word: _Word, *, quoted: bool) -> None:
        if parameter := _PARAMETER.match(self.text, self.position):
            word.known = False
            word.add("", quoting=True)
            self.position = parameter.end()
            return
        after = self.text[self.position + 1 : self.position + 2]
        if after in {"{", "(", "["} or (not quoted and after in {"'", '"'}):
            raise _Stopped(self.position, StopReason.CONSTRUCT)
        word.add("$", quoting=True)
        self.position += 1

    def _apply(self, words: list[_Word], values: MutableMapping[str, str | None], start: int) -> None:
        first = 0
        while first < len(words) and _ASSIGNMENT.match(words[first].literal()):
            first += 1
        assignments, rest = words[:first], words[first:]
        if not rest:
            for word in assignments:
                _bind(word, values, start)
            return
        command = rest[0]
        if not command.known or command.text in _UNKNOWN_COMMANDS or _ELEMENT.match(command.text):
            raise _Stopped(start, StopReason.CONSTRUCT)
        if command.text != "export":
            return
        if assignments:
            # `KEY=x export KEY` keeps what `KEY=x command` does not.
            raise _Stopped(start, StopReason.CONSTRUCT)
        for word in rest[1:]:
            if word.text.startswith("-") or (not word.known and "=" not in word.text):
                raise _Stopped(start, StopReason.CONSTRUCT)
            if _ASSIGNMENT.match(word.text):
                _bind(word, values, start)


def _bind(word: _Word, values: MutableMapping[str, str | None], start: int) -> None:
    found = _ASSIGNMENT.match(word.text)
    if found is None or found[1] in _READ_ONLY:
        raise _Stopped(start, StopReason.CONSTRUCT)
    name, value = found[1], word.text[found.end() :]
    if not word.known or name in _COMPUTED:
        values[name] = None
    elif found[2]:
        # What `+=` appends to may come from the environment.
        old = values.get(name)
        values[name] = None if old is None else old + value
    else:
        values[name] = value


def source(text: str) -> ShellReading:
    """Return what is known of the variables after `source`, and where that knowledge ends."""
    lexer = _Lexer(text)
    try:
        lexer.run()
    except _Stopped as stopped:
        stop = Stop(text.count("\n", 0, stopped.offset) + 1, stopped.reason)
        if stop.reason is StopReason.OPEN_QUOTE:
            return ShellReading(lexer.values, stop)
        # The shell goes on where this model does not: what is named again from here on may get another value.
        named = set(_WORDS.findall(text, lexer.line_start))
        return ShellReading({k: v for k, v in lexer.values.items() if k not in named}, stop)
    return ShellReading(lexer.values, None)


def is_name(key: str) -> bool:
    """Return whether a shell could bind `key` at all."""
    return _NAME.match(key) is not None
