"""The steps of switching a pool; each registers its compensation where it acts."""

from __future__ import annotations

import time
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import replace

from dbswitch.errors import ConfigError, DbswitchError, PoolerError
from dbswitch.pools.pause_watchdog import PauseWatchdog
from dbswitch.pools.pgbouncer_ini import route_of
from dbswitch.pools.pooler import console
from dbswitch.project import pool_config
from dbswitch.switch import pool_recovery, recovery, rollback
from dbswitch.switch.events import Phase
from dbswitch.switch.pool_recovery import JOURNAL, PoolRecord
from dbswitch.switch.rollback import Part, UndoStack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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
_LEFT: Final = {
    Part.FILES: "the configuration files may hold the new line",
    Part.POOLERS: "a pooler may lead to the new database",
    Part.PAUSE: "the pool may still be paused",
}


class Member(Struct, frozen=True):
    """One pooler with the entry of its database and a client of it."""

    pooler: Pooler
    entry: Entry
    client: PoolClient


class PoolPlanning(Struct, frozen=True):
    """What is to be changed, and where the pool is now."""

    pool: Pool
    url: DatabaseUrl
    members: tuple[Member, ...]
    files: ConfigFiles


class PoolApply:
    """The steps of one run."""

    def __init__(self, session: Session, planning: PoolPlanning) -> None:
        self._session, self._reporter = session, session.reporter
        self._folder = session.project.private_dir
        self._pool, self._url = planning.pool, planning.url
        self._members, self._files = planning.members, planning.files
        self._undo = UndoStack()
        self._login_retry: dict[Pooler, str] = {}
        self._watchdog = PauseWatchdog(self._pool.poolers, self._pool.pause_timeout + WORK_LIMIT)

    @contextmanager
    def undone_on_failure(self) -> Iterator[None]:
        """Run the steps of the block; if it raises, undo what they did.

        Raises RolledBackError; RollbackFailedError (the record is kept); or DbswitchError: no file was changed.
        """
        try:
            yield
            self._session.interrupts.settle()  # inside the block: a signal leads either to the rollback or to the end
        except BaseException as cause:
            with self._session.interrupts.rolling_back():
                self._go_back(cause)
            raise
        self._end()

    def pause(self) -> None:
        """Pause the database on every pooler, or on none. Raises PoolerError, or ConfigError: the files."""
        with self._reporter.phase(Phase.PAUSE) as note, ExitStack() as stack:
            consoles = [stack.enter_context(console(member.pooler)) for member in self._members]
            self._record(with_content=False)
            self._files.stage()
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
            names = ", ".join(pooler.name for pooler in self._pool.poolers)
            note.detail = f"{self._pool.poolers[0].database} on {names}"

    def write(self) -> None:
        """Change the configuration files, all or none. Raises ConfigError or RollbackFailedError."""
        with self._reporter.phase(Phase.WRITE) as note:
            with self._session.interrupts.deferred(), self._watchdog.step():
                if self._files.far:
                    self._record(with_content=True)
                self._undo.register(Part.POOLERS, self._reload_previous)
                self._undo.register(Part.FILES, self._put_back)
                try:
                    self._files.write(self._folder / JOURNAL)
                except ConfigError:
                    if not self._files.far:  # none was changed
                        self._undo.discard(Part.FILES)
                        self._undo.discard(Part.POOLERS)
                    raise
            note.detail = ", ".join(self._files.names)

    def reload(self) -> None:
        """Have every pooler take over its configuration while the pool is still paused. Raises PoolerError."""
        with self._reporter.phase(Phase.RELOAD), self._watchdog.step():
            for member in self._members:
                self._reload(member, route_of(member.entry, self._url))

    def resume(self) -> None:
        """Lift the pause on every pooler. Raises PoolerError."""
        with self._reporter.phase(Phase.RESUME), self._watchdog.step():
            for member in self._members:
                _resume(member)
        self._watchdog.end()

    def verify(self, expected: Identity) -> None:
        """Ask as a client of every pooler which database it is on. Raises PoolerError if it is not the target."""
        with self._reporter.phase(Phase.VERIFY) as note:
            for member in self._members:
                member.client.verify(expected)
            note.detail = f"{expected.database} through {', '.join(one.name for one in self._pool.poolers)}"

    def _record(self, *, with_content: bool) -> None:
        """Make the next step durable before it is taken, so that a killed run can be finished. Raises ConfigError."""
        files = self._files.changes
        if not with_content:
            files = tuple(replace(one, old=b"", new=b"") for one in files)
        table = pool_config.digest(self._session.project, self._pool.name)
        record = PoolRecord(self._pool.name, self._session.ending.target, table, files)
        recovery.write_record(self._folder, record, pool_recovery.RECORD)

    def _end(self) -> None:
        for pooler, seconds in self._login_retry.items():
            # A pooler that has ended since reads its configuration when it starts.
            with suppress(PoolerError), console(pooler) as opened:
                opened.set_login_retry(seconds)
        pool_recovery.remove(self._folder)

    def _go_back(self, cause: BaseException) -> None:
        """Undo everything; return if the caller should see `cause` itself."""
        touched = self._undo.parts
        if touched:
            try:
                with self._reporter.phase(Phase.ROLLBACK) as note:
                    self._undo.unwind()
                    self._watchdog.end()
                    if Part.FILES in touched:
                        self._each(_is_back)
                    self._undo.done = list(dict.fromkeys(self._undo.done))
                    note.detail = "; ".join(self._undo.done)
            except (DbswitchError, OSError) as error:
                raise rollback.failed_twice(
                    cause,
                    error,
                    self._undo.done,
                    why="; ".join(_LEFT[part] for part in self._undo.parts)
                    or "the clients of the pool may be on another database than before",
                    fix=f"fix the cause; then `dbswitch TARGET --pool {self._pool.name}` lifts the pause and switches "
                    "all poolers to one target",
                ) from cause
        self._end()
        rollback.tell_what_is_left(cause, self._undo.done, None)
        if isinstance(cause, DbswitchError):
            if Part.FILES in touched:
                raise rollback.rolled_back(cause, self._undo.done) from cause
            cause.facts = (*cause.facts, *self._undo.done, "nothing was changed")

    def _lift(self) -> str:
        self._each(_resume)
        self._files.discard()
        return "the pause was lifted"

    def _reload_previous(self) -> str:
        self._each(lambda member: self._reload(member, member.entry.route))
        return "the poolers lead to the previous database"

    def _put_back(self) -> str:
        left = self._files.put_back(self._folder / JOURNAL)
        kept = f"; {', '.join(left)} was changed by another program and is left" if left else ""
        return f"the configuration files are as they were{kept}"

    def _each(self, action: Callable[[Member], str]) -> None:
        """Do `action` for every pooler as part of the rollback; what it says is kept.

        A pooler that is not running is not paused, and reads its configuration when it starts. Raises PoolerError: one
        that may be running failed; the others were done first.
        """
        failure: PoolerError | None = None
        for member in self._members:
            text = ""
            try:
                text = action(member)
            except PoolerError as error:
                if error.down:
                    text = f"PgBouncer at {member.pooler.name} is not running; it will start with the previous line"
                else:
                    failure = failure or error
            self._undo.done += [text] if text else []
        if failure is not None:
            raise failure

    def _reload(self, member: Member, expected: Route) -> str:
        with console(member.pooler) as opened:
            opened.reload()  # this also undoes SET
            self._retry_logins_soon(opened)
            require_route(opened, expected)
        return ""

    def _retry_logins_soon(self, opened: Console) -> None:
        """Have PgBouncer log in again soon after a failed login: by default it waits for 15 s, and the clients with it."""
        self._login_retry[opened.pooler] = opened.set_login_retry(LOGIN_RETRY)

    def _not_paused(self, pooler: Pooler) -> PoolerError:
        with console(pooler) as opened:
            clients, modes = opened.open_transactions(), opened.pool_modes()
        return PoolerError(
            f"a transaction did not end within {self._pool.pause_timeout:g} s on PgBouncer at {pooler.name}",
            facts=clients,
            why="a pool is switched between two transactions, never in the middle of one",
            fix="the pool is in session mode, where a pause waits until every client has disconnected; see docs/how-to/fleet.md"
            if "session" in modes
            else "wait for it to end, end it, or raise pause_timeout of the pool",
        )


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


def _resume(member: Member) -> str:
    with console(member.pooler) as opened:
        opened.resume()
    return ""


def _is_back(member: Member) -> str:
    with console(member.pooler):  # tells a pooler that is not running from a database that does not answer
        return member.client.is_back()
