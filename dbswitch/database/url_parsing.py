"""Split a connection URL, as users paste it, into its raw parts. Nothing is decoded here but the `%` escapes.

The rule, in order:

1. Everything is `scheme://login@place`, where `place` must read as `host[:port]/database[?key=value&...]` to the last
   character. Of all the `@` in the text, those that leave such a `place` behind them are the possible ends of the login.
2. Exactly one: it is taken, so `@ : / # ?` may stand unencoded in a password. More than one: the text is ambiguous and
   is refused. None: without any `@` the whole text may be a place; otherwise it is refused.
3. The login is split at its first `:` into user and password.

A database name is demanded because the programs fall back to different ones. No message repeats a piece of the text: in a
URL that cannot be split any piece may belong to the password.
"""

from __future__ import annotations

import re
from enum import Enum
from ipaddress import IPv4Address, IPv6Address, ip_address
from itertools import islice
from typing import Final
from urllib.parse import unquote_to_bytes

from dbswitch.errors import UrlError

SCHEMES: Final = ("postgresql", "postgres")
SSLMODES: Final = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full", "no-verify")
DEFAULT_PORT: Final = 5432
LONGEST: Final = 8192  # characters; each @ is tried as the end of the login
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

SUPPORTED: Final = "dbswitch supports postgresql:// and postgres:// URLs that lead to the server itself"
_FORM: Final = "write it like postgresql://USER:PASSWORD@HOST:5432/DATABASE"
_NOT_POSTGRES: Final = {
    "prisma": "a Prisma Accelerate URL", "prisma+postgres": "a Prisma Postgres or Accelerate URL", "file": "an SQLite file",
    "sqlite": "an SQLite file", "mongodb": "a MongoDB URL", "mongodb+srv": "a MongoDB URL", "mysql": "a MySQL URL",
    "mariadb": "a MariaDB URL", "cockroachdb": "a CockroachDB URL", "jdbc": "a JDBC URL", "sqlserver": "an SQL Server URL",
    "http": "a web address", "https": "a web address", "socket": "node-postgres' own socket form",
}  # fmt: skip
_MISLEADING: Final = {
    "dbname": "libpq would take the database from it, node-postgres from the path",
    "database": "the programs disagree on whether it counts",
    "hostaddr": "libpq would connect there, node-postgres to the host",
    "service": "libpq would read settings from another file, node-postgres ignores it",
    "servicefile": "libpq would read settings from another file, node-postgres ignores it",
    "passfile": "libpq would read settings from another file, node-postgres ignores it",
    "replication": "a replication connection cannot run an app",
}


class UrlProblem(Enum):
    """A reason to refuse a URL: what is wrong with the variable `name`, why that matters and how to mend it."""

    # fmt: off
    AMBIGUOUS = ("{name} can be read in {count} ways",
        "the text before the last such @ may be the password, or a host and its parameters",
        "write the @ that belongs to the password or to a parameter's value as %40")
    AMBIGUOUS_PERCENT = ("the % signs in {name} are ambiguous", "the value may or may not be encoded already",
        "write every literal % as %25")
    BAD_IPV6 = ("the IPv6 address in {name} is not valid", "no program could connect to it",
        "write it like [2001:db8::1]:5432")
    BAD_QUERY = ("after the database name, {name} has {problem}", "URL parsers cut it there or drop it",
        "percent-encode the values")
    CONTROL_CHARACTER = ("{name} contains a control character", "URL parsers drop it silently",
        "remove line breaks and tabs")
    DATABASE_CHARACTERS = ("the database name in {name} has characters other than A-Z a-z 0-9 _ . -",
        "node-postgres, Prisma and libpq decode such names differently",
        "rename the database; or, if this is part of the password, percent-encode the password")
    EMPTY = ("{name} is empty", "for node-postgres an empty URL means 127.0.0.1:5432, without an error",
        "write the database's URL")
    ESCAPES_NOT_UTF8 = ("the % escapes in {name} are not UTF-8", "programs decode such bytes differently",
        "encode the value again as UTF-8")
    HOST_AND_SOCKET = ("{name} names both a host and a socket's folder",
        "programs differ in which of them they connect to", "write @localhost/DATABASE?host=/FOLDER")
    HOST_CHARACTERS = ("the host in {name} has characters other than A-Z a-z 0-9 . _ -",
        "programs translate such names differently", "write it in its ASCII form")
    IPV4_SPELLING = ("the IPv4 address in {name} is not four decimal numbers",
        "its other spellings (127.1, 0x7f000001, 0177.0.0.1) hide which machine it is", "write it like 192.0.2.1")
    KEY_VALUE_FORM = "{name} is in libpq's key=value form", "Prisma reads URLs only", _FORM
    NOT_A_URL = "{name} is not a URL", SUPPORTED, _FORM
    NOT_UTF8 = "{name} is not UTF-8", "programs read such bytes differently", "write it with % escapes"
    NO_CERTAIN_HOST = ("the host in {name} cannot be determined",
        "a host consists of A-Z a-z 0-9 . _ - or is an IPv6 address in brackets",
        "percent-encode the password (@ is %40, / is %2F, # is %23, ? is %3F) and the host's special characters")
    NO_DATABASE = ("{name} names no database", "each program would use a different default database",
        "end it with /DATABASE (before any ?)")
    NO_HOST = ("{name} names no host", "libpq would take a Unix socket, node-postgres localhost",
        "write localhost, or @localhost/DATABASE?host=/FOLDER for a Unix socket")
    NO_SLASHES = ("{name} lacks the // after {scheme}:", "URL parsers then find no host in it",
        "start it with {scheme}://")
    NO_USER = ("{name} has a password but no user", "each program would use a different default user",
        "write the user before the first colon")
    PORT_NOT_A_NUMBER = ("the port in {name} is not a number",
        "that text may be part of a password that is not percent-encoded",
        "write host:5432, or leave the port out; percent-encode the password")
    PORT_OUT_OF_RANGE = ("the port in {name} is not between 1 and 65535", "other port numbers do not exist",
        "write host:5432, or leave the port out")
    PSQL_COMMAND = "{name} is a psql command, not a URL", SUPPORTED, "keep only the part between the quotes"
    QUOTED = "{name} starts with a quote", SUPPORTED, "remove the quotes that became part of the value"
    REFERENCE = ("{name} is a reference, not a URL", "not every reader of env files follows it",
        "write the URL itself")
    TOO_LONG = ("{name} is longer than a URL can be", "dbswitch does not examine such a value",
        "write the database's URL")
    RELATIVE_DATABASE = ("the database name in {name} is a relative path", "URL parsers remove it",
        "end the URL with /DATABASE")
    SEVERAL_HOSTS = ("{name} names several hosts",
        "libpq would try them in turn, node-postgres cannot read such a URL", "name the one host to use")
    UNKNOWN_SSLMODE = ("{name} has an unknown sslmode",
        "libpq refuses it, node-postgres ignores it and may connect without TLS",
        "write sslmode=require (or what the provider says), or leave it out")
    ZERO_BYTE = "there is a zero byte in {name}", "no Postgres client can send one", "remove the %00"
    ZONE_ID = ("the address in {name} has a zone id", "node-postgres cannot connect to one",
        "use a global address or a host name")
    # fmt: on

    def error(self, name: str, *facts: str, **more: object) -> UrlError:
        """Return the error for the variable, or the part of it, that is called `name`."""
        what, why, fix = (text.format(name=name, **more) for text in self.value)
        return UrlError(what, facts=facts, why=why, fix=fix)


# user, password, host, port, database, parameters, scheme, whether the port was written; decoded, in the order of `DatabaseUrl`
UrlParts = tuple[str, str, str, int, str, tuple[tuple[str, str], ...], str, bool]


def split(text: str, name: str) -> UrlParts:
    """Split `text` by the rule above; `name` is the variable it comes from, for messages. Raises UrlError."""
    text = text.strip()
    scheme, rest = _scheme(text, name)
    ends = [end for end, char in enumerate(rest) if char == "@"]
    hash_at = rest.rfind("#")
    # No place holds a #; and three readings are as many as have to be told apart, since each is as long as the text.
    possible = ((end, _PLACE.fullmatch(rest, end + 1)) for end in ends if end > hash_at)
    readings = list(islice(((end, match) for end, match in possible if match), 3))
    if len(readings) > 1:
        count = "2" if len(readings) == 2 else "more than 2"
        fact = "more than one @ could be the one before the host"
        raise UrlProblem.AMBIGUOUS.error(name, fact, count=count)
    if not ends and (whole := _PLACE.fullmatch(rest)):
        readings = [(0, whole)]
    if not readings:
        raise _diagnosis(rest, name)
    end, place = readings[0]
    user, colon, password = rest[:end].partition(":")
    if colon and not user:
        raise UrlProblem.NO_USER.error(name)
    login = {
        "user": unescape(user, f"the user in {name}"),
        "password": unescape(password, f"the password in {name}"),
        "host": unescape(place["host"], f"the host in {name}"),
        "port": place["port"] or "",
    }
    written, parameters = login["host"], []
    for key, value in _query(place["query"] or "", name):
        if key in _MISLEADING:
            what, fix = f"{name} has the parameter {key}", "move it to its own part of the URL, or remove it"
            raise UrlError(what, why=_MISLEADING[key], fix=fix)
        if key in login:
            # libpq and node-postgres both prefer these over what stands in front of the database.
            login[key] = value or login[key]
        else:
            parameters.append((key, value))
    if dict(parameters).get("sslmode", "require") not in SSLMODES:
        raise UrlProblem.UNKNOWN_SSLMODE.error(name, f"known are {', '.join(SSLMODES)}")
    if place["database"] in {".", ".."}:
        raise UrlProblem.RELATIVE_DATABASE.error(name)
    port = login["port"]
    if port and not (port.isascii() and port.isdecimal() and 0 < int(port) < 65536):
        raise UrlProblem.PORT_OUT_OF_RANGE.error(name)
    return (
        login["user"],
        login["password"],
        _checked_host(login["host"], written, name),
        int(port or DEFAULT_PORT),
        place["database"],
        tuple(parameters),
        scheme,
        bool(port),
    )


def unescape(text: str, what: str) -> str:
    """Decode the `%` escapes of one piece, or none if it has another `%`. Raises UrlError."""
    lone = _LONE_PERCENT.search(text)
    if lone and _ESCAPE.search(text):
        fact = "some are followed by two hexadecimal digits, some are not"
        raise UrlProblem.AMBIGUOUS_PERCENT.error(what, fact)
    try:
        decoded = text if lone else unquote_to_bytes(text).decode()
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
    if len(text) > LONGEST:
        raise UrlProblem.TOO_LONG.error(name, f"it has more than {LONGEST} characters")
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
    why, fix = SUPPORTED, "write the URL of a Postgres database"
    if scheme.startswith("prisma"):
        why, fix = f"{SUPPORTED}; P1012", "use the direct connection URL that the provider shows beside it"
    facts = (f"it starts with {scheme}:",) if kind else ()
    raise UrlError(f"{name} is {kind or 'not a Postgres URL'}", facts=facts, why=why, fix=fix)


def _no_scheme(text: str, name: str) -> UrlError:
    kinds = (
        (r"['\"`]", UrlProblem.QUOTED),
        (r"\$|env\(", UrlProblem.REFERENCE),
        (r"psql ", UrlProblem.PSQL_COMMAND),
        (r"[a-z_]+ *=", UrlProblem.KEY_VALUE_FORM),
    )
    found = (problem for pattern, problem in kinds if re.match(pattern, text))
    return next(found, UrlProblem.NOT_A_URL).error(name)


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


def _checked_host(host: str, written: str, name: str) -> str:
    """Return the host as every program writes it; `written` is what stood in front of the database. Raises UrlError."""
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
    try:
        if match := re.fullmatch(r"\[?([0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*)\]?", host):
            return str(IPv6Address(match[1]))  # the canonical form, as URL parsers in Node write it
        if not re.fullmatch(r"[A-Za-z0-9_.-]+", host):
            raise UrlProblem.HOST_CHARACTERS.error(name)
        return str(IPv4Address(host)) if _NUMBER.search(host) else host
    except ValueError:
        raise (UrlProblem.BAD_IPV6 if ":" in host else UrlProblem.IPV4_SPELLING).error(name) from None


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
