"""The process environment that puts a command on a target, even if the command reads the env files itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dbswitch.envfiles.precedence import AMBIENT, all_effective
from dbswitch.errors import EnvFileError
from dbswitch.project import reader_profiles, written_values
from dbswitch.project.reader_profiles import all_profiles
from dbswitch.project.targets import list_targets
from dbswitch.project.value_origin import ValueOrigin

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dbswitch.envfiles.precedence import Effective, ReaderProfile
    from dbswitch.project.discovery import Project
    from dbswitch.project.targets import Target


@dataclass(frozen=True, slots=True)
class CommandEnvironment:
    """What a command gets.

    Attributes:
        removed: variables of other targets that the caller's environment has; they are not passed on.
        emptied: variables that the env files would give it, and that lead elsewhere. A set variable, also an empty one,
            beats the files for @next/env and dotenv.
    """

    values: Mapping[str, str] = field(repr=False)
    removed: tuple[str, ...]
    emptied: tuple[str, ...]


def for_target(project: Project, target: Target, ambient: Mapping[str, str]) -> CommandEnvironment:
    """Return the environment for a command on `target`.

    Raises EnvFileError: an env file cannot be read; or one is loaded over the process environment and would lead the
    command to another database.
    """
    origin = ValueOrigin(
        project,
        target,
        written_values.load(project.private_dir),
        list_targets(project, ambient=ambient),
        ambient,
    )

    def wrong(key: str, value: str) -> bool:
        if key in target.variables:
            return value != target.variables[key]
        if origin.protected_owner(key, value) is not None:
            return True
        return key in origin.absent and (origin.known(key, value) or origin.misleads(key, value))

    def leaves(key: str, value: str) -> bool:
        absent = key in origin.absent and not origin.belongs(key, value)
        return absent or origin.protected_owner(key, value) is not None

    others = [pair for pair in ambient.items() if pair[0] not in target.variables]
    removed = tuple(sorted(key for key, value in others if leaves(key, value)))
    values = {key: value for key, value in ambient.items() if key not in removed} | dict(target.variables)
    files = reader_profiles.read_files(project)
    profiles = all_profiles(project)
    emptied = sorted(
        {got.key for _, got in _from_files(profiles, files, values) if wrong(got.key, got.value or "")}
    )
    values |= {key: "" for key in emptied if key not in target.variables}
    left = [
        f"{got.source}: {got.key} ({profile.reader})"
        for profile, got in _from_files(profiles, files, values)
        if wrong(got.key, got.value or "")
    ]
    if left:
        raise EnvFileError(
            f"a command on {target.name} could use another database because of an env file",
            facts=(*left, "nothing was run"),
            why="the Prisma config loads this file over the process environment (`override: true`)",
            fix=f"remove `override` there, or run `dbswitch {target.name}`",
        )
    return CommandEnvironment(values, removed, tuple(emptied))


def _from_files(
    profiles: tuple[ReaderProfile, ...], files: Mapping[str, bytes], values: Mapping[str, str]
) -> list[tuple[ReaderProfile, Effective]]:
    return [
        (profile, got)
        for profile in profiles
        for got in all_effective(profile, files, values)
        if got.value and got.source != AMBIENT
    ]
