"""What a client of a pool sees: a login through the pooler, and the identity of the database that answers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from dbswitch.database.probe import ProbeLimits, wait_until_ready
from dbswitch.errors import ConfigError, DatabaseNotReadyError, DatabaseRejectedError, PoolerError

if TYPE_CHECKING:
    from dbswitch.database.identity import Identity
    from dbswitch.database.url import DatabaseUrl
    from dbswitch.pools.pgbouncer_ini import Entry
    from dbswitch.pools.pooler import Pooler

_LIMITS: Final = ProbeLimits(deadline=5.0, attempt_timeout=5.0, successes=1)


class PoolClient:
    """A client of one pooler.

    Where the entry forces a user, the console's own login is one that PgBouncer accepts and that leads to the forced user;
    elsewhere the target's login is, which is what the apps use. `before`: the identity before the switch, if it answered.
    """

    def __init__(self, pooler: Pooler, entry: Entry, target: DatabaseUrl) -> None:
        self._pooler = pooler
        admin = replace(pooler.admin, database=pooler.database)
        own = replace(admin, user=target.user, password=target.password)
        self._logins: tuple[DatabaseUrl, ...] = (own, admin) if entry.value("user") is None else (admin, own)
        self.before: Identity | None = None

    def look(self) -> None:
        """Remember the identity before the switch. Raises ConfigError: no login is accepted, so it could not be verified."""
        self.before, refusals = self._ask(quickly=True)
        if self.before is None and len(refusals) == len(self._logins):
            raise ConfigError(
                f"dbswitch cannot log in to {self._pooler.database} through PgBouncer at {self._pooler.name}",
                facts=refusals,
                why="a switch is verified as a client of the pool, so it could not be verified",
                fix="give the user of the admin console, or the target's, an entry in PgBouncer's auth_file",
            )

    def verify(self, expected: Identity) -> None:
        """Make sure that a client of the pool is on `expected`. Raises PoolerError."""
        found, refusals = self._ask()
        what, fact = f"a client of {self._pooler.name} gets no answer from the database", refusals[:1]
        if found is not None:
            if found.same_as(expected):
                return
            what = f"a client of {self._pooler.name} is on another database than the target"
            seen = f"the client is on {found.database}, server started at {found.started_at}"
            fact = [f"{seen}; the target is {expected.database}, server started at {expected.started_at}"]
        raise PoolerError(
            what,
            facts=fact,
            why="a switch counts only if the clients of the pool are on the target",
            fix="check that PgBouncer's machine reaches the target, and the user and password in its line or auth_file",
        )

    def is_back(self) -> str:
        """Describe whether a client is on the database from before; empty if that is unknown. Raises PoolerError."""
        if self.before is None:
            return ""
        self.verify(self.before)
        return f"a client of {self._pooler.name} is on the previous database"

    def _ask(self, *, quickly: bool = False) -> tuple[Identity | None, list[str]]:
        """Return the identity, or what each login was told; `quickly`: not the second if the database does not answer."""
        refusals: list[str] = []
        for login in self._logins:
            try:
                found = wait_until_ready(login, _LIMITS).identity
            except (DatabaseRejectedError, DatabaseNotReadyError) as error:
                if quickly and isinstance(error, DatabaseNotReadyError):
                    break
                refusals.append(f"as {login.user}: {'; '.join((error.what, *error.facts[1:]))}")
            else:
                self._logins = (login,)
                return found, []
        return None, refusals
