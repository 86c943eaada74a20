"""A typed reader over one TOML document, which can say the line and column of whatever it does not like.

`tomllib` gives positions for syntax errors only; for everything else the key is looked up again in the text.
Values never appear in an error: a target's `variables` may be secrets.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from dbswitch.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable

_HEADER = re.compile(r"^[ \t]*\[{1,2}([^\]\n]+)\]{1,2}[ \t]*(?:#.*)?$")
_AT = re.compile(r"\s*\(at (?:line (\d+), column (\d+)|end of document)\)$")
_TYPE_NAMES = {
    bool: "a boolean",
    int: "an integer",
    float: "a number",
    str: "a string",
    list: "an array",
    dict: "a table",
}


def close_names(name: str, known: Iterable[str]) -> str:
    """Return "did you mean `x`?" for the closest known name, or an empty text."""
    close = difflib.get_close_matches(name, tuple(known), n=1, cutoff=0.6)
    return f"did you mean `{close[0]}`?" if close else ""


class Place(Struct, frozen=True):
    """A position in the file, both counted from 1."""

    line: int
    column: int

    def __str__(self) -> str:
        return f"line {self.line}, column {self.column}"


@dataclass(frozen=True, slots=True)
class Document:
    """The file's name (for messages), its text and what tomllib made of it."""

    name: str
    text: str = field(repr=False)
    root: dict[str, Any] = field(repr=False)

    def find(self, path: tuple[str, ...]) -> Place:
        """Return where the key or table `path` stands; the closest table above it when it is written unusually."""
        for depth in range(len(path), 0, -1):
            place = _find_exact(self.text, path[:depth])
            if place is not None:
                return place
        return Place(1, 1)

    def error(
        self, path: tuple[str, ...], problem: str, *, fix: str = "", facts: Iterable[str] = ()
    ) -> ConfigError:
        """Return the error for the key at `path`, with its line and column."""
        return ConfigError(
            f"{self.name}, {self.find(path)}: {problem}",
            facts=facts,
            why="A setting that is not understood is not guessed at.",
            fix=fix,
        )


def parse(name: str, data: bytes) -> Document:
    """Parse the bytes of a TOML file.

    Raises:
        ConfigError: with line and column; it is not UTF-8 or not TOML 1.0.
    """
    import tomllib

    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        place = Place(before.count(b"\n") + 1, error.start - (before.rfind(b"\n") + 1) + 1)
        raise ConfigError(
            f"{name}, {place}: this byte is not UTF-8",
            why="TOML files are UTF-8.",
            fix=f"save {name} as UTF-8",
        ) from None
    try:
        return Document(name, text, tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        at = _AT.search(message)
        if at is not None and at[1]:
            place = Place(int(at[1]), int(at[2]))
        else:
            place = Place(text.count("\n") + 1, len(text) - (text.rfind("\n") + 1) + 1)
        problem = _AT.sub("", message)
        # The text of the problem may quote the line; a literal of a target must not be in it.
        problem = re.sub(r"'[^']{3,}'|\"[^\"]{3,}\"", "...", problem)
        raise ConfigError(
            f"{name}, {place}: {problem[:1].lower()}{problem[1:]}",
            why="The file cannot be read as TOML, so none of its settings are known.",
            fix=f"correct line {place.line} of {name}",
        ) from None


@dataclass(frozen=True, slots=True)
class Table:
    """One table while it is being read; :meth:`finish` refuses keys nobody asked for."""

    document: Document
    path: tuple[str, ...]
    values: dict[str, Any] = field(repr=False)
    asked: set[str] = field(default_factory=set)

    def has(self, key: str) -> bool:
        """Return whether the key is there."""
        self.asked.add(key)
        return key in self.values

    def error(self, key: str, problem: str, *, fix: str = "") -> ConfigError:
        """Return the error for one key of this table."""
        return self.document.error((*self.path, key), problem, fix=fix)

    def table(self, key: str) -> Table:
        """Return the sub-table; an empty one where there is none."""
        value = self._get(key, dict, {})
        assert isinstance(value, dict)
        return Table(self.document, (*self.path, key), value)

    def text(self, key: str, default: str | None = None, *, choices: Iterable[str] = ()) -> str | None:
        """Return a string, one of `choices` where given."""
        value = self._get(key, str, default)
        known = tuple(choices)
        if known and value is not None and value not in known:
            hint = close_names(value, known)
            raise self.error(key, f"{self._label(key)} must be one of {', '.join(known)}", fix=hint)
        assert value is None or isinstance(value, str)
        return value

    def flag(self, key: str) -> bool | None:
        """Return a boolean; None where the key is not there."""
        value = self._get(key, bool, None)
        assert value is None or isinstance(value, bool)
        return value

    def seconds(self, key: str, default: float) -> float:
        """Return a duration in seconds, above zero and at most an hour."""
        value = self._get(key, float, default)
        if not 0 < value <= 3600:
            raise self.error(key, f"{self._label(key)} is a number of seconds above 0 and at most 3600")
        return float(value)

    def port(self, key: str) -> int | None:
        """Return a TCP port."""
        value = self._get(key, int, None)
        if value is not None and not 0 < value < 65536:
            raise self.error(key, f"{self._label(key)} is a port: 1 to 65535")
        assert value is None or isinstance(value, int)
        return value

    def ports(self, key: str, default: tuple[int, ...]) -> tuple[int, ...]:
        """Return several TCP ports in the order given."""
        value = self._get(key, list, None)
        if value is None:
            return default
        if not all(
            isinstance(port, int) and not isinstance(port, bool) and 0 < port < 65536 for port in value
        ):
            raise self.error(key, f"{self._label(key)} is an array of ports: 1 to 65535")
        return tuple(dict.fromkeys(value))

    def words(self, key: str) -> tuple[str, ...]:
        """Return an array of strings."""
        value = self._get(key, list, [])
        if not all(isinstance(word, str) for word in value):
            raise self.error(key, f"{self._label(key)} must be an array of strings")
        return tuple(value)

    def argv(self, key: str) -> tuple[str, ...]:
        """Return a command: an array of words, or one string split as a shell would, never run through a shell.

        Raises:
            ConfigError: it is empty, or its quotes do not close.
        """
        value = self.values.get(key)
        if isinstance(value, str):
            import shlex

            self.asked.add(key)
            try:
                words = tuple(shlex.split(value))
            except ValueError:
                raise self.error(key, f"the quotes of {self._label(key)} do not close") from None
        else:
            words = self.words(key)
        if key in self.values and (not words or not words[0]):
            raise self.error(
                key,
                f"{self._label(key)} is empty",
                fix="give the program and its arguments, or remove the key",
            )
        return words

    def finish(self) -> None:
        """Refuse unknown keys.

        Raises:
            ConfigError: naming the key, its place and the closest known one.
        """
        for key in self.values:
            if key not in self.asked:
                where = f"[{'.'.join(self.path)}]" if self.path else "this file"
                raise self.document.error(
                    (*self.path, key),
                    f"unknown key `{key}` in {where}",
                    facts=(f"known here: {', '.join(sorted(self.asked))}",),
                    fix=close_names(key, self.asked) or "remove it, or see docs/reference/config.md",
                )

    def _label(self, key: str) -> str:
        return ".".join((*self.path, key))

    def _get(self, key: str, kind: type, default: Any) -> Any:
        self.asked.add(key)
        value = self.values.get(key, default)
        if key not in self.values:
            return value
        accepted = (int, float) if kind is float else (kind,)
        if not isinstance(value, accepted) or (isinstance(value, bool) and kind is not bool):
            seen = _TYPE_NAMES.get(type(value), "something else")
            raise self.error(key, f"{self._label(key)} must be {_TYPE_NAMES[kind]}, not {seen}")
        return value


def _split_key(text: str) -> tuple[str, ...]:
    parts = re.findall(r"\"([^\"]*)\"|'([^']*)'|([A-Za-z0-9_-]+)", text)
    return tuple(a or b or c for a, b, c in parts)


def _find_exact(text: str, path: tuple[str, ...]) -> Place | None:
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), start=1):
        header = _HEADER.match(line)
        if header is not None:
            table = _split_key(header[1])
            if table[: len(path)] == path:
                return Place(number, header.start(1) + 1)
            continue
        key = re.match(r"[ \t]*([A-Za-z0-9_.\"'-][A-Za-z0-9_. \"'-]*?)[ \t]*=", line)
        if key is not None and (*table, *_split_key(key[1]))[: len(path)] == path:
            return Place(number, key.start(1) + 1)
        if path[: len(table)] == table and len(path) == len(table) + 2 and key is not None:
            # `name = { key = ... }`: the key stands inside an inline table of this line.
            inside = re.search(rf"[{{,]\s*[\"']?({re.escape(path[-1])})[\"']?\s*=", line)
            if inside is not None and _split_key(key[1]) == path[-2:-1]:
                return Place(number, inside.start(1) + 1)
    return None
