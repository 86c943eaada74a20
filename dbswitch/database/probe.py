"""Wait until a database can be used: log in as the target's user and ask (docs/explanation/database-readiness.md)."""

from __future__ import annotations

import math
import random
import socket
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import replace

from dbswitch.database.catalogue import MARKER_SQL
from dbswitch.database.failures import AttemptError, Failure, FailureKind, explain
from dbswitch.database.identity import IDENTITY_SQL, PLAIN_IDENTITY_SQL, Identity
from dbswitch.database.migrations import MigrationState, read_state

if TYPE_CHECKING:
    from tenacity import RetryCallState

    from dbswitch.database.login import LoginSession
    from dbswitch.database.url import DatabaseUrl

_UPTIME: Final = "extract(epoch FROM clock_timestamp() - pg_postmaster_start_time())::bigint::text"
_LAST_ATTEMPT: Final = 0.25  # seconds; an attempt that begins at the deadline could not even connect
_FIRST_WAIT, _LONGEST_WAIT, _SETTLE = 0.05, 1.25, 0.02  # seconds between two attempts, or two successes
_GROWTH: Final = 2.0
_STARTING_GROWTH: Final = 1.5  # a server that starts up usually answers within a fraction of a second
_ATTEMPTS_PER_SECOND: Final = 20 / 15  # of the deadline; the budget of attempts
_SMALLEST_BUDGET: Final = 10
# Seconds between attempts for which the budget always has enough attempts left; the rest may be used faster.
_SPARSEST: Final = 2.0
_MIGRATIONS: Final = 1.0  # seconds for the query of the migrations, beyond an attempt's time


class ProbeLimits(Struct, frozen=True):
    """How long and how hard to try; times in seconds."""

    deadline: float = 15.0  # for everything, name look-ups included
    attempt_timeout: float = 5.0  # a serverless Postgres takes up to several seconds to wake
    # A server that started less than `young` ago has to answer as often as this in a row, an older one once: a container's
    # initialisation server answers once and then goes away.
    successes: int = 2
    young: float = 60.0


class Ready(Struct, frozen=True):
    """A database that answered; times in seconds."""

    identity: Identity
    attempts: int  # the successful ones included
    notices: tuple[str, ...]
    latency: float = 0.0  # of the last attempt, login and query together
    encrypted: bool = False
    uptime: float = 0.0
    # compared with the project's, or why not; None: not asked for
    migrations: MigrationState | Failure | None = None


def wait_until_ready(
    url: DatabaseUrl,
    limits: ProbeLimits | None = None,
    *,
    on_retry: Callable[[int, Failure, float], None] = lambda _attempt, _failure, _wait: None,
    scripts: Mapping[str, bytes] | None = None,
) -> Ready:
    """Try until the database answers as often as `limits` ask for; a signal handler that raises ends the wait at once.

    Before each wait `on_retry` gets the number of attempts so far, what went wrong and the seconds to wait. `scripts` are the
    project's migrations, to be compared. Raises DatabaseRejectedError: waiting cannot help. Raises DatabaseNotReadyError.
    """
    # A quarter of a second that is no latency of the database.
    from tenacity import Retrying, retry_if_exception

    import dbswitch.database.login  # noqa: F401

    limits = limits or ProbeLimits()
    began = time.monotonic()
    last_attempt = min(_LAST_ATTEMPT, limits.deadline / 10)
    attempts = repeats = 0
    before: Failure | None = None  # of the attempt before the last one
    cut_short = False  # by the deadline, the last attempt

    def left() -> float:
        return began + limits.deadline - time.monotonic()

    def ask() -> Ready:
        nonlocal attempts, cut_short
        attempts += 1
        cut_short = left() < limits.attempt_timeout
        return ask_once(url, max(0.001, min(limits.attempt_timeout, left())), scripts)

    def ask_until_settled() -> Ready:
        first = ready = ask()
        for _ in range(limits.successes - 1 if first.uptime < limits.young else 0):
            time.sleep(min(_SETTLE, max(0.0, left())))
            ready = ask()
            if not ready.identity.same_as(first.identity):
                raise AttemptError(FailureKind.RESTARTED)
        return replace(ready, attempts=attempts)

    def pause(state: RetryCallState) -> float:
        nonlocal repeats
        # A new kind of failure is progress (refused, then starting up): begin with short waits again.
        kind = _failure(state).kind
        repeats = repeats + 1 if before is not None and before.kind is kind else 0
        return min(_pause(kind, repeats, attempts, left(), limits), max(0.0, left() - last_attempt))

    def tell(state: RetryCallState) -> None:
        nonlocal before
        before = _failure(state)
        on_retry(attempts, before, state.upcoming_sleep)

    retrying = Retrying(
        retry=retry_if_exception(lambda error: isinstance(error, AttemptError) and error.failure.kind.retry),
        stop=lambda _: left() <= last_attempt,
        wait=pause,
        sleep=time.sleep,
        before_sleep=tell,
        reraise=True,
    )
    try:
        return retrying(ask_until_settled)
    except AttemptError as error:
        failure, tried = error.failure, f"{attempts} attempt{'' if attempts == 1 else 's'}"
        # The time-out of an attempt that was cut short says less than the failure before it.
        says_less = cut_short and failure.kind is FailureKind.TIMED_OUT
        tried += f" in {time.monotonic() - began:.1f} s"
        raise explain((says_less and before) or failure, str(url), tried) from None


def _failure(state: RetryCallState) -> Failure:
    error = state.outcome and state.outcome.exception()
    assert isinstance(error, AttemptError)  # what `retry` lets through
    return error.failure


def _pause(kind: FailureKind, repeats: int, attempts: int, left: float, limits: ProbeLimits) -> float:
    """Return how long to wait: growing from the first wait up to the cap, within the budget of attempts."""
    growth = _STARTING_GROWTH if kind is FailureKind.STARTING_UP else _GROWTH
    wait = min(_LONGEST_WAIT, _FIRST_WAIT * growth ** min(repeats, 30))
    wait *= random.uniform(0.9, 1.1)  # noqa: S311  # jitter, nothing to guess
    budget = max(_SMALLEST_BUDGET, math.floor(limits.deadline * _ATTEMPTS_PER_SECOND))
    attempts_left = budget - attempts - limits.successes
    return wait if attempts_left * _SPARSEST >= left else max(wait, left / max(1, attempts_left))


def ask_once(url: DatabaseUrl, seconds: float, scripts: Mapping[str, bytes] | None = None) -> Ready:
    """Log in and query the identity within `seconds`; with `scripts` compare the migrations too. Raises AttemptError."""
    from dbswitch.database.login import session

    began = time.monotonic()
    with session(url, seconds) as open_session:
        identity, uptime = _identify(open_session, url.search_path)
        took = time.monotonic() - began
        encrypted = open_session.encrypted
        migrations: MigrationState | Failure | None = None
        if scripts is not None:
            open_session.extend(_MIGRATIONS)  # `prisma migrate` may hold a lock on the table
            migrations = read_state(open_session, url.search_path, scripts)
    notices = _notices(url, identity, encrypted=encrypted)
    return Ready(identity, 1, notices, took, encrypted, uptime, migrations)


def _identify(open_session: LoginSession, schema: str | None) -> tuple[Identity, float]:
    """Return the identity and the server's uptime in seconds; `schema` is what the URL's `?schema=` names."""
    more = ""
    if schema is not None:
        # Not by SET search_path: behind a transaction pooler it would stay on the connection for the next client.
        usable = f"SELECT has_schema_privilege(n.oid, 'USAGE')::text FROM pg_catalog.pg_namespace n WHERE n.nspname = {open_session.literal(schema)}"  # noqa: S608  # quoted by libpq
        more = f', ({usable}) AS "usable", {open_session.literal(schema)}::text AS "modelSchema"'

    def ask(sql: str, marker: str = "NULL") -> Mapping[str, str | None]:
        statement = f'SELECT i.*, {_UPTIME} AS "uptime", {marker} AS "environment"{more} FROM ({sql}) i'  # noqa: S608  # constants and the above
        return open_session.query(statement)[0]

    try:
        row = ask(IDENTITY_SQL, MARKER_SQL)
    except AttemptError as error:
        kind = error.failure.kind
        if kind.retry and kind is not FailureKind.UNKNOWN:
            raise
        row = ask(PLAIN_IDENTITY_SQL)
    if schema is not None and row["usable"] != "true":
        raise AttemptError(FailureKind.NO_SUCH_SCHEMA if row["usable"] is None else FailureKind.SCHEMA_DENIED)
    try:
        return Identity.from_json(row), float(row["uptime"] or 0)
    except ValueError as error:
        raise AttemptError(FailureKind.NOT_POSTGRES, str(error)) from None


def _notices(url: DatabaseUrl, identity: Identity, *, encrypted: bool) -> tuple[str, ...]:
    name, found = identity.database, []
    if identity.in_recovery:
        found.append(f"{name} is on a server in recovery (a standby): it can be read but not written.")
    elif identity.read_only:
        setting = "default_transaction_read_only"
        found.append(f"{name} is read-only ({setting}): writes fail, those of next-auth sessions among them.")
    if encrypted and not url.is_local and url.parameter("sslmode") is None and url.parameter("ssl") is None:
        text = "The probe's connection was encrypted, but the app's will not be: the URL has no sslmode."
        found.append(text)
    return tuple(found)


def accepts_connections(url: DatabaseUrl, seconds: float) -> bool:
    """Return whether something listens at the database's address; no login, and no driver is imported."""
    try:
        if not url.is_socket:
            socket.create_connection((url.host, url.port), timeout=seconds).close()
            return True
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stream:
            stream.settimeout(seconds)
            stream.connect(f"{url.host}/.s.PGSQL.{url.port}")
    except (OSError, UnicodeError):
        return False
    return True
