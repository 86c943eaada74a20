"""Where targets come from, in their order: `env/NAME.env`, suffixed variables of the env files, `[targets.NAME]`."""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from dbswitch.durable import text_or_empty
from dbswitch.project import target_names
from dbswitch.project.config import TargetConfig
from dbswitch.project.target_values import bound_variables, is_postgres

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from dbswitch.database.place import Place
    from dbswitch.project.discovery import Project
    from dbswitch.redaction import SecretValues

TARGET_FOLDER = "env"
# Variables that steer the process itself; a companion of this name is a coincidence (`NODE_ENV_PROD`).
_NEVER = frozenset({"NODE_ENV", "NODE_OPTIONS", "PATH", "HOME", "PORT", "HOSTNAME", "SHELL", "USER"})


class TargetRef(Struct, frozen=True):
    """A target that was found. Its values come from `path`, else from `suffixed`, else from `settings`."""

    name: str
    source: str
    aliases: tuple[str, ...] = ()
    path: str | None = None  # of its file in dotenv format, relative to the project
    suffixed: dict[str, str] = {}  # variables of the env files and what each defines: `DATABASE_URL_PROD`
    settings: TargetConfig = TargetConfig()  # its table in dbswitch.toml
    shadowed: tuple[str, ...] = ()  # sources of the same name that are not used
    values: SecretValues | None = None  # as written, empty if not set now; None: not known
    places: frozenset[Place] = frozenset()  # where its URLs lead, as far as `values` are known
    protected: bool = False
    protected_itself: bool = False  # by its name or dbswitch.toml

    @property
    def runs_command(self) -> bool:
        """Whether its values come from a program that has to be run."""
        return bool(self.settings.command) and not self.path and not self.suffixed


def find_targets(project: Project) -> tuple[TargetRef, ...]:
    """Return the targets of each source, in the order of the sources; a name may occur once in each."""
    found: list[TargetRef] = []
    for source in (_in_folder, _with_suffix, _configured):
        refs = list(source(project))
        shown = target_names.shown_names(tuple(ref.name for ref in refs))
        found += (replace(ref, name=shown[ref.name], aliases=(ref.name, *ref.aliases)) for ref in refs)
    return tuple(found)


def _in_folder(project: Project) -> Iterator[TargetRef]:
    """Yield the targets of `env/NAME.env`: those that bind a database URL, or have the name of a usual target."""
    keys = "|".join(re.escape(key) for key in project.url_variables)
    binding = re.compile(rf"^[^\S\n]*(?:export\s+)?(?:{keys})\s*=", re.MULTILINE)
    files: list[Path] = []
    with contextlib.suppress(OSError):  # a folder that cannot be read
        files = sorted(path for path in (project.root / TARGET_FOLDER).glob("*.env") if path.is_file())
    for file in files:
        name = file.name.removesuffix(".env")
        usual = target_names.canonical(name) in {"prod", "local"}
        if target_names.valid_name(name) and (usual or binding.search(text_or_empty(file))):
            path = f"{TARGET_FOLDER}/{file.name}"
            yield TargetRef(name, path, path=path)


def _with_suffix(project: Project) -> Iterator[TargetRef]:
    """Yield the targets of suffixed variables such as `DATABASE_URL_PROD` in the env files."""
    bound, where = bound_variables(project.root)
    for suffix, keys in suffixed_keys(bound, project.url_variables).items():
        variables = {variable: key for key, variable in keys.items()}
        key = next(variables[url] for url in project.url_variables if url in variables)
        yield TargetRef(target_names.from_suffix(suffix), f"{key} in {where[key]}", suffixed=keys)


def _configured(project: Project) -> Iterator[TargetRef]:
    """Yield the targets whose `[targets.NAME]` itself says where the values come from."""
    for name, table in project.config.targets.items():
        if table.sources:
            source = table.env_file or f"[targets.{name}] in dbswitch.toml"
            yield TargetRef(name, source, table.aliases, table.env_file, settings=table)


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
