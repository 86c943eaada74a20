"""The process environment that puts a command on a target, even if the command reads the env files itself."""

from __future__ import annotations

from collections.abc import Mapping

from dbswitch.envfiles.precedence import AMBIENT, Effective, Reader, all_effective
from dbswitch.errors import EnvFileError
from dbswitch.project import reader_profiles, written_values
from dbswitch.project.discovery import Project
from dbswitch.project.targets import Target, list_targets
from dbswitch.project.value_origin import ValueOrigin
from dbswitch.redaction import HiddenValues


def for_target(
    project: Project, target: Target, ambient: Mapping[str, str]
) -> tuple[HiddenValues, list[str], list[str]]:
    """Return the environment for a command on `target`. Raises EnvFileError: it could use another database.

    Also the variables of other targets that are removed from `ambient`, and those that are emptied: the env files would give
    them, and they lead elsewhere. A set variable, also an empty one, beats the files for @next/env and dotenv.
    """
    written, refs = written_values.load(project.private_dir), list_targets(project, ambient=ambient)
    origin = ValueOrigin(project, target, written, refs, ambient)

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
    removed = sorted(key for key, value in others if leaves(key, value))
    values = {key: value for key, value in ambient.items() if key not in removed} | dict(target.variables)
    files, profiles = reader_profiles.read_files(project), reader_profiles.all_profiles(project)

    def misled(environment: Mapping[str, str]) -> list[tuple[Reader, Effective]]:
        return [
            (profile.reader, got)
            for profile in profiles
            for got in all_effective(profile, files, environment).values()
            if got.source != AMBIENT and got.value and wrong(got.key, got.value)
        ]

    emptied = sorted({got.key for _, got in misled(values)})
    values |= {key: "" for key in emptied if key not in target.variables}
    if left := misled(values):
        raise EnvFileError(
            f"a command on {target.name} could use another database because of an env file",
            facts=(*(f"{got.source}: {got.key} ({reader})" for reader, got in left), "nothing was run"),
            why="the Prisma config loads this file over the process environment (`override: true`)",
            fix=f"remove `override` there, or run `dbswitch {target.name}`",
        )
    return HiddenValues(values), removed, emptied
