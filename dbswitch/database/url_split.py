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
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final
from urllib.parse import unquote_to_bytes

from dbswitch.database.url_problems import SUPPORTED, UrlProblem
from dbswitch.errors import UrlError

SCHEMES: Final = ("postgresql", "postgres")
_SOCKET_HOSTS: Final = ("", "localhost")

_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(//)?")
_QUERY: Final = r"(?:[A-Za-z_][A-Za-z0-9_.-]*=[^#&]*)?(?:&(?:[A-Za-z_][A-Za-z0-9_.-]*=[^#&]*)?)*"
_PLACE: Final = re.compile(
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|%2[Ff][A-Za-z0-9%._-]*|[A-Za-z0-9_.-]*)"
    r"(?::(?P<port>[0-9]{0,5}))?"
    r"/(?P<database>[A-Za-z0-9_.-]+)"
    rf"(?:\?(?P<query>{_QUERY}))?"
)
# A host whose last label is a number is an IPv4 address (WHATWG URL Standard, "ends in a number").
_NUMBER = re.compile(r"(?:^|\.)(?:[0-9]+|0[xX][0-9A-Fa-f]*)\.?$")
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
    """Split `text` by the rule above; `name` is the variable it comes from, for messages.

    Raises:
        UrlError: it is not a Postgres URL, or cannot be split with certainty.
    """
    text = text.strip()
    scheme, rest = _scheme(text, name)
    ends = [end for end, char in enumerate(rest) if char == "@"]
    readings = [(end, match) for end in ends if (match := _PLACE.fullmatch(rest, end + 1))]
    if len(readings) > 1:
        raise UrlProblem.AMBIGUOUS.error(
            name, "more than one @ could be the one before the host", count=len(readings)
        )
    if readings:
        end, place = readings[0]
        user, colon, password = rest[:end].partition(":")
        if colon and not user:
            raise UrlProblem.NO_USER.error(name)
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
            raise UrlProblem.AMBIGUOUS_PERCENT.error(
                what, "some are followed by two hexadecimal digits, some are not"
            )
        decoded = text
    else:
        try:
            decoded = unquote_to_bytes(text).decode()
        except UnicodeError:
            raise UrlProblem.ESCAPES_NOT_UTF8.error(what) from None
    if "\0" in decoded:
        raise UrlProblem.ZERO_BYTE.error(what)
    return decoded


def _query(query: str, name: str) -> list[tuple[str, str]]:
    # node-postgres and Prisma read + as a space in the query, libpq as itself: the app's reading counts.
    pairs = (segment.partition("=") for segment in query.split("&") if segment)
    return [
        (key, unescape(value.replace("+", " "), f"the parameter {key} in {name}")) for key, _, value in pairs
    ]


def _scheme(text: str, name: str) -> tuple[str, str]:
    if not text:
        raise UrlProblem.EMPTY.error(name)
    if _CONTROL.search(text):
        raise UrlProblem.CONTROL_CHARACTER.error(name)
    try:
        text.encode()
    except UnicodeError:
        raise UrlProblem.NOT_UTF8.error(name) from None
    match = _SCHEME.match(text)
    if match is None:
        raise _no_scheme(text, name)
    scheme = match[1].lower()
    if scheme in SCHEMES and match[2]:
        return scheme, text[match.end() :]
    if scheme in SCHEMES:
        raise UrlProblem.NO_SLASHES.error(name, scheme=scheme)
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
        return UrlProblem.QUOTED.error(name)
    if text.startswith(("$", "env(")):
        return UrlProblem.REFERENCE.error(name)
    if text.startswith("psql "):
        return UrlProblem.PSQL_COMMAND.error(name)
    if re.match(r"[a-z_]+ *=", text):
        return UrlProblem.KEY_VALUE_FORM.error(name)
    return UrlProblem.NOT_A_URL.error(name)


def _diagnosis(rest: str, name: str) -> UrlError:
    """Say why no `@` has a place behind it, without repeating any of it."""
    place = rest[rest.rfind("@", 0, _query_start(rest)) + 1 :]
    authority, slash, path = place.partition("/")
    address = authority.partition("?")[0]
    if re.match(r"\[[^\]]*%", authority):
        return UrlProblem.ZONE_ID.error(name)
    if re.match(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+)(?::\d*)?,", authority):
        return UrlProblem.SEVERAL_HOSTS.error(name, f"{authority.count(',') + 1} hosts, separated by commas")
    if re.fullmatch(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]*)(?::\d{0,5})?", address):
        database, _, query = path.partition("?")
        if not slash or not database:
            return UrlProblem.NO_DATABASE.error(name)
        if not re.fullmatch(r"[A-Za-z0-9_.-]+", database):
            return UrlProblem.DATABASE_CHARACTERS.error(name)
        problem = "a #, which must be %23" if "#" in query else "parameters that are not key=value pairs"
        return UrlProblem.BAD_QUERY.error(name, problem=problem)
    if re.fullmatch(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]*):.*", address):
        return UrlProblem.PORT_NOT_A_NUMBER.error(name)
    return UrlProblem.NO_CERTAIN_HOST.error(name)


def _query_start(rest: str) -> int:
    start = re.search(r"\?[A-Za-z_][A-Za-z0-9_]*=", rest)
    at = rest.find("@")
    return start.start() if start and 0 <= at < start.start() else len(rest)


def checked_host(host: str, written: str, name: str) -> str:
    """Return the host as every program writes it; `written` is what stood in front of the database.

    Raises:
        UrlError: not a host, or not one that node-postgres, Prisma and libpq all connect to.
    """
    if host.startswith("/"):
        if written not in {*_SOCKET_HOSTS, host}:
            raise UrlProblem.HOST_AND_SOCKET.error(name)
        return host
    if not host:
        raise UrlProblem.NO_HOST.error(name)
    if "," in host:
        raise UrlProblem.SEVERAL_HOSTS.error(name)
    if "%" in host:
        raise UrlProblem.ZONE_ID.error(name)
    if match := re.fullmatch(r"\[?([0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*)\]?", host):
        return _address(match[1], name)
    if not re.fullmatch(r"[A-Za-z0-9_.-]+", host):
        raise UrlProblem.HOST_CHARACTERS.error(name)
    if _NUMBER.search(host):
        return _ipv4_address(host, name)
    return host


def is_this_machine(host: str) -> bool:
    """Return whether an address or `localhost` is this machine: loopback, unspecified, or either embedded in IPv6."""
    host = host.lower().removesuffix(".")
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    address = getattr(address, "ipv4_mapped", None) or address
    return address.is_loopback or address.is_unspecified  # connect(2) to 0.0.0.0 or :: reaches this machine


def _ipv4_address(text: str, name: str) -> str:
    try:
        return str(IPv4Address(text))
    except ValueError:
        raise UrlProblem.IPV4_SPELLING.error(name) from None


def _address(text: str, name: str) -> str:
    try:
        # The canonical form, as URL parsers in Node write it; an address with an embedded IPv4 one is also legal.
        return str(IPv6Address(text))
    except ValueError:
        raise UrlProblem.BAD_IPV6.error(name) from None
