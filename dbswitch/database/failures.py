"""What a failed connection means: whether waiting can help, Prisma's code for it, and the text shown to the user.

The decision is made by SQLSTATE where the server gave one ("PostgreSQL Error Codes", appendix A), else by libpq's own
messages. Those are English: libpq translates only in programs that set LC_MESSAGES, which Python does not. Server messages
come in the server's language, so they are consulted only where the SQLSTATE is too coarse. An unknown failure is
retried. Codes: Prisma's "Error reference".
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final

from msgspec import Struct

from dbswitch.errors import DatabaseNotReadyError, DatabaseRejectedError


class FailureKind(StrEnum):
    """What went wrong with one attempt."""

    REFUSED = "refused"
    NO_SOCKET = "no_socket"
    UNREACHABLE = "unreachable"
    NAME_UNKNOWN = "name_unknown"
    NAME_LOOKUP = "name_lookup"
    TIMED_OUT = "timed_out"
    CLOSED = "closed"
    STARTING_UP = "starting_up"
    SHUTTING_DOWN = "shutting_down"
    TERMINATED = "terminated"
    TOO_MANY_CONNECTIONS = "too_many_connections"
    OVERLOADED = "overloaded"
    POOLER_WAITING = "pooler_waiting"
    RESTARTED = "restarted"
    UNKNOWN = "unknown"
    WRONG_PASSWORD = "wrong_password"  # noqa: S105  # the name of a failure, not a password
    NO_SUCH_ROLE = "no_such_role"
    NOT_ALLOWED = "not_allowed"
    NO_SUCH_DATABASE = "no_such_database"
    NO_SUCH_SCHEMA = "no_such_schema"
    SCHEMA_DENIED = "schema_denied"
    DATABASE_CLOSED = "database_closed"
    STANDBY_CLOSED = "standby_closed"
    TLS_NOT_OFFERED = "tls_not_offered"
    TLS_REQUIRED = "tls_required"
    BAD_CERTIFICATE = "bad_certificate"
    TLS_FAILED = "tls_failed"
    LOGIN_METHOD = "login_method"
    BAD_PARAMETER = "bad_parameter"
    SOCKET_DENIED = "socket_denied"
    NOT_POSTGRES = "not_postgres"


class Stage(StrEnum):
    """How far an attempt had come."""

    RESOLVE = "resolve"
    CONNECT = "connect"
    QUERY = "query"


class Evidence(Struct, frozen=True):
    """What was seen of one failed attempt.

    Attributes:
        stage: how far it came.
        message: libpq's or the server's message, with no secret in it.
        sqlstate: the server's five characters, if it sent an error.
        detail: the server's DETAIL.
        resolver: the name of getaddrinfo's error, such as `EAI_AGAIN`.
        timed_out: the attempt's own time limit ended it.
    """

    stage: Stage
    message: str = ""
    sqlstate: str | None = None
    detail: str = ""
    resolver: str | None = None
    timed_out: bool = False


class Failure(Struct, frozen=True):
    """One failed attempt, judged.

    Attributes:
        kind: what went wrong.
        retry: whether waiting may help.
        prisma_code: the code Prisma has for it.
        text: a short phrase to display.
        fix: what the user can do; may be empty.
        said: the first line of what the server or libpq said, shortened; may be empty.
        sqlstate: the server's five characters, if it sent an error.
    """

    kind: FailureKind
    retry: bool
    prisma_code: str
    text: str
    fix: str = ""
    said: str = ""
    sqlstate: str | None = None


class AttemptError(Exception):
    """One attempt failed; `failure` says why. The packages above turn it into an error for users."""

    def __init__(self, found: Failure) -> None:
        super().__init__(found.text)
        self.failure = found


class _Verdict(Struct, frozen=True):
    retry: bool
    prisma_code: str
    text: str
    fix: str = ""


_K = FailureKind
VERDICTS: Final[dict[FailureKind, _Verdict]] = {
    _K.REFUSED: _Verdict(
        True, "P1001", "connection refused: nothing listens there", "start the database server"
    ),
    _K.NO_SOCKET: _Verdict(True, "P1001", "there is no socket in that folder", "start the database server"),
    _K.UNREACHABLE: _Verdict(
        True, "P1001", "the host cannot be reached", "check the network, VPN and firewall"
    ),
    _K.NAME_UNKNOWN: _Verdict(
        True, "P1001", "the host name is not known", "check the spelling of the host name"
    ),
    _K.NAME_LOOKUP: _Verdict(True, "P1001", "the host name lookup fails", "check the network"),
    _K.TIMED_OUT: _Verdict(True, "P1002", "no answer in time", "check the port, VPN and firewall"),
    _K.CLOSED: _Verdict(True, "P1017", "the connection was closed during the login"),
    _K.STARTING_UP: _Verdict(True, "P1001", "the server is starting up"),
    _K.SHUTTING_DOWN: _Verdict(True, "P1001", "the server is shutting down"),
    _K.TERMINATED: _Verdict(True, "P1017", "the server ended the connection"),
    _K.TOO_MANY_CONNECTIONS: _Verdict(
        True, "P2037", "too many connections", "close clients, or raise the server's max_connections"
    ),
    _K.OVERLOADED: _Verdict(
        True, "P1001", "the server is out of resources", "check the server's memory and disk"
    ),
    _K.POOLER_WAITING: _Verdict(True, "P1001", "the pooler answers, but the server behind it does not"),
    _K.RESTARTED: _Verdict(True, "P1001", "the server restarted between two answers"),
    _K.UNKNOWN: _Verdict(True, "P1001", "the attempt failed"),
    _K.WRONG_PASSWORD: _Verdict(
        False, "P1000", "wrong user or password", "correct user and password in the target"
    ),
    _K.NO_SUCH_ROLE: _Verdict(False, "P1000", "there is no such user", "correct the user in the target"),
    _K.NOT_ALLOWED: _Verdict(
        False, "P1010", "this user may not connect", "ask for access (pg_hba.conf, GRANT CONNECT)"
    ),
    _K.NO_SUCH_DATABASE: _Verdict(
        False, "P1003", "there is no such database", "create the database, or correct its name in the target"
    ),
    _K.NO_SUCH_SCHEMA: _Verdict(
        False,
        "P1003",
        "the schema that ?schema= names does not exist in that database",
        "create the schema (`prisma migrate` does), or correct ?schema= in the target",
    ),
    _K.SCHEMA_DENIED: _Verdict(
        False,
        "P1010",
        "this user may not use the schema that ?schema= names",
        "ask for access (GRANT USAGE ON SCHEMA)",
    ),
    _K.DATABASE_CLOSED: _Verdict(
        False, "P1010", "that database does not accept connections", "use another database"
    ),
    _K.STANDBY_CLOSED: _Verdict(
        False, "P1001", "the server is a standby that accepts no connections", "use the primary server"
    ),
    _K.TLS_NOT_OFFERED: _Verdict(
        False,
        "P1011",
        "the URL requires TLS, but the server does not offer it",
        "remove sslmode from the URL",
    ),
    _K.TLS_REQUIRED: _Verdict(False, "P1011", "the server requires TLS", "add sslmode=require to the URL"),
    _K.BAD_CERTIFICATE: _Verdict(
        False, "P1011", "the server's certificate cannot be verified", "check sslmode and sslrootcert"
    ),
    _K.TLS_FAILED: _Verdict(
        False, "P1011", "the TLS handshake failed", "check sslmode and the server's TLS settings"
    ),
    _K.LOGIN_METHOD: _Verdict(
        False, "P1000", "no authentication method in common with the server", "check the server's pg_hba.conf"
    ),
    _K.BAD_PARAMETER: _Verdict(
        False,
        "P1013",
        "the server rejects a parameter of the URL",
        "check `options` and the other parameters",
    ),
    _K.SOCKET_DENIED: _Verdict(
        False, "P1010", "permission denied on the socket", "check the folder's permissions"
    ),
    _K.NOT_POSTGRES: _Verdict(
        False,
        "P1001",
        "something other than a Postgres server answers there",
        "correct host and port in the target",
    ),
}

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
    "0A000": _K.BAD_PARAMETER,
    "22023": _K.BAD_PARAMETER,
    "42704": _K.BAD_PARAMETER,
}
_BY_SQLSTATE_CLASS: Final = {"08": _K.CLOSED, "53": _K.OVERLOADED, "57": _K.TERMINATED, "58": _K.OVERLOADED}


def _table(*rows: tuple[str, FailureKind]) -> tuple[tuple[re.Pattern[str], FailureKind], ...]:
    return tuple((re.compile(pattern, re.IGNORECASE | re.DOTALL), kind) for pattern, kind in rows)


# Refinements of one SQLSTATE; the first match counts.
_BY_SERVER_TEXT: Final = {
    "28000": _table(
        (r"no encryption|SSL off|SSL (is )?required|hostssl", _K.TLS_REQUIRED),
        (r"(role|user) .* does not exist|Tenant or user not found", _K.NO_SUCH_ROLE),
    ),
    "57P03": _table(
        (
            r"hot.?standby[\w -]* (is disabled|ist deaktiviert|est désactivé|está deshabilitad)",
            _K.STANDBY_CLOSED,
        ),
        (r"shutting down|herunter|en cours d'arrêt|apagando", _K.SHUTTING_DOWN),
    ),
}
# PgBouncer below 1.19 gives every error of its own 08P01, Supavisor XX000; their messages are never translated.
_POOLER_TEXT: Final = _table(
    (r"starting up|shutting down|cannot connect to server|server login (has been )?fail|server_login_retry", _K.POOLER_WAITING),
    (r"query_wait_timeout|timeout|pgbouncer is|server conn crashed|client_login", _K.POOLER_WAITING),
    (r"no more connections|too many (clients|connections)|max clients reached", _K.TOO_MANY_CONNECTIONS),
    (r"no such database|database .* (does not exist|not found)", _K.NO_SUCH_DATABASE),
    (r"no such user|(tenant or )?user not found|(password|SASL|SCRAM) authentication failed|auth(entication)? failed|wrong password", _K.WRONG_PASSWORD),
    (r"unsupported startup parameter|invalid startup", _K.BAD_PARAMETER),
    (r"SSL (is )?required", _K.TLS_REQUIRED),
)  # fmt: skip
_CLIENT_TEXT: Final = _table(
    (r"does not support SSL|SSL was required", _K.TLS_NOT_OFFERED),
    (r"certificate verify failed|server certificate for|host name .* certificate", _K.BAD_CERTIFICATE),
    (r"root certificate|certificate file|private key file|weak sslmode", _K.BAD_CERTIFICATE),
    (r"invalid response to (SSL|GSS)|expected authentication request|received invalid", _K.NOT_POSTGRES),
    (r"unencrypted data after|unsupported frontend protocol|unexpected message from server", _K.NOT_POSTGRES),
    (r"protocol error|invalid message length", _K.NOT_POSTGRES),
    (r"no password supplied", _K.WRONG_PASSWORD),
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
_WHERE: Final = re.compile(r"^connection to server (at|on socket) .*? failed: ")
_SAID_LIMIT: Final = 200


def classify(evidence: Evidence) -> Failure:
    """Judge one failed attempt."""
    return failure(_kind(evidence), said=evidence.message, sqlstate=evidence.sqlstate)


def failure(kind: FailureKind, *, said: str = "", sqlstate: str | None = None) -> Failure:
    """Return the failure of this kind, with the first line of `said` made fit to be shown."""
    verdict = VERDICTS[kind]
    line = next((line.strip() for line in said.splitlines() if line.strip()), "")
    line = _WHERE.sub("", line)
    # The text comes from an unknown server: keep control characters away from the terminal.
    shown = "".join(char if char.isprintable() else "?" for char in line)
    if len(shown) > _SAID_LIMIT:
        shown = shown[: _SAID_LIMIT - 1] + "…"
    return Failure(kind, verdict.retry, verdict.prisma_code, verdict.text, verdict.fix, shown, sqlstate)


def explain(found: Failure, where: str, tried: str = "") -> DatabaseRejectedError | DatabaseNotReadyError:
    """Return the error to show to the user.

    Args:
        found: the last failure.
        where: the masked URL.
        tried: how often and how long, for a failure that was waited for.
    """
    said = (f"it says: {found.said}",) if found.said else ()
    if not found.retry:
        rejected = DatabaseRejectedError(
            f"The database rejected the connection: {found.text} ({found.prisma_code}).",
            facts=(where, *said),
            why="waiting would not change that",
            fix=found.fix,
        )
        rejected.prisma_code = found.prisma_code
        return rejected
    return DatabaseNotReadyError(
        f"The database was not ready in time: {found.text} ({found.prisma_code}).",
        facts=(where, *said, *((tried,) if tried else ())),
        why="an app pointed at it now would fail",
        fix=found.fix,
    )


def _kind(evidence: Evidence) -> FailureKind:
    if evidence.stage is Stage.RESOLVE:
        if evidence.timed_out:
            return _K.NAME_LOOKUP
        return _K.NAME_UNKNOWN if evidence.resolver in {"EAI_NONAME", "EAI_NODATA"} else _K.NAME_LOOKUP
    if evidence.sqlstate:
        return _by_sqlstate(evidence.sqlstate, f"{evidence.message}\n{evidence.detail}")
    if evidence.timed_out:
        return _K.TIMED_OUT
    return _first(_CLIENT_TEXT, evidence.message) or _K.UNKNOWN


def _by_sqlstate(sqlstate: str, text: str) -> FailureKind:
    if sqlstate in {"08P01", "XX000"}:
        return _first(_POOLER_TEXT, text) or _K.UNKNOWN
    refined = _first(_BY_SERVER_TEXT.get(sqlstate, ()), text)
    known = refined or _BY_SQLSTATE.get(sqlstate) or _BY_SQLSTATE_CLASS.get(sqlstate[:2])
    return known or _K.UNKNOWN


def _first(table: tuple[tuple[re.Pattern[str], FailureKind], ...], text: str) -> FailureKind | None:
    return next((kind for pattern, kind in table if pattern.search(text)), None)
