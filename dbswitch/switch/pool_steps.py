"""The steps of switching a pool; each registers its compensation where it acts."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from typing import Final

from msgspec.structs import replace

from dbswitch import errors, state_folder
from dbswitch.database.identity import Identity
from dbswitch.database.probe import ProbeLimits, wait_until_ready
from dbswitch.database.url import DatabaseUrl
from dbswitch.pools.config_files import ConfigFiles, PoolRecord
from dbswitch.pools.pgbouncer_ini import Entry, Route, route_of
from dbswitch.pools.pooler import Console, PauseWatchdog, Pooler, console
from dbswitch.project import pool_config
from dbswitch.project.pool_config import Pool
from dbswitch.switch import recovery
from dbswitch.switch.events import Phase
from dbswitch.switch.rollback import Part, RunSteps
from dbswitch.switch.session import Session

# Seconds of a pause beyond the wait for transactions: writing, RELOAD and RESUME take milliseconds.
WORK_LIMIT: Final = 5.0
LOGIN_RETRY: Final = "0.05"  # seconds
_SHORTEST_WAIT: Final = 0.05  # seconds; an answer that is there already is read
_CLIENT_LIMITS: Final = ProbeLimits(deadline=5.0, attempt_timeout=5.0, successes=1)


class Member:
    """One pooler with the entry of its database, and a client of it. Raises ConfigError: no login is accepted."""

    # Where the entry forces a user, the console's own login is one that PgBouncer accepts and that leads to the forced
    # user; elsewhere the target's login is, which is what the apps use. `before`: the identity before the switch.

    def __init__(self, pooler: Pooler, entry: Entry, target: DatabaseUrl) -> None:
        self.pooler, self.entry = pooler, entry
        admin = dataclasses.replace(pooler.admin, database=pooler.database)
        own = dataclasses.replace(admin, user=target.user, password=target.password)
        self._logins: tuple[DatabaseUrl, ...] = (own, admin) if entry.value("user") is None else (admin, own)
        self.before, refusals = self._ask(quickly=True)
        if self.before is None and len(refusals) == len(self._logins):
            raise errors.ConfigError(
                f"dbswitch cannot log in to {pooler.database} through PgBouncer at {pooler.name}",
                facts=refusals,
                why="a switch is verified as a client of the pool, so it could not be verified",
                fix="give the user of the admin console, or the target's, an entry in PgBouncer's auth_file",
            )

    def verify(self, expected: Identity) -> None:
        """Make sure that a client of the pool is on `expected`. Raises PoolerError."""
        found, refusals = self._ask()
        what, fact = f"a client of {self.pooler.name} gets no answer from the database", refusals[:1]
        if found is not None:
            if found.same_as(expected):
                return
            what = f"a client of {self.pooler.name} is on a different database from the target"
            seen = f"the client is on {found.database}, server started at {found.started_at}"
            fact = [f"{seen}; the target is {expected.database}, server started at {expected.started_at}"]
        raise errors.PoolerError(
            what,
            facts=fact,
            why="a switch counts only if the clients of the pool are on the target",
            fix="check that PgBouncer's machine reaches the target, and the user and password in its line or auth_file",
        )

    def _ask(self, *, quickly: bool = False) -> tuple[Identity | None, list[str]]:
        """Return the identity, or what each login was told; `quickly`: not the second if the database does not answer."""
        refusals: list[str] = []
        for login in self._logins:
            try:
                found = wait_until_ready(login, _CLIENT_LIMITS).identity
            except (errors.DatabaseRejectedError, errors.DatabaseNotReadyError) as error:
                if quickly and isinstance(error, errors.DatabaseNotReadyError):
                    break
                refusals.append(f"as {login.user}: {'; '.join((error.what, *error.facts[1:]))}")
            else:
                self._logins = (login,)
                return found, []
        return None, refusals


class PoolApply(RunSteps):
    """The steps of one run, which lead `members` to `url` by changing `files`."""

    def __init__(
        self, session: Session, pool: Pool, url: DatabaseUrl, members: Sequence[Member], files: ConfigFiles
    ) -> None:
        super().__init__(session, None)
        self.files = files
        self._pool, self._url, self._members = pool, url, members
        self._names = ", ".join(member.pooler.name for member in members)
        self._login_retry: dict[Pooler, str] = {}
        self._watchdog = PauseWatchdog(pool.poolers, pool.pause_timeout + WORK_LIMIT)

    def pause(self) -> None:
        """Pause the database on every pooler, or on none. Raises PoolerError, or ConfigError: the files."""
        with self.reporter.phase(Phase.PAUSE) as note, ExitStack() as stack:
            consoles = [stack.enter_context(console(member.pooler)) for member in self._members]
            self._announce(with_content=False)
            self.files.stage()
            self.undo.register(Part.PAUSE, self._lift)
            self._watchdog.begin()
            for opened in consoles:
                self._retry_logins_soon(opened)
            until = time.monotonic() + self._pool.pause_timeout
            for opened in consoles:
                opened.send_pause()
            for opened in consoles:
                if not opened.paused_within(max(_SHORTEST_WAIT, until - time.monotonic())):
                    raise self._not_paused(opened.pooler)
            note.detail = f"{self._pool.poolers[0].database} on {self._names}"

    def write(self) -> None:
        """Change the configuration files, all or none. Raises ConfigError or RollbackFailedError."""
        undo, files = self.undo, self.files
        with self.reporter.phase(Phase.WRITE) as note:
            with self._session.interrupts.deferred(), self._watchdog.step():
                if files.far:
                    self._announce(with_content=True)
                undo.register(Part.CLIENTS, lambda: self._each(self._is_back), last=True)
                undo.register(Part.POOLERS, self._reload_previous)
                undo.register(Part.CONFIG_FILES, self._put_back)
                try:
                    files.write(self._private_dir / state_folder.POOL_JOURNAL)
                except errors.ConfigError:
                    if not files.far:  # none was changed
                        undo.discard(Part.CLIENTS, Part.POOLERS, Part.CONFIG_FILES)
                    raise
            note.detail = ", ".join(files.names)

    def reload(self) -> None:
        """Have every pooler take over its configuration while the pool is still paused. Raises PoolerError."""
        with self.reporter.phase(Phase.RELOAD), self._watchdog.step():
            for member in self._members:
                self._reload(member.pooler, route_of(member.entry, self._url))

    def resume(self) -> None:
        """Lift the pause on every pooler. Raises PoolerError."""
        with self.reporter.phase(Phase.RESUME), self._watchdog.step():
            for member in self._members:
                _resume(member)
        self._watchdog.end()

    def verify(self, expected: Identity) -> None:
        """Ask as a client of every pooler which database it is on. Raises PoolerError if it is not the target."""
        with self.reporter.phase(Phase.VERIFY) as note:
            for member in self._members:
                member.verify(expected)
            note.detail = f"{expected.database} through {self._names}"

    def _announce(self, *, with_content: bool) -> None:
        files = self.files.changes
        if not with_content:
            files = tuple(replace(one, old=b"", new=b"") for one in files)
        table = pool_config.digest(self._session.project, self._pool.name)
        self._record(PoolRecord(self._pool.name, self.ending.target, table, files))

    def _end(self) -> None:
        for pooler, seconds in self._login_retry.items():
            # A pooler that has ended since reads its configuration when it starts.
            with suppress(errors.PoolerError), console(pooler) as opened:
                opened.set_login_retry(seconds)
        recovery.remove_record(self._private_dir, PoolRecord)

    def _complete(self, cause: BaseException) -> None:
        super()._complete(cause)
        if isinstance(cause, errors.DbswitchError):
            cause.facts = (*cause.facts, *self.undo.done, "nothing was changed")

    def _what_is_left(self, _error: errors.DbswitchError | OSError) -> tuple[str, str]:
        fix = f"fix the cause; then `dbswitch TARGET --pool {self._pool.name}` lifts the pause and switches"
        return "; ".join(part.value for part in self.undo.parts), f"{fix} all poolers to one target"

    def _lift(self) -> str:
        self._each(_resume)
        self.files.discard()
        self._watchdog.end()
        return "the pause was lifted"

    def _reload_previous(self) -> str:
        self._each(lambda member: self._reload(member.pooler, member.entry.route))
        return "the poolers lead to the previous database"

    def _put_back(self) -> str:
        left = self.files.put_back(self._private_dir / state_folder.POOL_JOURNAL)
        kept = f"; {', '.join(left)} was changed by another program and is left" if left else ""
        return f"the configuration files are as they were{kept}"

    def _each(self, action: Callable[[Member], str]) -> str:
        """Do `action` for every pooler as part of the rollback; what it says is kept. Raises PoolerError, after all others."""
        # A pooler that is not running is not paused, and reads its configuration when it starts.
        failure: errors.PoolerError | None = None
        for member in self._members:
            try:
                self.undo.note(action(member))
            except errors.PoolerError as error:
                if error.down:
                    text = "is not running; it will start with the previous line"
                    self.undo.note(f"PgBouncer at {member.pooler.name} {text}")
                else:
                    failure = failure or error
        if failure is not None:
            raise failure
        return ""

    def _is_back(self, member: Member) -> str:
        with console(
            member.pooler
        ):  # tells a pooler that is not running from a database that does not answer
            if member.before is None:
                return ""
            member.verify(member.before)
            return f"a client of {member.pooler.name} is on the previous database"

    def _reload(self, pooler: Pooler, expected: Route) -> str:
        with console(pooler) as opened:
            opened.reload()  # this also undoes SET
            self._retry_logins_soon(opened)
            require_route(opened, expected)
        return ""

    def _retry_logins_soon(self, opened: Console) -> None:
        """Have PgBouncer log in again soon after a failed login: by default it waits for 15 s, and the clients with it."""
        self._login_retry[opened.pooler] = opened.set_login_retry(LOGIN_RETRY)

    def _not_paused(self, pooler: Pooler) -> errors.PoolerError:
        with console(pooler) as opened:
            clients, modes = opened.open_transactions(), opened.pool_modes()
        return errors.PoolerError(
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
        raise errors.PoolerError(
            f"PgBouncer at {opened.pooler.name} did not load its configuration",
            facts=(f"it leads {opened.pooler.database} to {found.text}", f"expected: {expected.text}"),
            why="the changed line does not decide where its clients go",
            fix="see its log; check that `config` of the pool is the file that PgBouncer was started with",
        )


def _resume(member: Member) -> str:
    with console(member.pooler) as opened:
        opened.resume()
    return ""
