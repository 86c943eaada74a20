"""Which database each reader would connect to, computed from the files on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbswitch.check.doctor import doctor_facts as facts
from dbswitch.check.doctor.doctor_facts import ForeignVariable, ReaderFacts
from dbswitch.database.place import place_in, place_of
from dbswitch.database.url import DatabaseUrl, same_url
from dbswitch.envfiles.effective_values import read_env_files
from dbswitch.envfiles.precedence import DEV_FILES, Reader, ReaderProfile, effective
from dbswitch.errors import UrlError
from dbswitch.project.active import active
from dbswitch.project.reader_profiles import all_profiles

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dbswitch.project.discovery import Project
    from dbswitch.project.targets import Target


def read_readers(
    project: Project,
    targets: Sequence[Target],
    ambient: Mapping[str, str],
    launched_with: Mapping[str, str] | None,
) -> tuple[ReaderFacts, ...]:
    """Return a row for each reader; `launched_with`: the running server's environment, if any. Raises EnvFileError."""
    profiles = {one.reader: one for one in all_profiles(project)}
    names = dict.fromkeys(name for profile in profiles.values() for name in profile.files)
    files = read_env_files(project.root, tuple(names))
    own = (project.primary_variable,)
    rows = (
        (facts.NEXT_DEV, Reader.NEXT_DEV, own, ambient),
        (facts.RUNNING, Reader.NEXT_DEV, own, launched_with),
        (facts.NEXT_START, Reader.NEXT_START, own, ambient),
        (facts.PRISMA_CLI, Reader.PRISMA, project.cli_variables, ambient),
        (facts.STUDIO, Reader.PRISMA, project.studio_variables, ambient),
        (facts.SHELL, Reader.SHELL, own, ambient),
    )
    return tuple(
        _row(name, profiles[reader], variables, environment, files, targets)
        for name, reader, variables, environment in rows
        if reader in profiles and environment is not None
    )


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
    key, value = chosen.key, chosen.value
    url, unusable = None, ""
    try:
        url = DatabaseUrl.parse(value, name=key) if value else None
    except UrlError as error:
        unusable = error.what
    named = tuple(one.name for one in targets if value and url is not None and _has(one, key, value))
    return ReaderFacts(name, key, url, unusable, named, chosen.source, chosen.shadowed)


def _has(target: Target, key: str, value: str) -> bool:
    own = target.variables.get(key)
    # DIRECT_URL of a target that sets DATABASE_URL only: the same database is the same target.
    return place_in(value) == place_of(target.url) if own is None else same_url(value, own)


def foreign_variables(project: Project, ambient: Mapping[str, str]) -> tuple[ForeignVariable, ...]:
    """Return the variables that readers get from a target that they are not on."""
    # `next start` reads the files of production on purpose, and the shell is judged by its own finding.
    return tuple(
        ForeignVariable(state.reader.value, variable, owner, state.target)
        for state in active(project, ambient).readers
        if state.target is not None
        for variable, owner in state.foreign
    )


def env_file_names(project: Project) -> tuple[str, ...]:
    """Return every env file that some reader or target may read, relative to the project."""
    from_profiles = (name for profile in all_profiles(project) for name in profile.files)
    of_targets = sorted(f"env/{path.name}" for path in (project.root / "env").glob("*.env"))
    return tuple(dict.fromkeys((*DEV_FILES, *from_profiles, *of_targets)))
