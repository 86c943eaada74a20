"""The name of an environment that a database carries (`dbswitch mark`), and what was read of it at earlier probes.

Postgres stores it as a setting of the database: `ALTER DATABASE ... SET dbswitch.environment = 'prod'`. What was read is kept in the
user's state folder by place, so that a target that leads to a database marked as production is protected, and `check`
knows it, without asking a database.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from dbswitch import durable, state_folder
from dbswitch.database.place import place_of
from dbswitch.database.url import DatabaseUrl
from dbswitch.errors import ProtectedError
from dbswitch.project.discovery import Project
from dbswitch.project.target_names import canonical, names_production, valid_name

if TYPE_CHECKING:
    from dbswitch.project.targets import Target

FILE_NAME: Final = "markers.json"


def contradicts(environment: str | None, target: str, aliases: Iterable[str] = ()) -> bool:
    """Return whether a database that says it is `environment` is not that of the target. Unmarked databases fit all."""
    names = {canonical(name.lower()) for name in (target, *aliases)}
    return environment is not None and canonical(environment.lower()) not in names


def require(environment: str | None, target: Target) -> None:
    """Raise ProtectedError if a database says that it is another environment than the target."""
    name = target.name
    if not contradicts(environment, name, target.settings.aliases):
        return
    raise ProtectedError(
        f"the database of {name} is marked as {environment}",
        facts=(
            f"the target: {name} is {target.url.masked()} (from {target.source})",
            f"the database: dbswitch.environment = '{environment}'",
            "nothing was changed",
        ),
        why="one of the two is wrong, and a command for one environment would run on the other",
        fix=f"correct the URL of {name}; if its database is a copy of {environment}, `dbswitch mark {name}`",
    )


def remember(project: Project, url: DatabaseUrl, environment: str | None) -> None:
    """Keep what the database at `url` says. Raises OSError."""
    known = load(project.private_dir)
    place = place_of(url).text
    if known.get(place) == environment:
        return
    state_folder.ensure(project.private_dir, project.root)
    kept = known | {place: environment}
    marked = {key: value for key, value in kept.items() if value is not None}
    durable.store(project.private_dir / FILE_NAME, marked)


def load(private_dir: Path) -> dict[str, str]:
    """Return what databases said at earlier probes: place to environment."""
    found = durable.read_object(private_dir / FILE_NAME)
    return {key: value for key, value in found.items() if isinstance(value, str) and valid_name(value)}


def production_places(private_dir: Path) -> frozenset[str]:
    """Return the places of databases that said they are production."""
    return frozenset(place for place, value in load(private_dir).items() if names_production(value))
