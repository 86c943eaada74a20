"""The SQL of `dbswitch mark`: the name of an environment in the catalogue of the server, without a table.

A superuser stores it as a setting of the database. Postgres lets no other role store a setting that it does not know, as on
managed servers; there it is a line of the database's comment, which its owner may change. Every role can read both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dbswitch.database.failures import AttemptError, explain
from dbswitch.database.login import session
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
_DENIED: Final = "42501"


def write_marker(url: DatabaseUrl, database: str, environment: str | None, *, timeout: float = 10.0) -> None:
    """Store the name of the environment in the database, or remove it.

    `database` is its name on the server, which a pooler may call by another. `timeout` in seconds.

    Raises:
        DatabaseRejectedError: the role does not own the database, or the login was rejected.
        DatabaseNotReadyError: it does not answer.
    """
    name = '"' + database.replace('"', '""') + '"'
    try:
        with session(url, timeout) as open_session:
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
            facts=(str(url), f"it says: {error.failure.said}"),
            why="the mark is a setting or the comment of the database, which its owner may change",
            fix="use the role of the database's owner for this command",
        ) from None


def _write_comment(open_session: LoginSession, name: str, environment: str | None) -> None:
    """Take the mark out of the database's comment, and put `environment` in if there is one."""
    found = open_session.query(
        f"SELECT {_COMMENT} AS comment, substring({_COMMENT} FROM '{_LINE}') AS mark"  # noqa: S608  # constants
    )[0]
    if found["mark"] is None and environment is None:
        return
    lines = [line for line in (found["comment"] or "").splitlines() if not line.startswith(f"{SETTING}=")]
    lines += [f"{SETTING}={environment}"] if environment is not None else []
    text = open_session.literal("\n".join(lines)) if lines else "NULL"
    open_session.query(f"COMMENT ON DATABASE {name} IS {text}")
