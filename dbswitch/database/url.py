"""One connection URL: parsed once, then written for env files, for libpq and for display.

The parsing rule is in :mod:`dbswitch.database.url_parsing`. Sources: libpq's "Connection
URIs", the WHATWG URL standard as node-postgres' `pg-connection-string` 2.14 uses it, Prisma's "Connection URLs".
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Final, final
from urllib.parse import quote

from dbswitch.database.url_parsing import is_this_machine, split
from dbswitch.errors import UrlError
from dbswitch.redaction import HiddenValues

MASK: Final = "***"

# Known to Prisma's engine or to node-postgres only; libpq would refuse the whole URL.
APP_PARAMETERS: Final = frozenset({
    "schema", "connection_limit", "pool_timeout", "socket_timeout", "pgbouncer", "sslaccept", "sslidentity",
    "statement_cache_size", "single_use_connections", "max_connection_lifetime", "max_idle_connection_lifetime", "uselibpqcompat",
    "statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "query_timeout", "ssl", "supa", "workaround",
})  # fmt: skip
_LIBPQ_PARAMETERS: Final = frozenset({
    "application_name", "fallback_application_name", "options", "channel_binding", "target_session_attrs",
    "sslrootcert", "sslcrl", "sslnegotiation", "sslsni", "ssl_min_protocol_version", "ssl_max_protocol_version",
    "keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout", "gssencmode",
    "krbsrvname", "require_auth",
})  # fmt: skip
# Client certificate and key: libpq fails on a certificate without its key, and Prisma means the server's by `sslcert`.
_CLIENT_CERTIFICATE: Final = ("sslcert", "sslkey", "sslpassword")
_KNOWN: Final = (
    APP_PARAMETERS | _LIBPQ_PARAMETERS | {"sslmode", "connect_timeout", "host", *_CLIENT_CERTIFICATE}
)
# Postgres takes `-c name=value` and `--name=value`, `-` for `_` in the second, any case, and of duplicates the last.
_READ_ONLY: Final = re.compile(
    r"(?:^|\s)(?:-c\s*|--)default[_-]transaction[_-]read[_-]only=(\S*)", re.IGNORECASE
)
# The others may hold a secret.
_SHOWN: Final = _KNOWN - {"options", "sslidentity", *_CLIENT_CERTIFICATE}


@final
class Secret:
    """A string that is revealed only by an explicit call; `repr`, `str` and f-strings do not contain it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the string itself."""
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __repr__(self) -> str:
        return MASK


@dataclass(frozen=True, slots=True, repr=False)
class DatabaseUrl:
    """A Postgres connection URL, decoded; user and password are empty where the URL has none."""

    user: str
    password: Secret
    host: str  # a name, an address without brackets, or the folder of a Unix socket
    port: int
    database: str
    parameters: tuple[tuple[str, str], ...] = ()  # the rest of the query, in its order
    scheme: str = field(default="postgresql", compare=False)
    port_written: bool = field(default=True, compare=False)

    @classmethod
    def parse(cls, text: str, *, name: str = "DATABASE_URL") -> DatabaseUrl:
        """Parse a URL as users paste it; `name` is the variable it comes from, for messages.

        Raises UrlError: not a Postgres URL, ambiguous, or something the readers disagree on. Neither the message nor this
        frame's locals hold the text.
        """
        try:
            parts = split(text, name)
        except UrlError as error:
            # Frames below hold pieces of the text, and tools such as pytest print the locals of every frame.
            failure = error.with_traceback(None)
            failure.__context__ = None
            del text
            raise failure from None
        return cls(parts[0], Secret(parts[1]), *parts[2:])

    @property
    def is_socket(self) -> bool:
        """Whether the host is the folder of a Unix socket."""
        return self.host.startswith("/")

    @property
    def is_local(self) -> bool:
        """Whether the host names this machine: loopback or a Unix socket."""
        return self.is_socket or is_this_machine(self.host)

    @property
    def address(self) -> str:
        """Host and port for display: `db.example.com:5432`; the folder of a Unix socket."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.is_socket else f"{host}:{self.port}"

    @property
    def place(self) -> str:
        """Database, host and port for display: `shop at db.example.com:5432`, `shop at /run/postgresql`."""
        return f"{self.database} at {self.address}"

    @property
    def search_path(self) -> str | None:
        """Prisma's `schema` parameter, which libpq would refuse and adapter-pg ignores."""
        return self.parameter("schema") or None

    @property
    def is_read_only(self) -> bool:
        """Whether its `options` ask for read-only sessions."""
        found = _READ_ONLY.findall(self.parameter("options") or "")
        return bool(found) and found[-1].lower() in {"on", "true", "t", "yes", "y", "1"}

    def read_only(self) -> DatabaseUrl:
        """Return the URL with sessions that are read-only, in the form that Prisma, node-postgres and libpq read alike."""
        # It protects from mistakes, not from intent: a session may set `default_transaction_read_only` to off again.
        if self.is_read_only:
            return self
        options = " ".join(filter(None, (self.parameter("options"), "-c default_transaction_read_only=on")))
        kept = tuple((key, value) for key, value in self.parameters if key != "options")
        return replace(self, parameters=(*kept, ("options", options)))

    def parameter(self, key: str) -> str | None:
        """Return the value of a query parameter; of duplicates the last, as every reader does."""
        return next((value for name, value in reversed(self.parameters) if name == key), None)

    def env_form(self) -> str:
        """Return the URL for an env file; all but `A-Za-z0-9-._` is percent-encoded in user, password and query values."""
        return self._written(self.password.reveal(), masked=False)

    def masked(self) -> str:
        """Return the URL for display: no password, and no value of a parameter that may hold a secret."""
        return self._written(MASK if self.password else "", masked=True)

    def libpq(self) -> HiddenValues:
        """Return libpq's keywords: an allow-list, translated where node-postgres or Prisma spell it differently."""
        port, mode = str(self.port), self.libpq_sslmode
        found = HiddenValues(host=self.host, port=port, dbname=self.database, sslmode=mode)
        login = {"user": self.user, "password": self.password.reveal()}
        found |= {key: value for key, value in login.items() if value}
        known = {*_LIBPQ_PARAMETERS, *(_CLIENT_CERTIFICATE if self.parameter("sslkey") else ())}
        found |= {key: value for key, value in self.parameters if key in known}
        return found

    @property
    def libpq_sslmode(self) -> str:
        """The `sslmode` to give libpq; how node-postgres interprets it is in :mod:`dbswitch.database.tls`."""
        match self.parameter("sslmode"), self.parameter("ssl"):
            case ("no-verify", _) | (None, "no-verify" | "1" | "true"):
                return "require"
            case None, "0" | "false":
                return "disable"
            case None, _:
                return "prefer"
            case mode, _:
                return str(mode)

    def warnings(self) -> tuple[str, ...]:
        """Return what the user should know about this URL; one sentence each, without secrets."""
        from dbswitch.database.tls import advice

        found = list(advice(self))
        if not self.user:
            own = "PGUSER, the system's user name"
            found.append(f"The URL names no user: each program falls back to its own ({own}).")
        unknown = sorted({key for key, _ in self.parameters} - _KNOWN)
        if unknown:
            names = ", ".join(unknown)
            found.append(f"Unknown parameters are kept in the env file and not used by the probe: {names}.")
        if self.parameter("sslcert") and not self.parameter("sslkey"):
            found.append("sslcert without sslkey is Prisma's server certificate; the probe does not use it.")
        return tuple(found)

    def _written(self, password: str, *, masked: bool) -> str:
        login = _encoded(self.user)
        if password:
            login += ":" + (password if masked else _encoded(password))
        host = "localhost" if self.is_socket else f"[{self.host}]" if ":" in self.host else self.host
        parameters = (*((("host", self.host),) if self.is_socket else ()), *self.parameters)
        port = f":{self.port}" if self.port_written else ""
        query = "&".join(
            f"{key}={MASK if masked and key not in _SHOWN else _encoded(value)}" for key, value in parameters
        )
        return f"{self.scheme}://{login + '@' if login else ''}{host}{port}/{self.database}{'?' + query if query else ''}"

    def __repr__(self) -> str:
        return f"DatabaseUrl({self.masked()})"

    def __str__(self) -> str:
        return self.masked()


@lru_cache(maxsize=1024)  # the value of every reader is compared with that of every target
def comparable(value: str) -> str:
    """Return the form in which two spellings of one URL are equal; any other value as it is."""
    try:
        return replace(DatabaseUrl.parse(value), scheme="postgresql", port_written=True).env_form()
    except UrlError:
        return value


def same_url(left: str, right: str) -> bool:
    """Return whether two values are equal, or spellings of a URL that mean the same connection."""
    return left == right or comparable(left) == comparable(right)


def _encoded(text: str) -> str:
    # quote() leaves ~ alone, shells do not.
    return quote(text, safe="").replace("~", "%7E")
