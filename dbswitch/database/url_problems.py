"""What can be wrong with a connection URL, for users. No text repeats a piece of the URL, which may belong to the password."""

from __future__ import annotations

from enum import Enum
from typing import Final

from dbswitch.errors import UrlError

SUPPORTED: Final = "dbswitch supports postgresql:// and postgres:// URLs that lead to the server itself"
_FORM: Final = "write it like postgresql://USER:PASSWORD@HOST:5432/DATABASE"


class UrlProblem(Enum):
    """A reason to refuse a URL: what is wrong with the variable `name`, why that matters and how to mend it."""

    # fmt: off
    AMBIGUOUS = ("{name} can be read in {count} ways.",
        "the text before the last such @ may be the password, or a host and its parameters",
        "write the @ that belongs to the password or to a parameter's value as %40")
    AMBIGUOUS_PERCENT = ("The % signs in {name} are ambiguous.", "the value may or may not be encoded already",
        "write every literal % as %25")
    BAD_IPV6 = ("The IPv6 address in {name} is not valid.", "no program could connect to it",
        "write it like [2001:db8::1]:5432")
    BAD_QUERY = ("After the database name, {name} has {problem}.", "URL parsers cut it there or drop it",
        "percent-encode the values")
    CONTROL_CHARACTER = ("{name} contains a control character.", "URL parsers drop it silently",
        "remove line breaks and tabs")
    DATABASE_CHARACTERS = ("The database name in {name} has characters other than A-Z a-z 0-9 _ . -",
        "node-postgres, Prisma and libpq decode such names differently",
        "rename the database; or, if this is part of the password, percent-encode the password")
    EMPTY = ("{name} is empty.", "for node-postgres an empty URL means 127.0.0.1:5432, without an error",
        "write the database's URL")
    ESCAPES_NOT_UTF8 = ("The % escapes in {name} are not UTF-8.", "programs decode such bytes differently",
        "encode the value again as UTF-8")
    HOST_AND_SOCKET = ("{name} names both a host and a socket's folder.",
        "programs differ in which of them they connect to", "write @localhost/DATABASE?host=/FOLDER")
    HOST_CHARACTERS = ("The host in {name} has characters other than A-Z a-z 0-9 . _ -",
        "programs translate such names differently", "write it in its ASCII form")
    IPV4_SPELLING = ("The IPv4 address in {name} is not four decimal numbers.",
        "its other spellings (127.1, 0x7f000001, 0177.0.0.1) hide which machine it is", "write it like 192.0.2.1")
    KEY_VALUE_FORM = "{name} is in libpq's key=value form.", "Prisma reads URLs only", _FORM
    NOT_A_URL = "{name} is not a URL.", SUPPORTED, _FORM
    NOT_UTF8 = "{name} is not UTF-8.", "programs read such bytes differently", "write it with % escapes"
    NO_CERTAIN_HOST = ("The host in {name} cannot be determined.",
        "a host consists of A-Z a-z 0-9 . _ - or is an IPv6 address in brackets",
        "percent-encode the password (@ is %40, / is %2F, # is %23, ? is %3F) and the host's special characters")
    NO_DATABASE = ("{name} names no database.", "each program would use a different default database",
        "end it with /DATABASE (before any ?)")
    NO_HOST = ("{name} names no host.", "libpq would take a Unix socket, node-postgres localhost",
        "write localhost, or @localhost/DATABASE?host=/FOLDER for a Unix socket")
    NO_SLASHES = ("{name} lacks the // behind {scheme}:", "URL parsers then find no host in it",
        "start it with {scheme}://")
    NO_USER = ("{name} has a password but no user.", "each program would use a different default user",
        "write the user before the first colon")
    PORT_NOT_A_NUMBER = ("The port in {name} is not a number.",
        "that text may be part of a password that is not percent-encoded",
        "write host:5432, or leave the port out; percent-encode the password")
    PORT_OUT_OF_RANGE = ("The port in {name} is not between 1 and 65535.", "other port numbers do not exist",
        "write host:5432, or leave the port out")
    PSQL_COMMAND = "{name} is a psql command, not a URL.", SUPPORTED, "keep only the part between the quotes"
    QUOTED = "{name} starts with a quote.", SUPPORTED, "remove the quotes that became part of the value"
    REFERENCE = ("{name} is a reference, not a URL.", "not every reader of env files follows it",
        "write the URL itself")
    RELATIVE_DATABASE = ("The database name in {name} is a relative path.", "URL parsers remove it",
        "end the URL with /DATABASE")
    SEVERAL_HOSTS = ("{name} names several hosts.",
        "libpq would try them in turn, node-postgres cannot read such a URL", "name the one host to use")
    UNKNOWN_SSLMODE = ("{name} has an unknown sslmode.",
        "libpq refuses it, node-postgres ignores it and may connect without TLS",
        "write sslmode=require (or what the provider says), or leave it out")
    ZERO_BYTE = "There is a zero byte in {name}.", "no Postgres client can send one", "remove the %00"
    ZONE_ID = ("The address in {name} has a zone id.", "node-postgres cannot connect to one",
        "use a global address or a host name")
    # fmt: on

    def __init__(self, what: str, why: str, fix: str) -> None:
        self.what = what
        self.why = why
        self.fix = fix

    def error(self, name: str, *facts: str, **more: object) -> UrlError:
        """Return the error for the variable, or the part of it, that is called `name`."""
        more["name"] = name
        return UrlError(self.what.format(**more), facts=facts, why=self.why, fix=self.fix.format(**more))
