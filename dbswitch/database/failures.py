"""What a failed connection means: whether waiting can help, Prisma's code for it, and the text shown to the user.

Sources: "PostgreSQL Error Codes" (appendix A); Prisma's "Error reference".
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Final

from msgspec import Struct

from dbswitch.errors import DatabaseNotReadyError, DatabaseRejectedError
from dbswitch.redaction import printable


class FailureKind(Enum):
    """What went wrong with one attempt: whether waiting may help, Prisma's code, the text for users and what they can do."""

    # fmt: off
    REFUSED = True, "P1001", "connection refused: nothing listens there", "start the database server"
    NO_SOCKET = True, "P1001", "there is no socket in that folder", "start the database server"
    UNREACHABLE = True, "P1001", "the host cannot be reached", "check the network, VPN and firewall"
    NAME_UNKNOWN = True, "P1001", "the host name is not known", "check the spelling of the host name"
    NAME_LOOKUP = True, "P1001", "the host name lookup fails", "check the network"
    TIMED_OUT = True, "P1002", "no answer in time", "check the port, VPN and firewall"
    CLOSED = True, "P1017", "the connection was closed during the login"
    STARTING_UP = True, "P1001", "the server is starting up"
    SHUTTING_DOWN = True, "P1001", "the server is shutting down"
    TERMINATED = True, "P1017", "the server ended the connection"
    TOO_MANY_CONNECTIONS = True, "P2037", "too many connections", "close clients, or raise the server's max_connections"
    OVERLOADED = True, "P1001", "the server is out of resources", "check the server's memory and disk"
    POOLER_WAITING = True, "P1001", "the pooler answers, but the server behind it does not"
    RESTARTED = True, "P1001", "the server restarted between two answers"
    UNKNOWN = True, "P1001", "the attempt failed"
    WRONG_PASSWORD = False, "P1000", "wrong user or password", "correct user and password in the target"
    NO_PASSWORD = (
        False, "P1000", "the server asks for a password, and the URL has none",
        "add the password to the URL of the target; dbswitch does not use PGPASSWORD and ~/.pgpass",
    )
    NO_SUCH_ROLE = False, "P1000", "there is no such user", "correct the user in the target"
    NOT_ALLOWED = False, "P1010", "this user may not connect", "ask for access (pg_hba.conf, GRANT CONNECT)"
    NO_SUCH_DATABASE = False, "P1003", "there is no such database", "create the database, or correct its name in the target"
    NO_SUCH_SCHEMA = (
        False, "P1003", "the schema that ?schema= names does not exist in that database",
        "create the schema (`prisma migrate` does), or correct ?schema= in the target",
    )
    SCHEMA_DENIED = (
        False, "P1010", "this user may not use the schema that ?schema= names", "ask for access (GRANT USAGE ON SCHEMA)"
    )
    DATABASE_CLOSED = False, "P1010", "that database does not accept connections", "use another database"
    STANDBY_CLOSED = False, "P1001", "the server is a standby that accepts no connections", "use the primary server"
    TLS_NOT_OFFERED = False, "P1011", "the URL requires TLS, but the server does not offer it", "remove sslmode from the URL"
    TLS_REQUIRED = False, "P1011", "the server requires TLS", "add sslmode=require to the URL"
    BAD_CERTIFICATE = False, "P1011", "the server's certificate cannot be verified", "check sslmode and sslrootcert"
    TLS_FAILED = False, "P1011", "the TLS handshake failed", "check sslmode and the server's TLS settings"
    LOGIN_METHOD = False, "P1000", "no authentication method in common with the server", "check the server's pg_hba.conf"
    BAD_PARAMETER = False, "P1013", "the server rejects a parameter of the URL", "check `options` and the other parameters"
    SOCKET_DENIED = False, "P1010", "permission denied on the socket", "check the folder's permissions"
    NOT_POSTGRES = False, "P1001", "something other than a Postgres server answers there", "correct host and port in the target"
    # fmt: on

    def __init__(self, retry: bool, prisma_code: str, text: str, fix: str = "") -> None:  # noqa: FBT001
        self.retry = retry
        self.prisma_code = prisma_code
        self.text = text
        self.fix = fix


class Failure(Struct, frozen=True):
    """One failed attempt; `said` is the first line of what the server or libpq said, shortened, or empty."""

    kind: FailureKind
    said: str = ""
    sqlstate: str | None = None


class AttemptError(Exception):
    """One attempt failed; `failure` says why. The packages above turn it into an error for users."""

    def __init__(self, kind: FailureKind, said: str = "", sqlstate: str | None = None) -> None:
        super().__init__(kind.text)
        self.failure = Failure(kind, _shown(said), sqlstate)


_K = FailureKind

_BY_SQLSTATE: Final = {
    "28P01": _K.WRONG_PASSWORD,
    "28000": _K.NOT_ALLOWED,
    "3D000": _K.NO_SUCH_DATABASE,
    "42501": _K.NOT_ALLOWED,
    "55000": _K.DATABASE_CLOSED,
    "57P01": _K.TERMINATED,
    "57P02": _K.TERMINATED,
    "57P03": _K.STARTING_UP,
    "57P05": _K.TERMINATED,
    "57014": _K.TIMED_OUT,
    "53300": _K.TOO_MANY_CONNECTIONS,
    "08P01": _K.UNKNOWN,
    "0A000": _K.BAD_PARAMETER,
    "22023": _K.BAD_PARAMETER,
    "42704": _K.BAD_PARAMETER,
}
_BY_SQLSTATE_CLASS: Final = {"08": _K.CLOSED, "53": _K.OVERLOADED, "57": _K.TERMINATED, "58": _K.OVERLOADED}


# PgBouncer below 1.19 gives every error of its own 08P01, Supavisor XX000; their messages are never translated.
_POOLER_TEXT: Final = (
    (r"starting up|shutting down|cannot connect to server|server login (has been )?fail|server_login_retry", _K.POOLER_WAITING),
    (r"query_wait_timeout|timeout|pgbouncer is|server conn crashed|client_login", _K.POOLER_WAITING),
    (r"no more connections|too many (clients|connections)|max clients reached", _K.TOO_MANY_CONNECTIONS),
    (r"no such database|database .* (does not exist|not found)", _K.NO_SUCH_DATABASE),
    (r"no such user|(tenant or )?user not found|(password|SASL|SCRAM) authentication failed|auth(entication)? failed|wrong password", _K.WRONG_PASSWORD),
    (r"unsupported startup parameter|invalid startup", _K.BAD_PARAMETER),
    (r"SSL (is )?required", _K.TLS_REQUIRED),
)  # fmt: skip
# Refinements of one SQLSTATE; the first match counts.
_BY_SERVER_TEXT: Final = {
    "08P01": _POOLER_TEXT,
    "XX000": _POOLER_TEXT,
    "28000": (
        (r"no encryption|SSL off|SSL (is )?required|hostssl", _K.TLS_REQUIRED),
        (r"(role|user) .* does not exist|Tenant or user not found", _K.NO_SUCH_ROLE),
    ),
    "57P03": (
        (
            r"hot.?standby[\w -]* (is disabled|ist deaktiviert|est désactivé|está deshabilitad)",
            _K.STANDBY_CLOSED,
        ),
        (r"shutting down|herunter|en cours d'arrêt|apagando", _K.SHUTTING_DOWN),
    ),
}
_CLIENT_TEXT: Final = (
    (r"does not support SSL|SSL was required", _K.TLS_NOT_OFFERED),
    (r"certificate verify failed|server certificate for|host name .* certificate", _K.BAD_CERTIFICATE),
    (r"root certificate|certificate file|private key file|weak sslmode", _K.BAD_CERTIFICATE),
    (r"invalid response to (SSL|GSS)|expected authentication request|received invalid", _K.NOT_POSTGRES),
    (r"unencrypted data after|unsupported frontend protocol|unexpected message from server", _K.NOT_POSTGRES),
    (r"protocol error|invalid message length", _K.NOT_POSTGRES),
    (r"no password supplied", _K.NO_PASSWORD),
    (r"auth(entication)? method|authentication requirement|channel binding|SCRAM|SASL", _K.LOGIN_METHOD),
    (r"SSL SYSCALL|unexpected eof|SSL connection has been closed|during SSL exchange", _K.CLOSED),
    (r"closed the connection|connection reset|broken pipe|could not (send|receive)", _K.CLOSED),
    (r"no connection to the server|terminated abnormally", _K.CLOSED),
    (r"connection refused", _K.REFUSED),
    (r"on socket .*(no such file or directory)", _K.NO_SOCKET),
    (r"on socket .*(permission denied|operation not permitted)", _K.SOCKET_DENIED),
    (r"timeout expired|timed out", _K.TIMED_OUT),
    (r"no route to host|network is (unreachable|down)|host is (unreachable|down)", _K.UNREACHABLE),
    (r"cannot assign requested address|address family not supported", _K.UNREACHABLE),
    (r"SSL error|could not establish SSL|ssl_(min|max)_protocol|tlsv1", _K.TLS_FAILED),
    (r"invalid (connection option|\w+ value|port number|integer value)|too long", _K.BAD_PARAMETER),
)
# Repeats the URL that is shown beside it.
_WHERE: Final = r"^connection to server (at|on socket) .*? failed: "
_SAID_LIMIT: Final = 200


def classify(message: str, sqlstate: str | None = None, detail: str = "") -> FailureKind:
    """Judge one failed attempt by libpq's or the server's message, the server's SQLSTATE and its DETAIL."""
    # libpq's own messages are English: it translates only in programs that set LC_MESSAGES, which Python does not. Server
    # messages come in the server's language, so they are consulted only where the SQLSTATE is too coarse.
    if sqlstate is None:
        return _first(_CLIENT_TEXT, message) or _K.UNKNOWN
    refined = _first(_BY_SERVER_TEXT.get(sqlstate, ()), f"{message}\n{detail}")
    return refined or _BY_SQLSTATE.get(sqlstate) or _BY_SQLSTATE_CLASS.get(sqlstate[:2]) or _K.UNKNOWN


def explain(failure: Failure, where: str, tried: str = "") -> DatabaseRejectedError | DatabaseNotReadyError:
    """Return the error to show; `where` is the masked URL, `tried` how often and how long the failure was waited for."""
    kind = failure.kind
    meaning = f"{kind.text} ({kind.prisma_code})"
    told = not failure.said or failure.said.lower() in kind.text.lower()
    said = () if told else (f"message: {failure.said}",)
    if kind.retry:
        what, why = "the database was not ready in time", "an app pointed at it now would fail"
        facts = (where, *said, *((tried,) if tried else ()))
        return DatabaseNotReadyError(f"{what}: {meaning}", facts=facts, why=why, fix=kind.fix)
    what, why = "the database rejected the connection", "waiting would not change that"
    rejected = DatabaseRejectedError(f"{what}: {meaning}", facts=(where, *said), why=why, fix=kind.fix)
    rejected.prisma_code = kind.prisma_code
    return rejected


def _first(table: tuple[tuple[str, FailureKind], ...], text: str) -> FailureKind | None:
    flags = re.IGNORECASE | re.DOTALL
    return next((kind for pattern, kind in table if re.search(pattern, text, flags)), None)


def _shown(said: str) -> str:
    line = next((line.strip() for line in said.splitlines() if line.strip()), "")
    # The text comes from an unknown server: keep control characters away from the terminal.
    shown = printable(re.sub(_WHERE, "", line))
    return shown if len(shown) <= _SAID_LIMIT else shown[: _SAID_LIMIT - 1] + "…"
