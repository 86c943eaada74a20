"""Where targets come from, in their order: `env/NAME.env`, suffixed variables of the env files, `[targets.NAME]`."""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from dbswitch.durable import text_or_empty
from dbswitch.errors import ConfigError
from dbswitch.project import target_names
from dbswitch.project.config import FromVariable, TargetConfig
from dbswitch.project.target_values import (
    SecretValues,
    bound_variables,
    is_postgres,
    parse_dotenv,
    read_target_file,
    run_command,
    with_references,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from dbswitch.database.place import Place
    from dbswitch.project.discovery import Project

TARGET_FOLDER = "env"
# Variables that steer the process itself; a companion of this name is a coincidence (`NODE_ENV_PROD`).
_NEVER = frozenset({"NODE_ENV", "NODE_OPTIONS", "PATH", "HOME", "PORT", "HOSTNAME", "SHELL", "USER"})


class TargetRef(Struct, frozen=True):
    """A target that was found. Its values come from `path`, else from `suffixed`, else from `settings`.

    Attributes:
        path: of its file in dotenv format, relative to the project.
        suffixed: the variables of the env files that define its variables: `DATABASE_URL_PROD` to `DATABASE_URL`.
        shadowed: sources of the same name that are not used.
        values: what it sets, as written; empty where it is not set now. None: a command would have to be run, or the
            source cannot be read.
        places: where its URLs lead, as far as it can be known without running a command.
        guarded: the places that make it protected, even if it is not `protected_itself`, by its name or dbswitch.toml.
    """

    name: str
    source: str
    aliases: tuple[str, ...] = ()
    path: str | None = None
    suffixed: dict[str, str] = {}
    settings: TargetConfig | None = None
    shadowed: tuple[str, ...] = ()
    values: SecretValues | None = None
    places: frozenset[Place] = frozenset()
    protected: bool = False
    guarded: frozenset[Place] = frozenset()
    protected_itself: bool = False

    @property
    def runs_command(self) -> bool:
        """Whether its values come from a program that has to be run."""
        configured = self.settings is not None and not self.path and not self.suffixed
        return configured and bool(self.settings and self.settings.command)


def find_targets(project: Project) -> tuple[TargetRef, ...]:
    """Return the targets of each source, in the order of the sources; a name may occur once in each."""
    found: list[TargetRef] = []
    for refs in (_in_folder(project), _with_suffix(project), _configured(project)):
        shown = target_names.shown_names(tuple(ref.name for ref in refs))
        found += (replace(ref, name=shown[ref.name], aliases=(ref.name, *ref.aliases)) for ref in refs)
    return tuple(found)


def _in_folder(project: Project) -> list[TargetRef]:
    """Return the targets of `env/NAME.env`: those that bind a database URL, or have the name of a usual target."""
    files: list[Path] = []
    with contextlib.suppress(OSError):
        files = sorted(path for path in (project.root / TARGET_FOLDER).glob("*.env") if path.is_file())
    keys = "|".join(re.escape(key) for key in project.url_variables)
    binding = re.compile(rf"^\s*(?:export\s+)?(?:{keys})\s*=", re.MULTILINE)
    found = []
    for file in files:
        name = file.name.removesuffix(".env")
        usual = target_names.canonical(name) in {"prod", "local"}
        if target_names.valid_name(name) and (usual or binding.search(text_or_empty(file))):
            path = f"{TARGET_FOLDER}/{name}.env"
            found.append(TargetRef(name, path, path=path))
    return found


def _with_suffix(project: Project) -> list[TargetRef]:
    """Return the targets of suffixed variables such as `DATABASE_URL_PROD` in the env files."""
    bound, where = bound_variables(project.root)
    found = []
    for suffix, keys in suffixed_keys(bound, project.url_variables).items():
        key = min(
            (key for key, variable in keys.items() if variable in project.url_variables),
            key=lambda key: project.url_variables.index(keys[key]),
        )
        found.append(TargetRef(target_names.from_suffix(suffix), f"{key} in {where[key]}", suffixed=keys))
    return found


def _configured(project: Project) -> list[TargetRef]:
    """Return the targets whose `[targets.NAME]` itself says where the values come from."""
    return [
        TargetRef(
            name,
            table.env_file or f"[targets.{name}] in dbswitch.toml",
            aliases=table.aliases,
            path=table.env_file,
            settings=table,
        )
        for name, table in project.config.targets.items()
        if table.sources
    ]


def suffixed_keys(bound: Mapping[str, str], bases: tuple[str, ...]) -> dict[str, dict[str, str]]:
    """Return suffix -> {suffixed variable: the variable it is for} for every suffix that a Postgres URL has. Pure.

    Any other variable with the same suffix is a companion (`BLOB_READ_WRITE_TOKEN_PROD`); the longest suffix wins. The
    longest variable that is known decides where the suffix begins: where the schema names
    `POSTGRES_PRISMA_URL_NON_POOLING`, `POSTGRES_PRISMA_URL_NON_POOLING_PROD` has the suffix `PROD`.
    """
    split = {
        key: target_names.split_url_key(key, bases) for key, value in bound.items() if is_postgres(value)
    }
    suffixes = {
        suffix
        for variable, suffix in filter(None, split.values())
        if variable in bases and target_names.valid_name(target_names.from_suffix(suffix))
    }
    found: dict[str, dict[str, str]] = {suffix: {} for suffix in sorted(suffixes)}
    longest_first = sorted(suffixes, key=len, reverse=True)
    for key in bound:
        parts = split.get(key)
        if parts is None:
            tail = next((suffix for suffix in longest_first if key.endswith(f"_{suffix}")), "")
            parts = (key.removesuffix(f"_{tail}"), tail)
        variable, suffix = parts
        if suffix in found and variable not in _NEVER and target_names.valid_variable(variable):
            found[suffix][key] = variable
    return found


def read_values(
    project: Project, ref: TargetRef, ambient: Mapping[str, str], *, lenient: bool = False
) -> SecretValues:
    """Return what a target sets, as written. A `command` target runs its command.

    `ambient` is the process environment for `url_from` and `from`; if `lenient`, a variable whose source is not set is
    empty. Raises ConfigError: its source cannot be read, or its command failed. Raises EnvFileError: an env file cannot
    be read.
    """
    if ref.path is not None:
        return read_target_file(project.root / ref.path, ref.path)
    settings = ref.settings
    if ref.runs_command and settings is not None:
        text = run_command(settings.command, project.root, settings.command_timeout, f"the target {ref.name}")
        if is_postgres(text) and len(text.split()) == 1:  # `op read`, `vault kv get -field`: the bare value
            return SecretValues({project.primary_variable: text.strip()})
        return parse_dotenv(text, f"the output of the command of {ref.name}")
    bound, _ = bound_variables(project.root)
    if ref.suffixed:
        return SecretValues({key: with_references(bound[name], bound) for name, key in ref.suffixed.items()})
    assert settings is not None
    sources = settings.variables
    if settings.url_from is not None:
        sources = {project.primary_variable: FromVariable(settings.url_from), **sources}
    values: dict[str, str] = {}
    for key, source in sources.items():
        if isinstance(source, str):
            values[key] = source
            continue
        # The process environment beats the files, as it does for every reader.
        value = ambient.get(source.source) or bound.get(source.source) or ""
        if not value and not lenient:
            raise ConfigError(
                f"{ref.source} takes {key} from {source.source}, which is not set",
                facts=("searched: the env files and the process environment",),
                why="only some of the target's variables would be switched",
                fix=f"set {source.source} in .env.local, or export it",
            )
        values[key] = with_references(value, bound)
    return SecretValues(values)
