"""Split a connection URL, as users paste it, into its raw parts. Nothing is decoded here but the `%` escapes.

The rule, in order:

1. Everything is `scheme://login@place`, where `place` must read as `host[:port]/database[?key=value&...]` to the last
   character. Of all the `@` in the text, those that leave such a `place` behind them are the possible ends of the login.
2. Exactly one: it is taken, so `@ : / # ?` may stand unencoded in a password. More than one: the text is ambiguous and
   is refused. None: without any `@` the whole text may be a place; otherwise it is refused.
3. The login is split at its first `:` into user and password.

A database name is demanded because node-postgres and libpq fall back to the user's name and Prisma's engine to another.
No message repeats a piece of the text: in a URL that cannot be split any piece may belong to the password.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_to_bytes

from dbswitch.errors import UrlError

SCHEMES: Final = ("postgresql", "postgres")
SOCKET_HOSTS: Final = ("", "localhost")

_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(//)?")
_QUERY: Final = r"(?:[A-Za-z_][A-Za-z0-9_.-]*=[^#&]*)?(?:&(?:[A-Za-z_][A-Za-z0-9_.-]*=[^#&]*)?)*"
_PLACE: Final = re.compile(
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|%2[Ff][A-Za-z0-9%._-]*|[A-Za-z0-9_.-]*)"
    r"(?::(?P<port>[0-9]{0,5}))?"
    r"/(?P<database>[A-Za-z0-9_.-]+)"
    rf"(?:\?(?P<query>{_QUERY}))?"
)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_ESCAPE: Final = re.compile(r"%[0-9A-Fa-f]{2}")
_LONE_PERCENT: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")

_NOT_POSTGRES: Final = {
    "prisma": "a Prisma Accelerate URL",
    "prisma+postgres": "a Prisma Postgres or Accelerate URL",
    "file": "an SQLite file",
    "sqlite": "an SQLite file",
    "mysql": "a MySQL URL",
    "mariadb": "a MariaDB URL",
    "sqlserver": "an SQL Server URL",
    "mongodb": "a MongoDB URL",
    "mongodb+srv": "a MongoDB URL",
    "cockroachdb": "a CockroachDB URL",
    "jdbc": "a JDBC URL",
    "socket": "node-postgres' own socket form",
    "http": "a web address",
    "https": "a web address",
}
SUPPORTED: Final = "dbswitch supports postgresql:// and postgres:// URLs that lead to the server itself"
_FORM: Final = "write it like postgresql://USER:PASSWORD@HOST:5432/DATABASE"


@dataclass(frozen=True, slots=True, repr=False)
class Pieces:
    """The pieces of a URL, decoded. No repr: they hold the password."""

    scheme: str
    user: str
    password: str
    host: str
    port: str
    database: str
    query: tuple[tuple[str, str], ...]


def split(text: str, name: str) -> Pieces:
    """Split `text` by the rule above.

    Args:
        text: the URL, white space at both ends allowed.
        name: the variable it comes from, for messages.

    Raises:
        UrlError: it is not a Postgres URL, or cannot be split with certainty.
    """
    text = text.strip()
    scheme, rest = _scheme(text, name)
    ends = [end for end, char in enumerate(rest) if char == "@"]
    readings = [(end, match) for end in ends if (match := _PLACE.fullmatch(rest, end + 1))]
    if len(readings) > 1:
        raise UrlError(
            f"{name} can be read in {len(readings)} ways.",
            facts=("more than one @ could be the one before the host",),
            why="the text before the last such @ may be the password, or a host and its parameters",
            fix="write the @ that belongs to the password or to a parameter's value as %40",
        )
    if readings:
        end, place = readings[0]
        user, colon, password = rest[:end].partition(":")
        if colon and not user:
            raise UrlError(
                f"{name} has a password but no user.",
                why="each program would use a different default user",
                fix="write the user before the first colon",
            )
    else:
        whole = _PLACE.fullmatch(rest) if not ends else None
        if whole is None:
            raise _diagnosis(rest, name)
        place, user, password = whole, "", ""
    return Pieces(
        scheme=scheme,
        user=unescape(user, f"the user in {name}"),
        password=unescape(password, f"the password in {name}"),
        host=unescape(place["host"], f"the host in {name}"),
        port=place["port"] or "",
        database=place["database"],
        query=tuple(_query(place["query"] or "", name)),
    )


def unescape(text: str, what: str) -> str:
    """Decode the `%` escapes of one piece; any other `%` is literal.

    Raises:
        UrlError: it holds both kinds of `%`, a zero byte, or bytes that are not UTF-8.
    """
    if _LONE_PERCENT.search(text):
        if _ESCAPE.search(text):
            raise UrlError(
                f"The % signs in {what} are ambiguous.",
                facts=("some are followed by two hexadecimal digits, some are not",),
                why="the value may or may not be encoded already",
                fix="write every literal % as %25",
            )
        decoded = text
    else:
        try:
            decoded = unquote_to_bytes(text).decode()
        except UnicodeError:
            raise UrlError(
                f"The % escapes in {what} are not UTF-8.",
                why="programs decode such bytes differently",
                fix="encode the value again as UTF-8",
            ) from None
    if "\0" in decoded:
        raise UrlError(
            f"There is a zero byte in {what}.", why="no Postgres client can send one", fix="remove the %00"
        )
    return decoded


def _query(query: str, name: str) -> list[tuple[str, str]]:
    # node-postgres and Prisma read + as a space in the query, libpq as itself: the app's reading counts.
    pairs = (segment.partition("=") for segment in query.split("&") if segment)
    return [
        (key, unescape(value.replace("+", " "), f"the parameter {key} in {name}")) for key, _, value in pairs
    ]


def _scheme(text: str, name: str) -> tuple[str, str]:
    if not text:
        raise UrlError(
            f"{name} is empty.",
            why="for node-postgres an empty URL means 127.0.0.1:5432, without an error",
            fix="write the database's URL",
        )
    if _CONTROL.search(text):
        raise UrlError(
            f"{name} contains a control character.",
            why="URL parsers drop it silently",
            fix="remove line breaks and tabs",
        )
    try:
        text.encode()
    except UnicodeError:
        raise UrlError(
            f"{name} is not UTF-8.",
            why="programs read such bytes differently",
            fix="write it with % escapes",
        ) from None
    match = _SCHEME.match(text)
    if match is None:
        raise _no_scheme(text, name)
    scheme = match[1].lower()
    if scheme in SCHEMES and match[2]:
        return scheme, text[match.end() :]
    if scheme in SCHEMES:
        raise UrlError(
            f"{name} lacks the // behind {scheme}:",
            why="URL parsers then find no host in it",
            fix=f"start it with {scheme}://",
        )
    kind = _NOT_POSTGRES.get(scheme)
    if kind is None and scheme.split("+", maxsplit=1)[0] in SCHEMES:
        kind = "a URL for another language's driver"
    raise UrlError(
        f"{name} is {kind or 'no Postgres URL'}.",
        facts=(f"it starts with {scheme}:",) if kind else (),
        why=SUPPORTED + "; P1012" if scheme.startswith("prisma") else SUPPORTED,
        fix="use the direct connection URL that the provider shows beside it"
        if scheme.startswith("prisma")
        else "write the URL of a Postgres database",
    )


def _no_scheme(text: str, name: str) -> UrlError:
    if text[0] in "'\"`":
        return UrlError(
            f"{name} starts with a quote.",
            why=SUPPORTED,
            fix="remove the quotes that became part of the value",
        )
    if text.startswith(("$", "env(")):
        return UrlError(
            f"{name} is a reference, not a URL.",
            why="not every reader of env files follows it",
            fix="write the URL itself",
        )
    if text.startswith("psql "):
        return UrlError(
            f"{name} is a psql command, not a URL.",
            why=SUPPORTED,
            fix="keep only the part between the quotes",
        )
    if re.match(r"[a-z_]+ *=", text):
        return UrlError(f"{name} is in libpq's key=value form.", why="Prisma reads URLs only", fix=_FORM)
    return UrlError(f"{name} is not a URL.", why=SUPPORTED, fix=_FORM)


def _diagnosis(rest: str, name: str) -> UrlError:
    """Say why no `@` has a place behind it, without repeating any of it."""
    place = rest[rest.rfind("@", 0, _query_start(rest)) + 1 :]
    authority, slash, path = place.partition("/")
    address = authority.partition("?")[0]
    if re.match(r"\[[^\]]*%", authority):
        return UrlError(
            f"The address in {name} has a zone id.",
            why="node-postgres cannot connect to one",
            fix="use a global address or a host name",
        )
    if re.match(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+)(?::\d*)?,", authority):
        return UrlError(
            f"{name} names several hosts.",
            facts=(f"{authority.count(',') + 1} hosts, separated by commas",),
            why="libpq would try them in turn, node-postgres cannot read such a URL",
            fix="name the one host to use",
        )
    if re.fullmatch(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]*)(?::\d{0,5})?", address):
        database, _, query = path.partition("?")
        if not slash or not database:
            return UrlError(
                f"{name} names no database.",
                why="each program would use a different default database",
                fix="end it with /DATABASE (before any ?)",
            )
        if not re.fullmatch(r"[A-Za-z0-9_.-]+", database):
            return UrlError(
                f"The database name in {name} has characters other than A-Z a-z 0-9 _ . -",
                why="node-postgres, Prisma and libpq decode such names differently",
                fix="rename the database; or, if this is part of the password, percent-encode the password",
            )
        problem = "a #, which must be %23" if "#" in query else "parameters that are not key=value pairs"
        return UrlError(
            f"After the database name, {name} has {problem}.",
            why="URL parsers cut it there or drop it",
            fix="percent-encode the values",
        )
    if re.fullmatch(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]*):.*", address):
        return UrlError(
            f"The port in {name} is not a number.",
            why="that text may be part of a password that is not percent-encoded",
            fix="write host:5432, or leave the port out; percent-encode the password",
        )
    return UrlError(
        f"The host in {name} cannot be determined.",
        why="a host consists of A-Z a-z 0-9 . _ - or is an IPv6 address in brackets",
        fix="percent-encode the password (@ is %40, / is %2F, # is %23, ? is %3F) and the host's special characters",
    )


def _query_start(rest: str) -> int:
    start = re.search(r"\?[A-Za-z_][A-Za-z0-9_]*=", rest)
    at = rest.find("@")
    return start.start() if start and 0 <= at < start.start() else len(rest)
