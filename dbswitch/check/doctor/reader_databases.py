"""Which database each reader would connect to, computed from the files on disk."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING, Final

from dbswitch.check.doctor.doctor_facts import (
    NEXT_DEV,
    NEXT_START,
    PRISMA_CLI,
    RUNNING,
    SHELL,
    STUDIO,
    ForeignVariable,
    ReaderFacts,
)
from dbswitch.database.place import place_in, place_of
from dbswitch.database.url import DatabaseUrl, same_url
from dbswitch.durable import read_regular_text
from dbswitch.envfiles.effective_values import read_env_files
from dbswitch.envfiles.precedence import DEV_FILES, Reader, ReaderProfile, effective
from dbswitch.errors import UrlError
from dbswitch.project import javascript_text
from dbswitch.project.active import active
from dbswitch.project.reader_profiles import all_profiles

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from dbswitch.project.discovery import Project
    from dbswitch.project.targets import Target

_MIGRATIONS_PATH: Final = re.compile(
    rf"\bmigrations['\"]?\s*:\s*\{{[^}}]*?\bpath['\"]?\s*:\s*([^,}}\n]*?{javascript_text.STRING})"
)


def read_readers(
    project: Project,
    targets: Sequence[Target],
    ambient: Mapping[str, str],
    launched_with: Mapping[str, str] | None,
) -> tuple[ReaderFacts, ...]:
    """Return one row for each reader.

    Args:
        project: where to look.
        targets: those that could be resolved, to name what is found.
        ambient: the process environment the readers would have.
        launched_with: the environment of the running server, None where none runs.

    Raises:
        EnvFileError: an env file cannot be read.
    """
    profiles = all_profiles(project)
    files = read_env_files(
        project.root, tuple(dict.fromkeys(name for profile in profiles for name in profile.files))
    )
    rows: list[ReaderFacts] = []

    def add(
        name: str, profile: ReaderProfile, variables: Sequence[str], environment: Mapping[str, str]
    ) -> None:
        rows.append(_row(name, profile, variables, environment, files, targets))

    own = (project.primary_variable,)
    for profile in profiles:
        match profile.reader:
            case Reader.NEXT_DEV:
                add(NEXT_DEV, profile, own, ambient)
                if launched_with is not None:
                    add(RUNNING, profile, own, launched_with)
            case Reader.NEXT_START:
                add(NEXT_START, profile, own, ambient)
            case Reader.PRISMA:
                add(PRISMA_CLI, profile, project.cli_variables, ambient)
                add(STUDIO, profile, project.studio_variables, ambient)
            case Reader.SHELL:
                add(SHELL, profile, own, ambient)
    return tuple(sorted(rows, key=lambda row: _ORDER.index(row.reader)))


_ORDER: Final = (NEXT_DEV, RUNNING, NEXT_START, PRISMA_CLI, STUDIO, SHELL)


def migrations_folder(project: Project) -> Path | None:
    """Return the folder of the migrations: from the Prisma config, else beside the schema; None if there is none."""
    prisma = project.prisma
    if prisma is None:
        return None
    places: list[Path] = []
    if prisma.config_file is not None:
        configured = _configured_migrations(project.root / prisma.config_file)
        if configured is not None:
            places.append(project.root / configured)
    if prisma.schema is not None:
        schema = project.root / prisma.schema
        places += [schema / "migrations"] if schema.is_dir() else []
        places.append(schema.parent / "migrations")
    return next((folder for folder in places if folder.is_dir()), None)


def _configured_migrations(path: Path) -> str | None:
    try:
        source = javascript_text.without_comments(read_regular_text(path, errors="replace"))
    except OSError:
        return None
    found = _MIGRATIONS_PATH.search(source)
    literals = javascript_text.strings(found[1]) if found is not None else ()
    joined = posixpath.normpath(posixpath.join(*literals)) if literals else ""
    return joined if joined and not joined.startswith(("/", "..")) else None


def _row(
    name: str,
    profile: ReaderProfile,
    variables: Sequence[str],
    environment: Mapping[str, str],
    files: Mapping[str, bytes],
    targets: Sequence[Target],
) -> ReaderFacts:
    found = [effective(key, profile, files, environment) for key in variables]
    chosen = next((one for one in found if one.value), found[0])
    if not chosen.value:
        return ReaderFacts(name, chosen.key, source=chosen.source, shadowed=chosen.shadowed)
    value = chosen.value
    try:
        url = DatabaseUrl.parse(value, name=chosen.key)
    except UrlError as error:
        return ReaderFacts(
            name, chosen.key, unusable=error.what, source=chosen.source, shadowed=chosen.shadowed
        )
    return ReaderFacts(
        name,
        chosen.key,
        url=url,
        targets=tuple(target.name for target in targets if _has(target, chosen.key, value)),
        source=chosen.source,
        shadowed=chosen.shadowed,
    )


def _has(target: Target, key: str, value: str) -> bool:
    own = target.variables.get(key)
    if own is not None:
        return same_url(value, own)
    # DIRECT_URL of a target that sets DATABASE_URL only: the same database is the same target.
    return place_in(value) == place_of(target.url)


def foreign_variables(project: Project, ambient: Mapping[str, str]) -> tuple[ForeignVariable, ...]:
    """Return the variables that readers get from a target that they are not on."""
    # `next start` reads the files of production on purpose, and the shell is judged by its own finding.
    found = active(project, ambient)
    return tuple(
        ForeignVariable(state.reader.value, variable, owner, state.target)
        for state in found.readers
        if state.target is not None
        for variable, owner in state.foreign
    )


def env_file_names(project: Project) -> tuple[str, ...]:
    """Return every env file that some reader or target may read, relative to the project."""
    from_profiles = (name for profile in all_profiles(project) for name in profile.files)
    folder = project.root / "env"
    of_targets = sorted(f"env/{path.name}" for path in folder.glob("*.env")) if folder.is_dir() else []
    return tuple(dict.fromkeys((*DEV_FILES, *from_profiles, *of_targets)))
