"""Which target is active: derived each time by comparing what every reader gets with what each target sets."""

from __future__ import annotations

import os
from enum import StrEnum
from typing import TYPE_CHECKING

from msgspec import Struct

from dbswitch.errors import DbswitchError, UrlError
from dbswitch.project.readers import profiles
from dbswitch.project.resolving import Target, list_targets, resolve_ref

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dbswitch.envfiles.precedence import Reader, ReaderProfile
    from dbswitch.project.discovery import Project


class ActiveKind(StrEnum):
    """What can be said of all readers together."""

    ONE = "one"  # every reader is on the same target
    MIXED = "mixed"  # readers are on different databases
    UNKNOWN = "unknown"  # they agree on a database that no target names
    UNSET = "unset"  # no reader has a URL


class ReaderState(Struct, frozen=True):
    """What one reader gets.

    Attributes:
        target: the target its URL belongs to, None where no target has that URL.
        database: the URL in its masked form, None where the reader has none.
        source: the file or "process environment" it comes from.
        differing: other variables of that target that this reader does not have as the target sets them.
    """

    reader: Reader
    target: str | None
    database: str | None
    source: str | None
    differing: tuple[str, ...] = ()


class Active(Struct, frozen=True):
    """The answer; `target` is set for `ActiveKind.ONE` only.

    Attributes:
        unresolved: targets that could not be compared, with the reason; among them `command` targets not run.
        databases: the name of the database of each target that could be compared.
    """

    kind: ActiveKind
    target: str | None
    readers: tuple[ReaderState, ...]
    unresolved: tuple[tuple[str, str], ...] = ()
    databases: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str | None:
        """The active target's name, None where there is not exactly one."""
        return self.target

    @property
    def text(self) -> str:
        """One line for people."""
        match self.kind:
            case ActiveKind.ONE:
                return str(self.target)
            case ActiveKind.UNSET:
                return "none (no database URL is set)"
            case ActiveKind.UNKNOWN:
                return f"unknown ({self.readers[0].database})"
            case ActiveKind.MIXED:
                each = ", ".join(
                    f"{state.reader}: {state.target or state.database or 'none'}" for state in self.readers
                )
                return f"mixed ({each})"


def active(
    project: Project,
    ambient: Mapping[str, str] | None = None,
    *,
    run_commands: bool = False,
    readers: Sequence[ReaderProfile] | None = None,
) -> Active:
    """Return the active target.

    Args:
        project: where to look.
        ambient: the process environment the readers would have; None is this process's own.
        run_commands: also compare with targets whose command has to be run (it may ask for a login).
        readers: the profiles to compute; None is :func:`dbswitch.project.readers.profiles`.

    Raises:
        ConfigError: as `list_targets`.
        EnvFileError: an env file cannot be read.
    """
    from dbswitch.envfiles.observing import read_env_files

    environment = os.environ if ambient is None else ambient
    targets, unresolved = _resolved(project, environment, run_commands=run_commands)
    chosen = tuple(profiles(project) if readers is None else readers)
    names = tuple(dict.fromkeys(name for profile in chosen for name in profile.files))
    files = read_env_files(project.root, names)
    states = tuple(_state(project, profile, files, environment, targets) for profile in chosen)
    databases = tuple((target.name, target.url.database) for target in targets)
    return Active(*_together(states), states, unresolved, databases)


def _resolved(
    project: Project, ambient: Mapping[str, str], *, run_commands: bool
) -> tuple[tuple[Target, ...], tuple[tuple[str, str], ...]]:
    targets: list[Target] = []
    unresolved: list[tuple[str, str]] = []
    for ref in list_targets(project):
        if ref.runs_command and not run_commands:
            unresolved.append((ref.name, "its command was not run"))
            continue
        try:
            targets.append(resolve_ref(project, ref, ambient=ambient))
        except DbswitchError as error:  # one broken target must not hide the others
            unresolved.append((ref.name, error.what))
    return tuple(targets), tuple(unresolved)


def _state(
    project: Project,
    profile: ReaderProfile,
    files: Mapping[str, bytes],
    ambient: Mapping[str, str],
    targets: tuple[Target, ...],
) -> ReaderState:
    from dbswitch.envfiles.precedence import effective

    found = {key: effective(key, profile, files, ambient) for key in project.url_variables}
    for target in targets:
        have = found.get(target.primary)
        if have is None or have.value is None or not same_url(have.value, target.variables[target.primary]):
            continue
        differing = tuple(
            key
            for key, value in target.variables.items()
            if key != target.primary and not _same(effective(key, profile, files, ambient).value, value)
        )
        return ReaderState(profile.reader, target.name, target.url.masked(), have.source, differing)
    first = next((one for one in found.values() if one.value), None)
    if first is None or first.value is None:
        return ReaderState(profile.reader, None, None, None)
    return ReaderState(profile.reader, None, _masked(first.value, first.key), first.source)


def same_url(left: str, right: str) -> bool:
    """Return whether two spellings of a URL mean the same connection."""
    from dbswitch.database.url import DatabaseUrl

    if left == right:
        return True
    try:
        return DatabaseUrl.parse(left) == DatabaseUrl.parse(right)
    except UrlError:
        return False


def _same(have: str | None, wanted: str) -> bool:
    return have is not None and same_url(have, wanted)


def _masked(value: str, name: str) -> str:
    from dbswitch.database.url import DatabaseUrl

    try:
        return DatabaseUrl.parse(value, name=name).masked()
    except UrlError as error:
        return f"(not usable: {error.what})"


def _together(states: tuple[ReaderState, ...]) -> tuple[ActiveKind, str | None]:
    having = tuple(state for state in states if state.database is not None)
    if not having:
        return ActiveKind.UNSET, None
    # A reader without any URL does not contradict the others: a Prisma CLI that loads no file gets it from the shell.
    if len({(state.target, state.database) for state in having}) > 1:
        return ActiveKind.MIXED, None
    if having[0].target is None:
        return ActiveKind.UNKNOWN, None
    return ActiveKind.ONE, having[0].target
