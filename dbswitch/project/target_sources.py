"""Where targets come from, in their order: `env/NAME.env`, suffixed variables of the env files, `[targets.NAME]`; their values.

The values are in env files, files in dotenv format, and the output of a `command`.
"""

from __future__ import annotations

import contextlib
import io
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from dbswitch.database.place import Place
from dbswitch.durable import read_regular, text_or_empty
from dbswitch.envfiles.document import Document
from dbswitch.envfiles.effective_values import read_env_files
from dbswitch.errors import ConfigError
from dbswitch.project import target_names
from dbswitch.project.config import FromVariable, TargetConfig
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
    """Return suffix -> {suffixed variable: the variable it is for} for every suffix that a Postgres URL has. Pure."""
    # Any other variable with the same suffix is a companion (`BLOB_READ_WRITE_TOKEN_PROD`); the longest suffix wins. The
    # longest variable that is known decides where the suffix begins: where the schema names
    # `POSTGRES_PRISMA_URL_NON_POOLING`, `POSTGRES_PRISMA_URL_NON_POOLING_PROD` has the suffix `PROD`.
    split = {key: target_names.split_url_key(key, bases) for key, url in bound.items() if is_postgres(url)}
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


_POSTGRES = re.compile(r"postgres(?:ql)?://", re.IGNORECASE)
_REFERENCE = re.compile(r"(?<!\\)\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_REFERENCE_DEPTH = 5
_LONGEST_VALUE = 65_536  # characters
_LARGEST_OUTPUT = 1 << 20  # bytes; far more than any target needs


def is_postgres(value: str) -> bool:
    """Return whether a value is meant as a Postgres URL."""
    return _POSTGRES.match(value.strip()) is not None


def bound_variables(root: Path) -> tuple[SecretValues, dict[str, str]]:
    """Return what the dev env files bind, highest precedence winning, and the file each comes from."""
    values: dict[str, str] = {}
    where: dict[str, str] = {}
    for name, content in reversed(read_env_files(root).items()):
        found = {binding.key: binding.value for binding in Document.parse(content).bindings}
        values |= found
        where |= dict.fromkeys(found, name)
    return SecretValues(values), where


def with_references(value: str, bound: Mapping[str, str]) -> str:
    """Return `value` with `${NAME}` of bound names replaced, as @next/env and Prisma do. Pure."""
    # Unknown names stay as they are: a `$` in a password is more likely than a reference to nothing. So does a value that
    # names itself, or grows beyond what any variable is.
    text = value
    for _ in range(_REFERENCE_DEPTH):
        text = _REFERENCE.sub(lambda match: bound.get(match[1], match[0]), text)
        if len(text) > _LONGEST_VALUE:
            return value
    return text


def read_values(
    project: Project, ref: TargetRef, ambient: Mapping[str, str], *, lenient: bool = False
) -> SecretValues:
    """Return what a target sets, as written. Raises ConfigError (its source cannot be read, its command failed), EnvFileError.

    `ambient` is the process environment for `url_from` and `from`; if `lenient`, a variable whose source is not set is empty.
    """
    settings = ref.settings
    if ref.path is not None:
        try:
            return parse_dotenv(read_regular(project.root / ref.path), ref.path)
        except OSError as error:
            facts, fix = (str(error.strerror),), f"make {ref.path} readable"
            raise ConfigError(f"{ref.path} cannot be read", facts=facts, fix=fix) from None
    if ref.runs_command:
        text = run_command(settings.command, project.root, settings.command_timeout, f"the target {ref.name}")
        if is_postgres(text) and len(text.split()) == 1:  # `op read`, `vault kv get -field`: the bare value
            return SecretValues({project.primary_variable: text.strip()})
        return parse_dotenv(text.encode(), f"the output of the command of {ref.name}")
    bound, _ = bound_variables(project.root)
    if ref.suffixed:
        return SecretValues({key: with_references(bound[name], bound) for name, key in ref.suffixed.items()})
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


def parse_dotenv(data: bytes, shown: str) -> SecretValues:
    """Return the bindings of dotenv text as python-dotenv reads them, without interpolation. Raises ConfigError."""
    from dotenv.parser import parse_stream

    values: dict[str, str] = {}
    try:
        bindings = list(parse_stream(io.StringIO(data.decode("utf-8-sig"))))
    except UnicodeDecodeError:
        raise ConfigError(f"{shown} is not UTF-8", fix=f"save {shown} as UTF-8") from None
    for binding in bindings:
        if binding.error:
            raise ConfigError(
                f"{shown}, line {binding.original.line}: not a KEY=value line",
                why="if part of the file were ignored, only some of the target's variables would be switched",
                fix=f"correct line {binding.original.line}, for example close its quote",
            )
        if binding.key is not None and binding.value is not None:
            values[binding.key] = binding.value
    return SecretValues(values)


def run_command(argv: tuple[str, ...], folder: Path, timeout: float, owner: str) -> str:
    """Return what a command prints, without a shell; `timeout` in seconds. Raises ConfigError, which does not show the output."""
    program = argv[0]

    def failed(what: str, fix: str, fact: str = program) -> ConfigError:
        why = "the values come from this command"
        return ConfigError(f"the command of {owner} {what}", facts=(fact,), why=why, fix=fix)

    try:
        done = subprocess.run(argv, cwd=folder, capture_output=True, timeout=timeout, check=False)
    except FileNotFoundError:
        raise failed("was not found", f"install {program}") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in one of the arguments
        reason = error.strerror if isinstance(error, OSError) else error
        fix = f"correct the command of {owner} in dbswitch.toml"
        raise failed("cannot be run", fix, f"{program}: {reason}") from None
    except subprocess.TimeoutExpired:
        fix = "run it yourself once (it may be waiting for a login), or set command_timeout"
        raise failed(f"did not finish within {timeout:g} s", fix) from None
    if done.returncode != 0:
        raise failed(
            f"failed with exit code {done.returncode}",
            "run it yourself to see its output",
            f"{program}; its output is not shown because it may contain secrets",
        )
    expected = "it must print one URL, or KEY=value lines, as UTF-8"
    if len(done.stdout) > _LARGEST_OUTPUT:
        raise failed("printed more than 1 MiB", expected)
    try:
        return done.stdout.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise failed("printed output that is not UTF-8", expected) from None
