"""The line of one database in `[databases]` of a PgBouncer configuration: found, read, and replaced without loss. Pure.

The grammar is that of PgBouncer's own parsers (libusual `cfparser.c`, `loader.c`): a comment begins at the start of a line
only, a value goes to the end of its line, the last entry of a name counts, and the section goes on through `%include`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from dbswitch.database.url import DatabaseUrl
from dbswitch.database.url_parsing import DEFAULT_PORT
from dbswitch.errors import ConfigError

_SECTION: Final = "databases"
_DEEPEST: Final = 10  # includes; PgBouncer refuses more
_SPACE: Final = re.compile(r"[ \t\n\v\f\r]*")
_STATEMENT: Final = re.compile(
    r"%include[ \t]+(?P<include>[^\n]*)"
    r"|[#;][^\n]*"
    r"|\[(?P<section>[^\]\n]*)\]"
    r"|(?:'(?P<quoted>[^']+)'|(?P<key>[A-Za-z0-9_.*-]+))[ \t]*=[ \t]*(?P<value>[^\n]*)"
)
_PARAMETER: Final = re.compile(
    r" *(?P<key>[^= ]+) *= *(?P<value>'(?P<quoted>(?:[^']|'')*)'(?= |$)|(?P<bare>[^ '][^ ]*)) *"
)
_BARE: Final = re.compile(r"[A-Za-z0-9_./:-]+")
_LONGEST: Final = {"user": 127, "password": 995}  # bytes; PgBouncer 1.18 cuts or refuses longer ones


class Parameter(Struct, frozen=True):
    """One `key=value` of a connection string; `start` and `end` are those of the value, quotes included."""

    key: str
    value: str
    start: int
    end: int


class Entry(Struct, frozen=True):
    """The entry of one database that counts. Its connection string is `text[start:end]`."""

    name: str  # as clients call it
    path: str  # the file that holds it, as the configuration names it
    text: str  # that file's text
    start: int
    end: int
    parameters: tuple[Parameter, ...]

    def value(self, key: str) -> str | None:
        """Return a parameter's value; of duplicates the last, as PgBouncer does."""
        return next((one.value for one in reversed(self.parameters) if one.key == key), None)

    @property
    def route(self) -> Route:
        """Where the entry leads, with PgBouncer's defaults."""
        text, database = self.value("port") or "", self.value("dbname") or self.name
        port = int(text) if text.isdecimal() else DEFAULT_PORT
        return Route(self.value("host") or "", port, database, self.value("user"))


class Route(Struct, frozen=True):
    """Where a database of the pooler leads."""

    host: str  # empty: PgBouncer's own socket folder
    port: int
    database: str
    user: str | None  # the forced user; None: the client's own is passed on

    @property
    def text(self) -> str:
        """For people: `host:port/database`, and the forced user."""
        forced = "" if self.user is None else f" as {self.user}"
        return f"{self.host or 'socket'}:{self.port}/{self.database}{forced}"


def find(database: str, path: str, read: Callable[[str], str]) -> Entry:
    """Return the entry of `database`; `read` returns a file's text. Raises ConfigError: there is none, or it is not understood."""
    found = None
    for entry in _entries(path, read):
        if entry.name == database:
            found = entry
    if found is None:
        raise ConfigError(
            f"{path} has no line for the database {database}",
            facts=(f"searched: [{_SECTION}] of {path} and of the files that it includes",),
            why="dbswitch replaces the line of a database and adds none",
            fix=f"add a line such as `{database} = host=127.0.0.1 dbname={database}` to [{_SECTION}]",
        )
    return replace(found, parameters=_parameters(found))


def route_of(entry: Entry, url: DatabaseUrl) -> Route:
    """Return where the entry leads once it was given `url`."""
    forced = None if entry.value("user") is None else url.user
    return Route(url.host, url.port, url.database, forced)


def edited(entry: Entry, url: DatabaseUrl) -> str:
    """Return the text of the entry's file with the entry leading to `url`; every other character stays.

    Raises ConfigError: PgBouncer could not read the result, or the target lacks what the line forces.
    """
    # A forced user and its password follow the target. Where the entry has none they are not added: PgBouncer then goes on
    # logging in as its clients, with the passwords of `auth_file` or `auth_query`.
    wanted = {"host": url.host, "port": str(url.port), "dbname": url.database}
    if entry.value("user") is not None:
        wanted["user"] = url.user
        if entry.value("password") is not None:
            wanted["password"] = url.password.reveal()
    for key, value in wanted.items():
        _require_writable(entry, key, value)
    text = entry.text[entry.start : entry.end]
    last = {one.key: one for one in entry.parameters}
    for key in sorted(wanted.keys() & last.keys(), key=lambda key: last[key].start, reverse=True):
        if last[key].value != wanted[key]:
            text = text[: last[key].start] + _quoted(wanted[key]) + text[last[key].end :]
    added = [f"{key}={_quoted(value)}" for key, value in wanted.items() if key not in last]
    line = " ".join([*([text] if text else []), *added])
    return entry.text[: entry.start] + line + entry.text[entry.end :]


def _entries(path: str, read: Callable[[str], str]) -> Iterator[Entry]:
    """Yield every entry; the section goes on in an included file, and after it as that file left it."""
    section, position, text = "", 0, read(path)
    including: list[tuple[str, str, int]] = []
    while True:
        position = _SPACE.match(text, position).end()  # type: ignore[union-attr]  # matches any text
        if position == len(text):
            if not including:
                return
            path, text, position = including.pop()
            continue
        statement = _STATEMENT.match(text, position)
        if statement is None:
            line = text.count("\n", 0, position) + 1
            raise _unreadable(path, f"line {line} is neither a section, a setting, an include nor a comment")
        position = statement.end()
        if statement["include"] is not None:
            including.append((path, text, position))
            path, position = statement["include"].strip(" \t\v\f\r"), 0
            if len(including) > _DEEPEST:
                raise _unreadable(path, "it is included more than ten levels deep, perhaps by itself")
            text = read(path)
        elif statement["section"] is not None:
            section = statement["section"]
        elif statement["value"] is not None and section == _SECTION:
            start = statement.start("value")
            end = start + len(statement["value"].rstrip(" \t\v\f\r"))
            yield Entry(statement["quoted"] or statement["key"], path, text, start, end, ())


def _parameters(entry: Entry) -> tuple[Parameter, ...]:
    text = entry.text[entry.start : entry.end]
    found: list[Parameter] = []
    position = 0
    while position < len(text):
        match = _PARAMETER.match(text, position)
        if match is None:
            raise _unreadable(
                entry.path,
                f"the value of {entry.name} is not a list of key=value pairs as PgBouncer reads them",
            )
        value = match["bare"] if match["quoted"] is None else match["quoted"].replace("''", "'")
        found.append(Parameter(match["key"], value, match.start("value"), match.end("value")))
        position = match.end()
    return tuple(found)


def _require_writable(entry: Entry, key: str, value: str) -> None:
    problem = ""
    if not value:
        problem = "is empty"
    elif "\n" in value or "\0" in value:
        problem = "has a line break"
    elif len(value.encode()) > _LONGEST.get(key, len(value.encode())):
        problem = f"is longer than {_LONGEST[key]} bytes"
    if problem:
        raise ConfigError(
            f"the target cannot be written into {entry.path}: its {key} {problem}",
            facts=(f"the line of {entry.name} sets {key}, so the target has to have one",),
            why="PgBouncer could not read the line",
            fix=f"correct the target, or remove {key}= from the line and keep logins in auth_file",
        )


def _quoted(value: str) -> str:
    return value if _BARE.fullmatch(value) else "'" + value.replace("'", "''") + "'"


def _unreadable(path: str, problem: str) -> ConfigError:
    return ConfigError(
        f"{path} cannot be edited: {problem}",
        facts=("nothing was changed",),
        why="dbswitch changes a configuration only if it reads it as PgBouncer does",
        fix="correct the file; `pgbouncer` itself reports the same line when it is started with it",
    )
