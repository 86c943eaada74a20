"""What a client of a pool sees: a login through the pooler, and the identity of the database that answers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from dbswitch.database.probe import ProbeLimits, wait_until_ready
from dbswitch.errors import ConfigError, DatabaseNotReadyError, DatabaseRejectedError, PoolerError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dbswitch.database.identity import Identity
    from dbswitch.database.url import DatabaseUrl
    from dbswitch.pools.pgbouncer_ini import Entry
    from dbswitch.pools.pooler import Pooler

_LIMITS: Final = ProbeLimits(deadline=5.0, attempt_timeout=5.0, successes=1)


class PoolClient:
    """A client of one pooler.

    Where the entry forces a user, the console's own login is one that PgBouncer accepts and that leads to the forced user;
    elsewhere the target's login is, which is what the apps use.
    """

    def __init__(self, pooler: Pooler, entry: Entry, target: DatabaseUrl) -> None:
        self._pooler = pooler
        admin = replace(pooler.admin, database=pooler.database)
        own = replace(admin, user=target.user, password=target.password)
        forced = entry.value("user") is not None
        self._logins: tuple[DatabaseUrl, ...] = (admin, own) if forced else (own, admin)
        self.before: Identity | None = None

    def look(self) -> None:
        """Remember the identity before the switch; None if the database behind the pooler does not answer.

        Raises:
            ConfigError: the pooler accepts no login, so the switch could not be verified.
        """
        refusals = []
        for login in self._logins:
            try:
                self.before = wait_until_ready(login, _LIMITS).identity
            except DatabaseRejectedError as error:
                refusals.append(f"as {login.user}: {'; '.join((error.what, *error.facts[1:]))}")
            except DatabaseNotReadyError:
                return
            else:
                self._logins = (login,)
                return
        raise ConfigError(
            f"dbswitch cannot log in to {self._pooler.database} through PgBouncer at {self._pooler.name}",
            facts=refusals,
            why="a switch is verified as a client of the pool, so it could not be verified",
            fix="give the user of the admin console, or the target's, an entry in PgBouncer's auth_file",
        )

    def verify(self, expected: Identity) -> None:
        """Make sure that a client of the pool is on the database `expected`.

        Raises:
            PoolerError: it is on another one, or on none.
        """
        found = _identity(self._logins)
        if isinstance(found, str):
            raise self._failed(f"a client of {self._pooler.name} gets no answer from the database", found)
        if not found.same_as(expected):
            seen = f"{found.database}, server started at {found.started_at}"
            wanted = f"{expected.database}, server started at {expected.started_at}"
            raise self._failed(
                f"a client of {self._pooler.name} is on another database than the target",
                f"the client is on {seen}; the target is {wanted}",
            )

    def is_back(self) -> str:
        """Describe whether a client of the pool is on the database from before the switch; empty if that is unknown.

        Raises:
            PoolerError: it is on another one, or on none.
        """
        if self.before is None:
            return ""
        self.verify(self.before)
        return f"a client of {self._pooler.name} is on the previous database"

    def _failed(self, what: str, fact: str) -> PoolerError:
        return PoolerError(
            what,
            facts=(fact,),
            why="a switch counts only if the clients of the pool are on the target",
            fix="check that PgBouncer's machine reaches the target, and the user and password in its line or auth_file",
        )


def _identity(logins: Sequence[DatabaseUrl]) -> Identity | str:
    said = ""
    for login in logins:
        try:
            return wait_until_ready(login, _LIMITS).identity
        except (DatabaseRejectedError, DatabaseNotReadyError) as error:
            said = said or "; ".join((error.what, *error.facts[1:]))
    return said
