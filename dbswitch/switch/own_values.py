"""The values that the user had in the env files before a switch replaced them, as a target to switch back to.

A switch keeps such a value as a comment (`# dbswitch:kept`). They have no name, so only `dbswitch -` leads to them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbswitch.database.url import DatabaseUrl
from dbswitch.envfiles.document import Document
from dbswitch.envfiles.precedence import DEV_FILES
from dbswitch.errors import UrlError, UsageError
from dbswitch.project import reader_profiles, targets
from dbswitch.project.protection import places_in
from dbswitch.project.target_values import SecretValues
from dbswitch.project.targets import Target

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dbswitch.project.discovery import Project

NAME = "(edited by hand)"  # no target can have this name


def available(project: Project) -> bool:
    """Return whether the env files keep the user's own database URL."""
    return any(key in project.url_variables for key in _kept(project))


def resolve(project: Project, ambient: Mapping[str, str]) -> Target:
    """Return them as a target; it is protected where they lead to the place of a protected one.

    Raises UsageError or ConfigError, EnvFileError.
    """
    kept = _kept(project)
    primary = next((key for key in project.url_variables if key in kept), None)
    if primary is None:
        raise _unusable("no database URL is kept")
    try:
        variables = {
            key: DatabaseUrl.parse(value, name=key).env_form() if key in project.url_variables else value
            for key, value in kept.items()
        }
        url = DatabaseUrl.parse(kept[primary], name=primary)
    except UrlError as error:
        raise _unusable(error.what) from None
    places = places_in(project, variables)
    guarded = any(
        ref.protected and not places.isdisjoint(ref.places)
        for ref in targets.list_targets(project, ambient=ambient)
    )
    return Target(NAME, SecretValues(variables), guarded, "the env files", primary, url)


def _unusable(fact: str) -> UsageError:
    return UsageError(
        "the values you had before cannot be switched back to",
        facts=(fact,),
        why="they are kept as comments (`# dbswitch:kept`) in the env files",
        fix="name a target; `dbswitch targets` lists them",
    )


def _kept(project: Project) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, content in reader_profiles.read_files(project).items():
        if name in DEV_FILES:
            for key, value in Document.parse(content, name).kept_values:
                found.setdefault(key, value)
    return found
