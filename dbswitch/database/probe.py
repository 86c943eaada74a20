"""Wait until a database can be used: log in to the target's database as the target's user and query its identity.

`docs/explanation/database-readiness.md` explains the backoff.
"""

from __future__ import annotations

import math
import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from dbswitch.database.failures import AttemptError, Failure, FailureKind, explain, failure

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tenacity import RetryCallState

    from dbswitch.database.host_lookup import Resolver
    from dbswitch.database.identity import Identity
    from dbswitch.database.login import Session
    from dbswitch.database.migrations import MigrationState
    from dbswitch.database.url import DatabaseUrl

# One statement for both questions; a second statement would be a second round trip to a remote server.
_UPTIME: Final = "extract(epoch FROM clock_timestamp() - pg_postmaster_start_time())::bigint::text"

_LAST_ATTEMPT: Final = 0.25
_GROWTH: Final = 2.0
# A server that starts up usually answers within a fraction of a second.
_STARTING_GROWTH: Final = 1.5
_SCHEMA: Final = frozenset({FailureKind.NO_SUCH_SCHEMA, FailureKind.SCHEMA_DENIED})
_SMALLEST_BUDGET: Final = 10
# Seconds between attempts for which the budget always has enough attempts left; the rest may be used faster.
_SPARSEST: Final = 2.0
_MIGRATIONS: Final = 1.0  # seconds for the query of the migrations, beyond an attempt's time


class ProbeLimits(Struct, frozen=True):
    """How long and how hard to try; times in seconds.

    Attributes:
        deadline: for everything, name look-ups included.
        attempt_timeout: for one attempt; a serverless Postgres takes up to several seconds to wake.
        successes: answers in a row that are needed from a server that started less than `young` ago: a container's
            initialisation server answers once and then goes away. An older server needs one.
        young: see `successes`.
        first_wait: between the first two attempts; doubled each time, or grown by half while the server starts up.
        longest_wait: the cap of that.
        attempts_per_second: no more attempts than this times the deadline are made.
        settle: between two successes.
    """

    deadline: float = 15.0
    attempt_timeout: float = 5.0
    successes: int = 2
    young: float = 60.0
    first_wait: float = 0.05
    longest_wait: float = 1.25
    attempts_per_second: float = 20 / 15
    settle: float = 0.02


class Ready(Struct, frozen=True):
    """A database that answered.

    Attributes:
        identity: which one, and in what state.
        attempts: how many attempts it took, the successful ones included.
        seconds: from the call to the last answer.
        notices: what the user should know; one sentence each.
        latency: seconds of the last attempt, login and query together.
        encrypted: whether libpq used TLS.
        migrations: compared with the project's, or why they could not be; None if that was not asked for.
    """

    identity: Identity
    attempts: int
    seconds: float
    notices: tuple[str, ...]
    latency: float = 0.0
    encrypted: bool = False
    migrations: MigrationState | Failure | None = None


def _silent(_attempt: int, _failure: Failure, _wait: float) -> None:
    """Do nothing."""


def wait_until_ready(
    url: DatabaseUrl,
    limits: ProbeLimits | None = None,
    *,
    on_retry: Callable[[int, Failure, float], None] = _silent,
    scripts: Mapping[str, bytes] | None = None,
) -> Ready:
    """Try until the database answers as often as `limits` ask for.

    A signal handler that raises ends the wait at once.

    Args:
        url: the database.
        limits: how long and how hard to try.
        on_retry: called before each wait with the number of attempts so far, what went wrong and the seconds to wait
            at most.
        scripts: the project's migrations, to be compared with those of the database.

    Raises:
        DatabaseRejectedError: waiting cannot help.
        DatabaseNotReadyError: the deadline has passed.
    """
    from tenacity import Retrying, retry_if_exception

    wait = _Wait(url, limits or ProbeLimits(), on_retry, scripts)
    retrying = Retrying(
        retry=retry_if_exception(lambda error: isinstance(error, AttemptError) and error.failure.retry),
        wait=wait.pause,
        stop=wait.over,
        sleep=time.sleep,
        before_sleep=wait.tell,
        reraise=True,
    )
    try:
        return retrying(wait.attempt)
    except AttemptError as error:
        plural = "" if wait.attempts == 1 else "s"
        tried = f"{wait.attempts} attempt{plural} in {time.monotonic() - wait.started:.1f} s"
        raise explain(error.failure, str(url), tried) from None


def ask_once(url: DatabaseUrl, seconds: float, scripts: Mapping[str, bytes] | None = None) -> Ready:
    """Try once, as :func:`wait_until_ready` does. Raises AttemptError."""
    limits = ProbeLimits(deadline=seconds, attempt_timeout=seconds, successes=1)
    return _Wait(url, limits, _silent, scripts).attempt()


def accepts_connections(url: DatabaseUrl, seconds: float) -> bool:
    """Return whether something listens at the database's address; no login, and no driver is imported."""
    import socket

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


@dataclass(slots=True)
class _Wait:
    """The state of one call of :func:`wait_until_ready`."""

    url: DatabaseUrl
    limits: ProbeLimits
    on_retry: Callable[[int, Failure, float], None]
    scripts: Mapping[str, bytes] | None
    started: float = field(init=False)
    attempts: int = 0
    failure: Failure | None = None
    _same_in_a_row: int = 0
    _resolver: Resolver = field(init=False)

    def __post_init__(self) -> None:
        # Do not count the driver's import (a quarter of a second) as database latency.
        import psycopg.pq  # noqa: F401

        from dbswitch.database.host_lookup import Resolver

        self.started = time.monotonic()
        self._resolver = Resolver(self.url.host)

    @property
    def left(self) -> float:
        """Seconds to the deadline."""
        return self.started + self.limits.deadline - time.monotonic()

    def attempt(self) -> Ready:
        """Try once; a server that has just started has to answer several times."""
        answer = self._ask()
        while answer.needed > 1:
            time.sleep(min(self.limits.settle, max(0.0, self.left)))
            again = self._ask(answer.needed - 1)
            if not again.identity.same_as(answer.identity):
                raise AttemptError(failure(FailureKind.RESTARTED))
            answer = again
        return Ready(
            identity=answer.identity,
            attempts=self.attempts,
            seconds=time.monotonic() - self.started,
            notices=_notices(self.url, answer),
            latency=answer.latency,
            encrypted=answer.encrypted,
            migrations=answer.migrations,
        )

    def _ask(self, needed: int | None = None) -> _Answer:
        from dbswitch.database.login import session

        self.attempts += 1
        began = time.monotonic()
        with session(
            self.url, self._resolver, max(0.001, min(self.limits.attempt_timeout, self.left))
        ) as open_session:
            identity, uptime = _identify(open_session, self.url.search_path)
            latency = time.monotonic() - began
            if needed is None:
                needed = self.limits.successes if uptime < self.limits.young else 1
            migrations = self._migrations(open_session) if needed == 1 else None
            return _Answer(identity, needed, latency, open_session.encrypted, migrations)

    def _migrations(self, open_session: Session) -> MigrationState | Failure | None:
        if self.scripts is None:
            return None
        from dbswitch.database.migrations import read_state

        open_session.extend(_MIGRATIONS)  # `prisma migrate` may hold a lock on the table
        return read_state(open_session, self.url.search_path, self.scripts)

    @property
    def _last_attempt(self) -> float:
        # An attempt that begins at the deadline could not even connect.
        return min(_LAST_ATTEMPT, self.limits.deadline / 10)

    def over(self, _state: RetryCallState) -> bool:
        """Tell tenacity whether there is no time left for another attempt."""
        return self.left <= self._last_attempt

    def pause(self, state: RetryCallState) -> float:
        """Tell tenacity how long to sleep: growing from the first wait up to the cap, within the budget of attempts."""
        found = _failure_of(state)
        # A new kind of failure is progress (refused, then starting up): begin with short waits again.
        self._same_in_a_row = (
            self._same_in_a_row + 1 if self.failure and self.failure.kind is found.kind else 0
        )
        self.failure = found
        limits = self.limits
        growth = _STARTING_GROWTH if found.kind is FailureKind.STARTING_UP else _GROWTH
        wait = min(limits.longest_wait, limits.first_wait * growth ** min(self._same_in_a_row, 30))
        wait *= random.uniform(0.9, 1.1)  # noqa: S311  # jitter, nothing to guess
        budget = max(_SMALLEST_BUDGET, math.floor(limits.deadline * limits.attempts_per_second))
        attempts_left = budget - self.attempts - limits.successes
        if attempts_left * _SPARSEST < self.left:
            wait = max(wait, self.left / max(1, attempts_left))
        return min(wait, max(0.0, self.left - self._last_attempt))

    def tell(self, state: RetryCallState) -> None:
        """Tell the caller about the wait that begins."""
        self.on_retry(self.attempts, _failure_of(state), state.upcoming_sleep)


class _Answer(Struct, frozen=True):
    identity: Identity
    needed: int
    latency: float
    encrypted: bool
    migrations: MigrationState | Failure | None


def _identify(open_session: Session, schema: str | None) -> tuple[Identity, float]:
    """Return the identity and the server's uptime in seconds; `schema` is what the URL's `?schema=` names."""
    from dbswitch.database.identity import IDENTITY_SQL, PLAIN_IDENTITY_SQL, Identity
    from dbswitch.database.marker_sql import MARKER_SQL

    more = ""
    if schema is not None:
        # Not by SET search_path: behind a transaction pooler it would stay on the connection for the next client.
        usable = f"SELECT has_schema_privilege(n.oid, 'USAGE')::text FROM pg_catalog.pg_namespace n WHERE n.nspname = {open_session.literal(schema)}"  # noqa: S608  # quoted by libpq
        more = f', ({usable}) AS "usable", {open_session.literal(schema)}::text AS "modelSchema"'

    def ask(sql: str, marker: str = "NULL") -> tuple[Identity, float]:
        statement = f'SELECT i.*, {_UPTIME} AS "uptime", {marker} AS "environment"{more} FROM ({sql}) i'  # noqa: S608  # constants and the above
        row = open_session.query(statement)[0]
        if schema is not None and row["usable"] != "true":
            kind = FailureKind.NO_SUCH_SCHEMA if row["usable"] is None else FailureKind.SCHEMA_DENIED
            raise AttemptError(failure(kind))
        return Identity.from_json(row), float(row["uptime"] or 0)

    try:
        return ask(IDENTITY_SQL, MARKER_SQL)
    except AttemptError as error:
        if error.failure.kind in _SCHEMA or (
            error.failure.retry and error.failure.kind is not FailureKind.UNKNOWN
        ):
            raise
        return ask(PLAIN_IDENTITY_SQL)
    except ValueError as error:
        raise AttemptError(failure(FailureKind.NOT_POSTGRES, said=str(error))) from None


def _notices(url: DatabaseUrl, answer: _Answer) -> tuple[str, ...]:
    found = []
    if answer.identity.in_recovery:
        found.append(
            f"{answer.identity.database} is on a server in recovery (a standby): it can be read but not written."
        )
    elif answer.identity.read_only:
        found.append(
            f"{answer.identity.database} is read-only (default_transaction_read_only): writes fail, those of next-auth sessions"
            " among them."
        )
    if (
        answer.encrypted
        and not url.is_local
        and url.parameter("sslmode") is None
        and url.parameter("ssl") is None
    ):
        found.append(
            "The probe's connection was encrypted, but the app's will not be: the URL has no sslmode."
        )
    return tuple(found)


def _failure_of(state: RetryCallState) -> Failure:
    error = state.outcome.exception() if state.outcome is not None else None
    assert isinstance(error, AttemptError)
    return error.failure
