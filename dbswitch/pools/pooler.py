"""One PgBouncer and its admin console, which knows the simple query protocol only; a pause that ends by its deadline."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from dbswitch.database.failures import AttemptError, Failure, FailureKind
from dbswitch.errors import PoolerError
from dbswitch.pools.pgbouncer_ini import Route

if TYPE_CHECKING:
    from dbswitch.database.login import LoginSession
    from dbswitch.database.url import DatabaseUrl

ANSWER_TIMEOUT: Final = 5.0  # seconds; login and each command of the console
_LOGIN_WAIT: Final = 1.0  # seconds
_LOGIN_POLL: Final = 0.005
_STEP_LIMIT: Final = 2.0  # seconds that a step which is being carried out may still take
_DOWN: Final = frozenset({FailureKind.REFUSED, FailureKind.NO_SOCKET})


class Pooler(Struct, frozen=True):
    """One PgBouncer that serves the pool's database."""

    admin: DatabaseUrl  # its console, with the password
    database: str  # the name that clients connect to
    config: str  # its main configuration file, absolute
    run: tuple[str, ...] = ()  # is put in front of reading and replacing it; empty: it is on this machine

    @property
    def name(self) -> str:
        """How messages and records call it."""
        return self.admin.address


class State(Struct, frozen=True):
    """What the running PgBouncer says about the database."""

    route: Route
    paused: bool


class Console:
    """The admin console while it is open. Every method raises PoolerError: it refused, or did not answer in time."""

    def __init__(self, pooler: Pooler, session: LoginSession) -> None:
        self.pooler = pooler
        self._session = session

    def state(self) -> State:
        """Return where the running PgBouncer leads the database, and whether it is paused."""
        for row in self.rows("SHOW DATABASES"):
            if row["name"] == self.pooler.database:
                user = row["force_user"] or None
                route = Route(row["host"], int(row["port"] or 0), row["database"], user)
                return State(route, row["paused"] == "1")
        raise PoolerError(
            f"PgBouncer at {self.pooler.name} has no database {self.pooler.database}",
            facts=("it is not in SHOW DATABASES",),
            why="its clients could not connect either",
            fix="compare `database` and `config` of the pool with its configuration, and RELOAD it",
        )

    def version(self) -> tuple[int, ...]:
        """Return PgBouncer's version; empty if it does not say."""
        said = "".join(row["version"] for row in self.rows("SHOW VERSION"))
        return tuple(int(number) for number in re.findall(r"\d+", said))

    def reload(self) -> None:
        """Have PgBouncer read its configuration again."""
        self.rows("RELOAD")

    def resume(self) -> bool:
        """Lift the pause of the database; return whether it was paused."""
        if not self.state().paused:
            return False
        self.rows(f'RESUME "{self.pooler.database}"')
        return True

    def set_login_retry(self, seconds: str) -> str:
        """Set for how long PgBouncer waits after a failed login to a server; return what it was."""
        settings = {row["key"]: row["value"] for row in self.rows("SHOW CONFIG")}
        self.rows(f"SET server_login_retry = '{seconds}'")
        return settings["server_login_retry"]

    def send_pause(self) -> None:
        """Begin to pause the database: new transactions wait from now on."""
        # PAUSE cuts off a login to the server and counts it as a failed one, after which new clients are refused. So one that
        # is in progress is waited for, if it does not take long.
        until = time.monotonic() + _LOGIN_WAIT
        while any(int(row["sv_login"] or 0) for row in self._pools()) and time.monotonic() < until:
            time.sleep(_LOGIN_POLL)
        with _errors(self.pooler):
            self._session.send(f'PAUSE "{self.pooler.database}"')

    def paused_within(self, seconds: float) -> bool:
        """Wait until every transaction has ended and every server connection is closed; False if that takes longer."""
        self._session.extend(seconds)
        try:
            self._session.finish()
        except AttemptError as error:
            if error.failure.kind is FailureKind.TIMED_OUT:
                return False
            raise failed(self.pooler, error.failure) from None
        return True

    def open_transactions(self) -> tuple[str, ...]:
        """Describe the clients that keep a server connection of the database."""
        servers = {row["link"]: row for row in self.rows("SHOW SERVERS") if row["link"]}
        clients = (one for one in self.rows("SHOW CLIENTS") if one["database"] == self.pooler.database)
        return tuple(_described(one) for one in clients if one["ptr"] in servers)

    def pool_modes(self) -> frozenset[str]:
        """Return the pooling modes of the database's pools."""
        return frozenset(row["pool_mode"] for row in self._pools())

    def _pools(self) -> list[dict[str, str]]:
        return [row for row in self.rows("SHOW POOLS") if row["database"] == self.pooler.database]

    def rows(self, command: str) -> list[dict[str, str]]:
        """Run one command and return its rows; a missing value is an empty text."""
        with _errors(self.pooler):
            self._session.extend(ANSWER_TIMEOUT)
            return [{key: value or "" for key, value in row.items()} for row in self._session.query(command)]


@contextmanager
def console(pooler: Pooler) -> Iterator[Console]:
    """Open the admin console. Raises PoolerError: it cannot be reached, or refused the login."""
    from dbswitch.database.login import session

    with _errors(pooler), session(pooler.admin, ANSWER_TIMEOUT) as opened:
        yield Console(pooler, opened)


class PauseWatchdog:
    """Resumes `poolers` when `seconds` have passed since :meth:`begin`, unless :meth:`end` was called before."""

    # The main thread may block in a write to a terminal that was stopped with Ctrl-S, or in an fsync(2); clients of the
    # pool must not wait for that, so a thread lifts the pause.

    def __init__(self, poolers: Sequence[Pooler], seconds: float) -> None:
        self._poolers = poolers
        self._seconds = seconds
        self._ended = threading.Event()
        self._step = threading.Lock()
        self._expired = False

    def begin(self) -> None:
        """Start the thread; call it before the first PAUSE."""
        threading.Thread(target=self._watch, daemon=True).start()

    def end(self) -> None:
        """Stop watching: nothing is paused any more, or the rollback is lifting the pause."""
        self._ended.set()

    @contextmanager
    def step(self) -> Iterator[None]:
        """Carry out the block, which the thread does not interrupt. Raises PoolerError: the pause has been lifted."""
        with self._step:
            if self._expired:
                raise PoolerError(
                    f"the pool was paused for {self._seconds:g} s, longer than allowed",
                    facts=("the pause was lifted",),
                    why="clients wait while a pool is paused, and PgBouncer disconnects those that wait for too long",
                    fix="switch again; if it happens again, see what the machine was busy with",
                )
            yield

    def _watch(self) -> None:
        if self._ended.wait(self._seconds):
            return
        held = self._step.acquire(timeout=_STEP_LIMIT)
        self._expired = True
        try:
            for pooler in self._poolers:
                with suppress(PoolerError), console(pooler) as opened:
                    opened.resume()
        finally:
            if held:
                self._step.release()


def failed(pooler: Pooler, failure: Failure) -> PoolerError:
    """Return the error for a console that did not do what it was asked."""
    said = (f"message: {failure.said}",) if failure.said else ()
    down = failure.kind in _DOWN
    fix = failure.kind.fix or "see its log; `SHOW HELP` in the console lists its commands"
    error = PoolerError(
        f"PgBouncer at {pooler.name} {'is not running' if down else 'did not carry out a command'}: {failure.kind.text}",
        facts=(str(pooler.admin), *said),
        why="all poolers of a pool are switched, or none",
        fix="start it" if down else fix,
    )
    error.down = down
    return error


@contextmanager
def _errors(pooler: Pooler) -> Iterator[None]:
    try:
        yield
    except AttemptError as error:
        raise failed(pooler, error.failure) from None


def _described(client: Mapping[str, str]) -> str:
    program = f", {client['application_name']}" if client.get("application_name") else ""
    who = f"client {client['addr']}:{client['port']} (user {client['user']}{program})"
    return f"{who}: last statement at {client['request_time']}"
