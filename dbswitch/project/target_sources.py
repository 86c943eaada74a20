"""Where targets come from, in their order: `env/NAME.env`, suffixed variables of the env files, `[targets.NAME]`.

Finding a target reads names only; values are looked at when one is resolved (and to tell a Postgres URL from another).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from dbswitch.durable import read_regular, read_regular_text
from dbswitch.errors import ConfigError
from dbswitch.project import names
from dbswitch.project.secret import SecretValues

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from dbswitch.database.place import Place
    from dbswitch.project.config import TargetConfig
    from dbswitch.project.discovery import Project

TARGET_FOLDER = "env"
# Variables that steer the process itself; a companion of this name is a coincidence (`NODE_ENV_PROD`).
_NEVER = frozenset({"NODE_ENV", "NODE_OPTIONS", "PATH", "HOME", "PORT", "HOSTNAME", "SHELL", "USER"})
_POSTGRES = re.compile(r"postgres(?:ql)?://", re.IGNORECASE)
_REFERENCE_DEPTH = 5
_LONGEST_VALUE = 65_536  # characters
_REFERENCE = re.compile(r"(?<!\\)\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


class SourceKind(StrEnum):
    """The three places a target can come from, in order of precedence."""

    FILE = "file"
    SUFFIX = "suffix"
    CONFIG = "config"


@dataclass(frozen=True, slots=True)
class TargetRef:
    """A target that was found, before its values are known.

    Attributes:
        name: the name that is shown and typed.
        aliases: its other names.
        source: where it comes from, for display.
        suffix: of its variables, for `SourceKind.SUFFIX`.
        settings: its `[targets.NAME]`, where there is one.
        shadowed: sources of the same name that come later in the order and are not used.
        places: where its URLs lead, as far as it can be known without running a command.
        guarded: the places that make it protected, whatever its name.
        protected_itself: it is protected by its name or by dbswitch.toml, not only by its place.
    """

    name: str
    kind: SourceKind
    source: str
    protected: bool
    aliases: tuple[str, ...] = ()
    suffix: str | None = None
    path: str | None = None  # of its env file, relative to the project
    settings: TargetConfig | None = field(default=None, repr=False)
    shadowed: tuple[str, ...] = ()
    places: frozenset[Place] = frozenset()
    guarded: frozenset[Place] = field(default=frozenset(), repr=False)
    protected_itself: bool = False

    @property
    def runs_command(self) -> bool:
        """Whether its values come from a program that has to be run."""
        return self.kind is SourceKind.CONFIG and self.settings is not None and bool(self.settings.command)


def is_postgres(value: str) -> bool:
    """Return whether a value is meant as a Postgres URL."""
    return _POSTGRES.match(value.strip()) is not None


def file_targets(project: Project) -> tuple[TargetRef, ...]:
    """Return the targets of `env/NAME.env`: those that bind a database URL or have the name of a known target."""
    folder = project.root / TARGET_FOLDER
    try:
        found = sorted(path.name.removesuffix(".env") for path in folder.glob("*.env") if path.is_file())
    except OSError:
        return ()
    wanted = tuple(
        name
        for name in found
        if names.valid_name(name)
        and (names.canonical(name) in {"prod", "local"} or _binds_url(project, folder / f"{name}.env"))
    )
    shown = names.shown_names(wanted)
    return tuple(
        TargetRef(
            name=shown[name],
            kind=SourceKind.FILE,
            source=f"{TARGET_FOLDER}/{name}.env",
            protected=names.names_production(name),
            aliases=(name,),
            path=f"{TARGET_FOLDER}/{name}.env",
        )
        for name in wanted
    )


def other_env_files(project: Project, name: str) -> str | None:
    """Return `env/NAME.env` where it exists; used to report why it is not a target."""
    path = f"{TARGET_FOLDER}/{name}.env"
    return path if names.valid_name(name) and (project.root / path).is_file() else None


def suffix_targets(project: Project) -> tuple[TargetRef, ...]:
    """Return the targets of suffixed variables such as `DATABASE_URL_PROD` in the env files."""
    bound, where = bound_variables(project)
    suffixes = tuple(suffixed_urls(bound, project.url_variables))
    shown = names.shown_names(tuple(names.from_suffix(suffix) for suffix in suffixes))
    targets: list[TargetRef] = []
    for suffix in suffixes:
        spelled = names.from_suffix(suffix)
        keys = suffixed_keys(bound, project.url_variables)[suffix]
        key = next(
            key for base in project.url_variables for key, variable in keys.items() if variable == base
        )
        targets.append(
            TargetRef(
                name=shown[spelled],
                kind=SourceKind.SUFFIX,
                source=f"{key} in {where[key]}",
                protected=names.names_production(spelled),
                aliases=(spelled,),
                suffix=suffix,
            )
        )
    return tuple(targets)


def config_targets(project: Project) -> tuple[TargetRef, ...]:
    """Return the targets whose `[targets.NAME]` itself defines where the values come from."""
    own = {name: target for name, target in project.config.targets.items() if target.sources}
    shown = names.shown_names(tuple(own))
    return tuple(
        TargetRef(
            name=shown[name],
            kind=SourceKind.CONFIG,
            source=target.env_file or f"[targets.{name}] in dbswitch.toml",
            protected=names.names_production(name),
            aliases=(name, *target.aliases),
            path=target.env_file,
            settings=target,
        )
        for name, target in own.items()
    )


def suffixed_urls(bound: Mapping[str, str], bases: tuple[str, ...]) -> dict[str, dict[str, str]]:
    """Return suffix -> {variable: value} for every suffix that a Postgres URL has, companions included. Pure.

    A companion is any other variable with the same suffix (`BLOB_READ_WRITE_TOKEN_PROD`); the longest suffix wins.
    """
    keys = suffixed_keys(bound, bases)
    return {
        suffix: {variable: bound[key] for key, variable in found.items()} for suffix, found in keys.items()
    }


def suffixed_keys(bound: Mapping[str, str], bases: tuple[str, ...]) -> dict[str, dict[str, str]]:
    """Return suffix -> {suffixed variable: the variable it is for} as for :func:`suffixed_urls`. Pure.

    The longest variable that is known decides where the suffix begins: where the schema names
    `POSTGRES_PRISMA_URL_NON_POOLING`, `POSTGRES_PRISMA_URL_NON_POOLING_PROD` has the suffix `PROD`.
    """
    split = {key: names.split_url_key(key, bases) for key, value in bound.items() if is_postgres(value)}
    suffixes = {
        suffix
        for variable, suffix in filter(None, split.values())
        if variable in bases and names.valid_name(names.from_suffix(suffix))
    }
    found: dict[str, dict[str, str]] = {suffix: {} for suffix in sorted(suffixes)}
    longest_first = sorted(suffixes, key=len, reverse=True)
    for key in bound:
        parts = split.get(key) or _split_companion_key(key, longest_first)
        if parts is None:
            continue
        variable, suffix = parts
        if suffix in found and variable not in _NEVER and names.valid_variable(variable):
            found[suffix][key] = variable
    return found


def _split_companion_key(key: str, suffixes: list[str]) -> tuple[str, str] | None:
    tail = next((suffix for suffix in suffixes if key.endswith(f"_{suffix}")), None)
    return None if tail is None else (key.removesuffix(f"_{tail}"), tail)


def bound_variables(project: Project) -> tuple[SecretValues, dict[str, str]]:
    """Return what the dev env files bind, highest precedence winning, and the file each comes from.

    Raises:
        EnvFileError: an env file cannot be read.
    """
    from dbswitch.envfiles.document import Document
    from dbswitch.envfiles.effective_values import read_env_files
    from dbswitch.envfiles.precedence import DEV_FILES

    files = read_env_files(project.root)
    values: dict[str, str] = {}
    where: dict[str, str] = {}
    for name in reversed(DEV_FILES):
        if name in files:
            for binding in Document.parse(files[name]).bindings:
                values[binding.key] = binding.value
                where[binding.key] = name
    return SecretValues(values), where


def with_references(value: str, bound: Mapping[str, str]) -> str:
    """Return `value` with `${NAME}` of bound names replaced, as @next/env and Prisma do. Pure.

    Unknown names stay as they are: a `$` in a password is more likely than a reference to nothing. So does a value that
    names itself, or grows beyond what any variable is.
    """
    text = value
    for _ in range(_REFERENCE_DEPTH):
        replaced = _REFERENCE.sub(lambda match: bound.get(match[1], match[0]), text)
        if replaced == text:
            break
        if len(replaced) > _LONGEST_VALUE:
            return value
        text = replaced
    return text


def read_target_file(path: Path, shown: str) -> SecretValues:
    """Return what an `env/NAME.env` sets, as python-dotenv reads it, without interpolation.

    Raises:
        ConfigError: it cannot be read, is not UTF-8, or a line is no binding (its number is named, never its text).
    """
    try:
        text = read_regular(path).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigError(f"{shown} is not UTF-8", fix=f"save {shown} as UTF-8") from None
    except OSError as error:
        raise ConfigError(
            f"{shown} cannot be read", facts=(str(error.strerror),), fix=f"make {shown} readable"
        ) from None
    return parse_dotenv(text, shown)


def parse_dotenv(text: str, shown: str) -> SecretValues:
    """Return the bindings in dotenv text as python-dotenv reads them.

    Raises:
        ConfigError: a line is not a binding.
    """
    import io

    from dotenv.parser import parse_stream

    values: dict[str, str] = {}
    for binding in parse_stream(io.StringIO(text)):
        if binding.error:
            raise ConfigError(
                f"{shown}, line {binding.original.line}: not a KEY=value line",
                why="If part of the file were ignored, only some of the target's variables would be switched.",
                fix=f"correct line {binding.original.line}, for example close its quote",
            )
        if binding.key is not None and binding.value is not None:
            values[binding.key] = binding.value
    return SecretValues(values)


def _binds_url(project: Project, path: Path) -> bool:
    try:
        text = read_regular_text(path, errors="replace")
    except OSError:
        return False
    keys = "|".join(re.escape(key) for key in project.url_variables)
    return re.search(rf"^\s*(?:export\s+)?(?:{keys})\s*=", text, re.MULTILINE) is not None
