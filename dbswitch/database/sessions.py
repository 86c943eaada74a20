"""The sessions of a database, as far as its server reports them: `pg_stat_activity`, and the addresses of a host."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from msgspec import Struct

from dbswitch.database.failures import AttemptError, FailureKind
from dbswitch.database.host_lookup import addresses as look_up

if TYPE_CHECKING:
    from dbswitch.database.url import DatabaseUrl

# Of other roles' sessions an ordinary role sees database and role, but not the port.
_SESSIONS = """SELECT (datname = current_database())::text AS "here", usename::text AS "role", client_port::text AS "port"
FROM pg_catalog.pg_stat_activity WHERE pid <> pg_backend_pid() AND datname IS NOT NULL"""


class ServerSession(Struct, frozen=True):
    """One session: whether it is on the asked database, its role, and its client's port (None: not reported, or a socket)."""

    here: bool
    role: str
    port: int | None


def addresses(url: DatabaseUrl, seconds: float) -> tuple[str, ...] | None:
    """Return the addresses of the URL's host; None where it cannot be looked up within `seconds`."""
    if url.is_socket:
        return ()
    try:
        return look_up(url.host, time.monotonic() + seconds)
    except AttemptError:
        return None


def sessions(url: DatabaseUrl, seconds: float) -> tuple[ServerSession, ...] | None:
    """Return the sessions of the URL's server but our own; None if it does not answer within `seconds`.

    A database that does not exist has no sessions.
    """
    from dbswitch.database.login import session

    try:
        with session(url, seconds) as asked:
            rows = asked.query(_SESSIONS)
    except AttemptError as error:
        return () if error.failure.kind is FailureKind.NO_SUCH_DATABASE else None
    return tuple(ServerSession(row["here"] == "true", row["role"] or "", _port(row["port"])) for row in rows)


def _port(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() else None  # -1 is a Unix socket
