"""The tables of a database with their estimated rows, from the catalogue; no table is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dbswitch.database.failures import AttemptError, explain
from dbswitch.database.login import session
from dbswitch.database.marker_sql import MARKER_SQL

if TYPE_CHECKING:
    from dbswitch.database.url import DatabaseUrl

_SQL: Final = f"""SELECT c.relname AS name, greatest(c.reltuples, pg_stat_get_live_tuples(c.oid), 0)::bigint::text AS rows,
    {MARKER_SQL} AS environment
  FROM (SELECT) one LEFT JOIN (pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    AND c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_%'
    AND c.relname <> '_prisma_migrations') ON true
  ORDER BY greatest(c.reltuples, pg_stat_get_live_tuples(c.oid)) DESC NULLS LAST, c.relname"""  # noqa: S608  # constants


def table_sizes(url: DatabaseUrl, *, timeout: float = 3.0) -> tuple[tuple[tuple[str, int], ...], str | None]:
    """Return the tables with their estimated rows, the largest first, and what the database says it is.

    Raises DatabaseRejectedError, DatabaseNotReadyError: it does not answer in `timeout` seconds.
    """
    try:
        with session(url, timeout) as open_session:
            rows = open_session.query(_SQL)
    except AttemptError as error:
        raise explain(error.failure, str(url)) from None
    tables = tuple((row["name"], int(row["rows"] or 0)) for row in rows if row["name"] is not None)
    return tables, rows[0]["environment"] if rows else None
