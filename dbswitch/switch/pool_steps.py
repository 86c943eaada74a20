"""The steps of switching a pool; each registers its compensation where it acts."""

from __future__ import annotations

import time
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from dbswitch.errors import (
    ConfigError,
    DbswitchError,
    PoolerError,
    RollbackFailedError,
)
from dbswitch.pools import config_files, pool_record
from dbswitch.pools.pause_watchdog import PauseWatchdog
from dbswitch.pools.pgbouncer_ini import route_of
from dbswitch.pools.pool_record import PoolRecord
from dbswitch.pools.pooler import console
from dbswitch.switch import rollback
from dbswitch.switch.events import Phase
from dbswitch.switch.rollback import Part, UndoStack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from dbswitch.database.identity import Identity
    from dbswitch.database.url import DatabaseUrl
    from dbswitch.pools.config_files import ConfigFiles
    from dbswitch.pools.pgbouncer_ini import Entry, Route
    from dbswitch.pools.pooler import Console, Pooler
    from dbswitch.project.pool_config import Pool
    from dbswitch.switch.pool_clients import PoolClient
    from dbswitch.switch.session import Session

# Seconds of a pause beyond the wait for transactions: writing, RELOAD and RESUME take milliseconds.
WORK_LIMIT: Final = 5.0
LOGIN_RETRY: Final = "0.05"  # seconds
_SHORTEST_WAIT: Final = 0.05  # seconds; an answer that is there already is read


class Member(Struct, frozen=True):
    """One pooler of the pool with the entry of its database and a client of it."""

    pooler: Pooler
    entry: Entry
    client: PoolClient


class PoolApply:
    """The steps of one run."""

    def __init__(
        self, session: Session, pool: Pool, members: Sequence[Member], url: DatabaseUrl, files: ConfigFiles
    ) -> None:
        self._session = session
        self._reporter = session.reporter
        self._folder: Path = session.project.private_dir
        self._pool = pool
        self._members = members
        self._url = url
        self._files = files
        self._undo = UndoStack()
        self._login_retry: dict[Pooler, str] = {}
        self._watchdog = PauseWatchdog(pool.poolers, pool.pause_timeout + WORK_LIMIT)

    @contextmanager
    def undone_on_failure(self) -> Iterator[None]:
        """Run the steps of the block; if it raises, undo what they did.

        Raises:
            RolledBackError: the files were changed, and everything is as it was.
            RollbackFailedError: it is not; the record is kept, and the error says what finishes it.
            DbswitchError: no file was changed; the pause is lifted.
        """
        try:
            yield
            self._session.interrupts.settle()  # inside the block: a signal leads either to the rollback or to the end
        except BaseException as cause:
            with self._session.interrupts.rolling_back():
                self._go_back(cause)
            raise
        self._retry_logins_as_before()
        pool_record.remove(self._folder)

    def pause(self) -> None:
        """Pause the database on every pooler, or on none.

        Raises:
            PoolerError: a transaction did not end in time, or a pooler did not answer.
        """
        with self._reporter.phase(Phase.PAUSE) as note, ExitStack() as stack:
            consoles = [stack.enter_context(console(member.pooler)) for member in self._members]
            record = PoolRecord(self._pool.name, self._session.ending.target, self._files.names)
            pool_record.write(self._folder, record)
            self._undo.register(Part.PAUSE, self._lift)
            self._watchdog.begin()
            for opened in consoles:
                self._retry_logins_soon(opened)
            until = time.monotonic() + self._pool.pause_timeout
            for opened in consoles:
                opened.send_pause()
            for opened in consoles:
                if not opened.paused_within(max(_SHORTEST_WAIT, until - time.monotonic())):
                    raise self._not_paused(opened.pooler)
            note.detail = f"{self._pool.poolers[0].database} on {_names(self._pool.poolers)}"

    def write(self) -> None:
        """Change the configuration files, all or none.

        Raises:
            ConfigError: they cannot be changed; none was.
            RollbackFailedError: one could be neither changed nor put back.
        """
        with self._reporter.phase(Phase.WRITE) as note:
            with self._session.interrupts.deferred(), self._watchdog.step():
                self._undo.register(Part.POOLERS, self._reload_previous)
                self._undo.register(Part.FILES, self._put_back)
                try:
                    config_files.write(self._files, self._folder / pool_record.JOURNAL)
                except ConfigError:
                    self._undo.discard(Part.FILES)
                    self._undo.discard(Part.POOLERS)
                    raise
            note.detail = ", ".join(self._files.names)

    def reload(self) -> None:
        """Have every pooler take over its configuration while the pool is still paused.

        Raises:
            PoolerError: one did not.
        """
        with self._reporter.phase(Phase.RELOAD), self._watchdog.step():
            for member in self._members:
                self._reload(member, route_of(member.entry, self._url))

    def resume(self) -> None:
        """Lift the pause on every pooler. Raises PoolerError."""
        with self._reporter.phase(Phase.RESUME), self._watchdog.step():
            for member in self._members:
                with console(member.pooler) as opened:
                    opened.resume()
        self._watchdog.end()

    def verify(self, expected: Identity) -> None:
        """Ask as a client of every pooler which database it is on. Raises PoolerError if it is not the target."""
        with self._reporter.phase(Phase.VERIFY) as note:
            for member in self._members:
                member.client.verify(expected)
            note.detail = f"{expected.database} through {_names(self._pool.poolers)}"

    def _go_back(self, cause: BaseException) -> None:
        """Undo everything; return if the caller should see `cause` itself."""
        touched = self._undo.parts
        if not touched:
            rollback.tell_what_is_left(cause, (), None)
            return
        try:
            with self._reporter.phase(Phase.ROLLBACK) as note:
                self._undo.unwind()
                self._watchdog.end()
                if Part.FILES in touched:
                    self._undo.done += _each(self._members, _is_back)
                self._undo.done = list(dict.fromkeys(self._undo.done))
                note.detail = "; ".join(self._undo.done)
        except (DbswitchError, OSError) as error:
            raise self._not_rolled_back(cause, error) from cause
        self._retry_logins_as_before()
        pool_record.remove(self._folder)
        rollback.tell_what_is_left(cause, self._undo.done, None)
        if not isinstance(cause, DbswitchError):
            return
        if Part.FILES in touched:
            raise rollback.rolled_back(cause, self._undo.done) from cause
        cause.facts = (*cause.facts, *self._undo.done, "nothing was changed")

    def _lift(self) -> str:
        self._undo.done += _each(self._members, _resume)
        return "the pause was lifted"

    def _reload_previous(self) -> str:
        self._undo.done += _each(self._members, lambda member: self._reload(member, member.entry.route))
        return "the poolers lead to the previous database"

    def _reload(self, member: Member, expected: Route) -> str:
        with console(member.pooler) as opened:
            opened.reload()  # this also undoes SET
            self._retry_logins_soon(opened)
            require_route(opened, expected)
        return ""

    def _retry_logins_soon(self, opened: Console) -> None:
        """Have PgBouncer log in again soon after a failed login: by default it waits for 15 s, and the clients with it."""
        self._login_retry[opened.pooler] = opened.set_login_retry(LOGIN_RETRY)

    def _retry_logins_as_before(self) -> None:
        for pooler, seconds in self._login_retry.items():
            # A pooler that has ended since reads its configuration when it starts.
            with suppress(PoolerError), console(pooler) as opened:
                opened.set_login_retry(seconds)

    def _put_back(self) -> str:
        left = config_files.put_back(self._files, self._folder / pool_record.JOURNAL)
        kept = f"; {', '.join(left)} was changed by another program and is left" if left else ""
        return f"the configuration files are as they were{kept}"

    def _not_paused(self, pooler: Pooler) -> PoolerError:
        with console(pooler) as opened:
            clients = opened.open_transactions()
            session_mode = "session" in opened.pool_modes()
        advice = "wait for it to end, end it, or raise pause_timeout of the pool"
        if session_mode:
            advice = "the pool is in session mode, where a pause waits until every client has disconnected; see docs/how-to/fleet.md"
        return PoolerError(
            f"a transaction did not end within {self._pool.pause_timeout:g} s on PgBouncer at {pooler.name}",
            facts=clients,
            why="a pool is switched between two transactions, never in the middle of one",
            fix=advice,
        )

    def _not_rolled_back(self, cause: BaseException, error: BaseException) -> RollbackFailedError:
        facts = error.facts if isinstance(error, DbswitchError) else ()
        left = {
            Part.FILES: "the configuration files may hold the new line",
            Part.POOLERS: "a pooler may lead to the new database",
            Part.PAUSE: "the pool may still be paused",
        }
        state = "; ".join(left[part] for part in self._undo.parts)
        name = self._pool.name
        return RollbackFailedError(
            "the switch of the pool failed, and so did the rollback",
            facts=(f"first: {_what(cause)}", f"then: {_what(error)}", *facts, *self._undo.done),
            why=state or "the clients of the pool may be on another database than before",
            fix=f"fix the cause; then `dbswitch TARGET --pool {name}` lifts the pause and switches all poolers to one target",
        )


def _resume(member: Member) -> str:
    with console(member.pooler) as opened:
        opened.resume()
    return ""


def _is_back(member: Member) -> str:
    with console(member.pooler):  # tells a pooler that is not running from a database that does not answer
        return member.client.is_back()


def require_route(opened: Console, expected: Route) -> None:
    """Make sure that the running PgBouncer leads the database where its configuration says. Raises PoolerError."""
    found = opened.state().route
    if found != expected:
        raise PoolerError(
            f"PgBouncer at {opened.pooler.name} did not take over its configuration",
            facts=(f"it leads {opened.pooler.database} to {found.text}", f"expected: {expected.text}"),
            why="the changed line does not decide where its clients go",
            fix="see its log; check that `config` of the pool is the file that PgBouncer was started with",
        )


def _each(members: Sequence[Member], action: Callable[[Member], str]) -> tuple[str, ...]:
    """Do `action` for every pooler; return what it says, and which poolers are not running.

    A pooler that is not running is not paused, and reads its configuration when it starts.

    Raises:
        PoolerError: one that may be running failed; the others were done first.
    """
    said: list[str] = []
    failure: PoolerError | None = None
    for member in members:
        try:
            text = action(member)
        except PoolerError as error:
            if error.down:
                text = (
                    f"PgBouncer at {member.pooler.name} is not running; it will start with the previous line"
                )
            else:
                failure, text = failure or error, ""
        if text:
            said.append(text)
    if failure is not None:
        raise failure
    return tuple(said)


def _names(poolers: Sequence[Pooler]) -> str:
    return ", ".join(pooler.name for pooler in poolers)


def _what(error: BaseException) -> str:
    return error.what if isinstance(error, DbswitchError) else type(error).__name__
