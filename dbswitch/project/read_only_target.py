"""A target with read-only sessions: `--read-only`, or `read_only = true` in dbswitch.toml. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from dbswitch.database.read_only import read_only
from dbswitch.database.url import DatabaseUrl
from dbswitch.errors import UrlError
from dbswitch.project.protection import leads_to_database
from dbswitch.project.secret import SecretValues

if TYPE_CHECKING:
    from dbswitch.project.discovery import Project
    from dbswitch.project.targets import Target


def with_access(project: Project, target: Target, *, asked: bool | None) -> Target:
    """Return the target as it is asked for: read-only (True), writable (False), or as dbswitch.toml says (None).

    A target that dbswitch.toml makes read-only has to be confirmed before it is used for writing.
    """
    configured = target.settings is not None and target.settings.read_only
    if asked or (asked is None and configured):
        return as_read_only(project, target)
    return replace(target, protected=True) if configured else target


def as_read_only(project: Project, target: Target) -> Target:
    """Return the target with every URL of its own database in the form whose sessions are read-only."""
    variables = {
        key: _read_only(value) if leads_to_database(project, key) else value
        for key, value in target.variables.items()
    }
    return replace(target, variables=SecretValues(variables), url=read_only(target.url), read_only=True)


def _read_only(value: str) -> str:
    try:
        return read_only(DatabaseUrl.parse(value)).env_form()
    except UrlError:  # not a Postgres URL
        return value
