"""One attempt at a database: look up the host, connect, log in, query; one time limit for all steps.

libpq is driven by hand (`PQconnectStart`, `PQconnectPoll`, "Asynchronous Command Processing"): psycopg's own connect has no
limit for the host lookup and no SQLSTATE for a failed login. Waiting is done in poll(2), which a signal ends at once.
"""

from __future__ import annotations

import math
import os
import re
import select
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

import psycopg
from psycopg import pq
from psycopg.conninfo import make_conninfo

from dbswitch.database.failures import AttemptError, FailureKind, classify
from dbswitch.database.place import addresses

if TYPE_CHECKING:
    from psycopg.pq.abc import PGconn, PGresult

    from dbswitch.database.url import DatabaseUrl

# Node gives one address 250 ms before it tries the next beside it; a dead IPv6 route must not eat the whole attempt.
OTHER_ADDRESS_AFTER: Final = 1.0
_NEXT_ADDRESS: Final = frozenset({
    FailureKind.REFUSED, FailureKind.UNREACHABLE, FailureKind.TIMED_OUT, FailureKind.CLOSED, FailureKind.STARTING_UP,
})  # fmt: skip
CAN_TRACE: Final = sys.platform == "linux"

# No password from the environment or a file: the host of a URL may come from a checkout that the user does not trust, and
# libpq would send it PGPASSWORD, or a wildcard line of ~/.pgpass. An empty value in the connection string hides the variable.
_NO_PASSWORD: Final = {"password": "", "passfile": "/dev/null/none"}
# Not from the environment (PGSSLMODE, PGHOSTADDR, PGTARGETSESSIONATTRS, ...): node-postgres does not know these, or the URL
# decides. gssencmode: node-postgres has no GSSAPI encryption.
_FIXED: Final = {
    "gssencmode": "disable",
    "target_session_attrs": "any",
    "load_balance_hosts": "disable",
    "client_encoding": "UTF8",
}

# The format of libpq's PQtrace ("Control Functions").
_ERROR: Final = re.compile(
    r'^B\t\d+\tErrorResponse\t.*? C "(?P<code>[0-9A-Z]{5})" M "(?P<message>.*?)"(?= [A-Z] "| \\x00|\n)(?P<rest>.*)$',
    re.MULTILINE,
)
_DETAIL: Final = re.compile(r' D "(.*?)"(?= [A-Z] "| \\x00|$)')

_ENGLISH: Final = tuple(
    (re.compile(pattern, re.IGNORECASE), sqlstate)
    for pattern, sqlstate in (
        (r"FATAL: .*password authentication failed", "28P01"),
        (r"FATAL: .*database \".*\" does not exist", "3D000"),
        (r"FATAL: .*permission denied for database", "42501"),
        (r"FATAL: .*is not currently accepting connections", "55000"),
        (r"FATAL: .*(no pg_hba\.conf entry|role \".*\" does not exist|is not permitted to log in)", "28000"),
        (r"FATAL: .*the database system is", "57P03"),
        (r"FATAL: .*(unrecognized configuration parameter|invalid value for parameter)", "42704"),
        (r"FATAL: .*(too many clients|remaining connection slots|too many connections)", "53300"),
    )
)


class LoginSession:
    """A logged-in connection that runs plain statements within the attempt's time limit."""

    def __init__(self, pgconn: PGconn, until: float, secret: str) -> None:
        self._pgconn = pgconn
        self._until = until
        self._secret = secret

    @property
    def encrypted(self) -> bool:
        """Whether TLS is in use."""
        return bool(self._pgconn.ssl_in_use)

    def extend(self, seconds: float) -> None:
        """Give the following statements this many seconds from now."""
        self._until = time.monotonic() + seconds

    def literal(self, text: str) -> str:
        """Return `text` as a literal of SQL, quoted by libpq."""
        return bytes(pq.Escaping(self._pgconn).escape_literal(text.encode())).decode()

    def query(self, sql: str) -> list[Mapping[str, str | None]]:
        """Run one statement and return its rows, every value as text. Raises AttemptError: it failed or took too long."""
        self.send(sql)
        return self.finish()

    def send(self, sql: str) -> None:
        """Send one statement, for :meth:`finish` to wait for. Raises AttemptError as :meth:`query`."""
        with self._failures():
            pgconn = self._pgconn
            pgconn.nonblocking = 1
            pgconn.send_query(sql.encode())
            while pgconn.flush():
                _wait(pgconn.socket, select.POLLIN | select.POLLOUT, self._until)

    def finish(self) -> list[Mapping[str, str | None]]:
        """Wait for the statement that was sent; return its rows. Raises AttemptError as :meth:`query`."""
        results: list[PGresult] = []
        with self._failures():
            while (result := self._next_result()) is not None:
                results.append(result)
        failed = [one for one in results if one.status == pq.ExecStatus.FATAL_ERROR]
        return _rows([*failed, results[-1]][0], self._secret)

    def _next_result(self) -> PGresult | None:
        while self._pgconn.is_busy():
            _wait(self._pgconn.socket, select.POLLIN, self._until)
            self._pgconn.consume_input()
        return self._pgconn.get_result()

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except TimeoutError:
            raise AttemptError(FailureKind.TIMED_OUT) from None
        except psycopg.Error as error:
            said = _clean(str(error), self._secret)
            raise AttemptError(classify(said), said) from None


@contextmanager
def session(url: DatabaseUrl, seconds: float, *, trace: bool = CAN_TRACE) -> Iterator[LoginSession]:
    """Log in within `seconds`, statements included; with `trace` SQLSTATEs are read from libpq's trace. Raises AttemptError."""
    until = time.monotonic() + seconds
    hosts = [None] if url.is_socket else list(addresses(url.host, until))
    failures: list[AttemptError] = []
    for number, address in enumerate(hosts, 1):
        connected_by = until if number == len(hosts) else min(until, time.monotonic() + OTHER_ADDRESS_AFTER)
        pgconn = _start(url, address)
        try:
            found = _log_in(pgconn, url, until, connected_by, trace=trace)
            if found is None:
                yield LoginSession(pgconn, until, url.password.reveal())
                return
        finally:
            pgconn.finish()
        failures.append(found)
        if found.failure.kind not in _NEXT_ADDRESS:
            break
    # Report the address that got furthest: a wrong password or a starting server says more than another's refusal.
    telling = (one for one in reversed(failures) if one.failure.kind is not FailureKind.REFUSED)
    raise next(telling, failures[-1])


def _start(url: DatabaseUrl, address: str | None) -> PGconn:
    try:
        keywords = {"application_name": "dbswitch", **_NO_PASSWORD, **url.libpq(), **_FIXED}
        keywords["hostaddr"] = address or ""  # empty for a socket, which PGHOSTADDR would replace
        return pq.PGconn.connect_start(make_conninfo("", **keywords).encode())
    except psycopg.Error as error:
        said = _clean(str(error), url.password.reveal())
        raise AttemptError(FailureKind.BAD_PARAMETER, said) from None


def _log_in(
    pgconn: PGconn, url: DatabaseUrl, until: float, connected_by: float, *, trace: bool
) -> AttemptError | None:
    """Drive the login to its end. Returns None when logged in, else what happened."""
    # A trace may hold the password, so it stays in memory and only the error messages in it are used.
    tracing = os.memfd_create("dbswitch-login", os.MFD_CLOEXEC) if trace else None
    errors: list[ErrorResponse] = []
    try:
        if tracing is not None:
            pgconn.trace(tracing)
            pgconn.set_trace_flags(pq.Trace.SUPPRESS_TIMESTAMPS)
        _poll(pgconn, until, connected_by)
    except TimeoutError:
        return AttemptError(FailureKind.TIMED_OUT)
    except psycopg.Error:
        pass  # its message is in pgconn
    finally:
        if tracing is not None:
            # Flushes what libpq still holds, before the descriptor's number can become another file's.
            pgconn.untrace()
            errors = errors_in_trace(os.pread(tracing, 1 << 20, 0))
            os.close(tracing)
    if pgconn.status == pq.ConnStatus.OK:
        return None
    said = _clean(pgconn.error_message.decode(errors="replace"), url.password.reveal())
    if tracing is None:
        errors = errors_in_message(said)
    if not errors:
        return AttemptError(classify(said), said)
    # With sslmode prefer and allow libpq tries with and without TLS; "no entry for this kind of connection" from one of
    # the two says less.
    told = next((error for error in errors if error.sqlstate != "28000"), errors[0])
    said = _clean(told.message, url.password.reveal())
    return AttemptError(classify(said, told.sqlstate, told.detail), said, told.sqlstate)


def _poll(pgconn: PGconn, until: float, connected_by: float) -> None:
    """Wait until the login came to an end, good or bad. Raises TimeoutError."""
    wanted = pq.PollingStatus.WRITING
    while pgconn.status != pq.ConnStatus.BAD and wanted not in {pq.PollingStatus.OK, pq.PollingStatus.FAILED}:
        limit = connected_by if pgconn.status == pq.ConnStatus.STARTED else until
        # connect_poll() blocks when the socket is not ready.
        _wait(pgconn.socket, select.POLLIN if wanted == pq.PollingStatus.READING else select.POLLOUT, limit)
        wanted = pq.PollingStatus(pgconn.connect_poll())


def _wait(descriptor: int, events: int, until: float) -> None:
    left = until - time.monotonic()
    poll = select.poll()
    poll.register(descriptor, events)
    if left <= 0 or not poll.poll(math.ceil(left * 1000)):
        raise TimeoutError


def _rows(result: PGresult, secret: str) -> list[Mapping[str, str | None]]:
    if result.status not in {pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK}:
        sqlstate = _text(result.error_field(pq.DiagnosticField.SQLSTATE))
        message = result.error_field(pq.DiagnosticField.MESSAGE_PRIMARY) or result.error_message
        said = _clean(message.decode(errors="replace"), secret)
        raise AttemptError(classify(said, sqlstate), said, sqlstate)
    names = [(result.fname(column) or b"").decode() for column in range(result.nfields)]
    return [
        {name: _text(result.get_value(row, column)) for column, name in enumerate(names)}
        for row in range(result.ntuples)
    ]


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode(errors="replace")


def _clean(message: str, secret: str) -> str:
    """Return the message without the password, should the server repeat it."""
    return message.replace(secret, "***") if secret else message


class ErrorResponse(NamedTuple):
    """The fields of a server's ErrorResponse that decide what a failure means."""

    sqlstate: str
    message: str
    detail: str = ""


def errors_in_trace(trace: bytes) -> list[ErrorResponse]:
    """Return the server's errors in a libpq trace, in their order."""
    text = trace.decode(errors="replace")
    found = ((match, _DETAIL.search(match["rest"])) for match in _ERROR.finditer(text))
    return [
        ErrorResponse(match["code"], match["message"], detail[1] if detail else "") for match, detail in found
    ]


def errors_in_message(message: str) -> list[ErrorResponse]:
    """Return the error that libpq's English `message` reports, for macOS, where libpq cannot trace into memory."""
    known = [sqlstate for pattern, sqlstate in _ENGLISH if pattern.search(message)]
    return [ErrorResponse(sqlstate, message) for sqlstate in known[:1]]
