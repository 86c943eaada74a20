"""The variables that a listed target sets, read from its source."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from dbswitch.errors import ConfigError
from dbswitch.project.config import FromVariable
from dbswitch.project.secret import SecretValues
from dbswitch.project.target_sources import (
    SourceKind,
    TargetRef,
    bound_variables,
    is_postgres,
    parse_dotenv,
    read_target_file,
    suffixed_urls,
    with_references,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dbswitch.project.config import TargetConfig
    from dbswitch.project.discovery import Project


def read_values(
    project: Project, ref: TargetRef, ambient: Mapping[str, str], *, lenient: bool = False
) -> SecretValues:
    """Return what a target sets, as written. A `command` target runs its command.

    Args:
        project: where to look.
        ref: a listed target.
        ambient: the process environment for `url_from` and `from`.
        lenient: a variable whose source is not set is empty, instead of an error.

    Raises:
        ConfigError: its source cannot be read, or its command failed.
        EnvFileError: an env file cannot be read.
    """
    match ref.kind:
        case SourceKind.FILE:
            assert ref.path is not None
            return read_target_file(project.root / ref.path, ref.path)
        case SourceKind.SUFFIX:
            assert ref.suffix is not None
            bound, _ = bound_variables(project)
            found = suffixed_urls(bound, project.url_variables)[ref.suffix]
            return SecretValues({key: with_references(value, bound) for key, value in found.items()})
        case SourceKind.CONFIG:
            assert ref.settings is not None
            return _configured(project, ref, ref.settings, ambient, lenient=lenient)
        case _:
            assert_never(ref.kind)


def _configured(
    project: Project, ref: TargetRef, settings: TargetConfig, ambient: Mapping[str, str], *, lenient: bool
) -> SecretValues:
    if settings.env_file is not None:
        return read_target_file(project.root / settings.env_file, settings.env_file)
    if settings.command:
        from dbswitch.project.target_command import run

        text = run(settings.command, project.root, settings.command_timeout, f"the target {ref.name}")
        if is_postgres(text) and len(text.split()) == 1:  # `op read`, `vault kv get -field`: the bare value
            return SecretValues({project.primary_variable: text.strip()})
        return parse_dotenv(text, f"the output of the command of {ref.name}")
    bound, _ = bound_variables(project)
    values: dict[str, str] = {}
    sources = settings.variables
    if settings.url_from is not None:
        sources = {project.primary_variable: FromVariable(settings.url_from), **sources}
    for key, source in sources.items():
        if isinstance(source, str):
            values[key] = source
            continue
        # The process environment beats the files, as it does for every reader.
        value = ambient.get(source.source) or bound.get(source.source)
        if value:
            values[key] = with_references(value, bound)
        elif lenient:
            values[key] = ""
        else:
            raise ConfigError(
                f"{ref.source} takes {key} from {source.source}, which is not set",
                facts=("searched: the env files and the process environment",),
                why="Only some of the target's variables would be switched.",
                fix=f"set {source.source} in .env.local, or export it",
            )
    return SecretValues(values)
