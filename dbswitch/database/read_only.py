"""Read-only sessions, asked for by a URL's `options` in the form that Prisma, node-postgres and libpq read alike. Pure.

It protects from mistakes, not from intent: a session may set `default_transaction_read_only` to off again.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from dbswitch.database.identity import quoted_name
from dbswitch.database.url import DatabaseUrl
from dbswitch.errors import UrlError

if TYPE_CHECKING:
    from dbswitch.database.identity import Identity

_OPTION: Final = "-c default_transaction_read_only=on"
# Postgres takes `-c name=value` and `--name=value`, `-` for `_` in the second, any case, and of duplicates the last.
_SETTING: Final = re.compile(
    r"(?:^|\s)(?:-c\s*|--)default[_-]transaction[_-]read[_-]only=(\S*)", re.IGNORECASE
)
_ON: Final = frozenset({"on", "true", "t", "yes", "y", "1"})


def is_read_only(url: DatabaseUrl) -> bool:
    """Return whether the URL asks for read-only sessions."""
    found = _SETTING.findall(url.parameter("options") or "")
    return bool(found) and found[-1].lower() in _ON


def asks_read_only(value: str) -> bool:
    """Return whether the value of a variable is a URL that asks for read-only sessions."""
    try:
        return "read" in value.lower() and is_read_only(DatabaseUrl.parse(value))
    except UrlError:
        return False


def read_only(url: DatabaseUrl) -> DatabaseUrl:
    """Return the URL with sessions that are read-only; other `options` are kept."""
    if is_read_only(url):
        return url
    options = " ".join(filter(None, (url.parameter("options"), _OPTION)))
    kept = tuple((key, value) for key, value in url.parameters if key != "options")
    return replace(url, parameters=(*kept, ("options", options)))


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
