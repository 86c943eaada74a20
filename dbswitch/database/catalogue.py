"""What a server's catalogue says of a database: its sessions, its tables, its roles, and the mark of `dbswitch mark`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from dbswitch.database.failures import AttemptError, FailureKind, explain
from dbswitch.database.identity import Identity, quoted_name
from dbswitch.database.place import addresses as look_up
from dbswitch.errors import DatabaseRejectedError

if TYPE_CHECKING:
    from dbswitch.database.login import LoginSession
    from dbswitch.database.url import DatabaseUrl

SETTING: Final = "dbswitch.environment"
_DATABASE: Final = "SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = current_database()"
_COMMENT: Final = f"pg_catalog.shobj_description(({_DATABASE}), 'pg_database')"
_LINE: Final = f"{SETTING}=([A-Za-z0-9_-]+)"
# Not current_setting(): a session, and a pooler's connection, keep the value of their start.
MARKER_SQL: Final = f"""coalesce(
  (SELECT substr(c, {len(SETTING) + 2}) FROM pg_catalog.pg_db_role_setting s, unnest(s.setconfig) c
    WHERE s.setrole = 0 AND s.setdatabase = ({_DATABASE}) AND c LIKE '{SETTING}=%'),
  substring({_COMMENT} FROM '{_LINE}'))"""  # noqa: S608  # constants
# Of other roles' sessions an ordinary role sees database and role, but not the port.
_SESSIONS: Final = """SELECT (datname = current_database())::text AS "here", usename::text AS "role", client_port::text AS "port"
FROM pg_catalog.pg_stat_activity WHERE pid <> pg_backend_pid() AND datname IS NOT NULL"""
_TABLES: Final = f"""SELECT c.relname AS name, greatest(c.reltuples, pg_stat_get_live_tuples(c.oid), 0)::bigint::text AS rows,
    {MARKER_SQL} AS environment
  FROM (SELECT) one LEFT JOIN (pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    AND c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_%'
    AND c.relname <> '_prisma_migrations') ON true
  ORDER BY greatest(c.reltuples, pg_stat_get_live_tuples(c.oid)) DESC NULLS LAST, c.relname"""  # noqa: S608  # constants
_READ_TIMEOUT: Final = 3.0  # seconds
_WRITE_TIMEOUT: Final = 10.0
_DENIED: Final = "42501"


class ServerSession(Struct, frozen=True):
    """One session: whether it is on the asked database, its role, and its client's port (None: not reported, or a socket)."""

    here: bool
    role: str
    port: int | None


def addresses(url: DatabaseUrl, seconds: float) -> tuple[str, ...] | None:
    """Return the addresses of the URL's host; None where it cannot be looked up within `seconds`."""
    try:
        return () if url.is_socket else look_up(url.host, time.monotonic() + seconds)
    except AttemptError:
        return None


def sessions(url: DatabaseUrl, seconds: float) -> tuple[ServerSession, ...] | None:
    """Return the sessions of the URL's server but our own, none without the database; None without an answer in `seconds`."""
    from dbswitch.database.login import session

    try:
        with session(url, seconds) as asked:
            rows = asked.query(_SESSIONS)
    except AttemptError as error:
        return () if error.failure.kind is FailureKind.NO_SUCH_DATABASE else None
    return tuple(ServerSession(row["here"] == "true", row["role"] or "", _port(row["port"])) for row in rows)


def _port(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() else None  # -1 is a Unix socket


def table_sizes(url: DatabaseUrl) -> tuple[tuple[tuple[str, int], ...], str | None]:
    """Return the tables with their estimated rows, the largest first, and the database's mark. Raises as `write_marker`."""
    from dbswitch.database.login import session

    try:
        with session(url, _READ_TIMEOUT) as open_session:
            rows = open_session.query(_TABLES)
    except AttemptError as error:
        raise explain(error.failure, str(url)) from None
    tables = tuple((row["name"], int(row["rows"] or 0)) for row in rows if row["name"] is not None)
    return tables, rows[0]["environment"] if rows else None


def write_marker(url: DatabaseUrl, database: str, environment: str | None) -> None:
    """Store the name of the environment in the database, or remove it; `database` is its name on the server, not on a pooler.

    Raises DatabaseRejectedError or DatabaseNotReadyError.
    """
    # Postgres lets only a superuser store a setting that it does not know. For other roles, as on managed servers, the mark
    # is a line of the database's comment, which its owner may change. Every role can read both.
    from dbswitch.database.login import session

    name = quoted_name(database)
    try:
        with session(url, _WRITE_TIMEOUT) as open_session:
            _write_comment(open_session, name, None)
            try:
                change = f"RESET {SETTING}" if environment is None else f"SET {SETTING} = '{environment}'"
                open_session.query(f"ALTER DATABASE {name} {change}")
            except AttemptError as error:
                if error.failure.sqlstate != _DENIED or environment is None:
                    raise
                _write_comment(open_session, name, environment)
    except AttemptError as error:
        if error.failure.sqlstate != _DENIED:
            raise explain(error.failure, str(url)) from None
        raise DatabaseRejectedError(
            f"the role {url.user} may not mark {database}",
            facts=(str(url), f"message: {error.failure.said}"),
            why="the mark is a setting or the comment of the database, which its owner may change",
            fix="use the role of the database's owner for this command",
        ) from None


def _write_comment(open_session: LoginSession, name: str, environment: str | None) -> None:
    """Take the mark out of the database's comment, and put `environment` in if there is one."""
    statement = f"SELECT {_COMMENT} AS comment, substring({_COMMENT} FROM '{_LINE}') AS mark"  # noqa: S608  # constants
    found = open_session.query(statement)[0]
    if found["mark"] is None and environment is None:
        return
    lines = [line for line in (found["comment"] or "").splitlines() if not line.startswith(f"{SETTING}=")]
    lines += [f"{SETTING}={environment}"] if environment is not None else []
    text = open_session.literal("\n".join(lines)) if lines else "NULL"
    open_session.query(f"COMMENT ON DATABASE {name} IS {text}")


def role_sql(identity: Identity | None, database: str) -> str:
    """Return the SQL that makes a role that can only read: what a pooler that drops `options` cannot undo."""
    schema = quoted_name(identity.schema if identity is not None and identity.schema else "public")
    role, database = quoted_name(f"{database}_read_only"), quoted_name(database)
    return (
        f"CREATE ROLE {role} LOGIN PASSWORD '...'; ALTER ROLE {role} SET default_transaction_read_only = on; "
        f"GRANT CONNECT ON DATABASE {database} TO {role}; GRANT USAGE ON SCHEMA {schema} TO {role}; "
        f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {role}; "
        f"ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT SELECT ON TABLES TO {role};"
    )
