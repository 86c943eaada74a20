"""`dbswitch.toml`: every setting with its type, default and unit. Every key is documented in `docs/reference/config.md`."""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal, TypeVar, get_args

import msgspec
from msgspec import Meta, Struct, field

from dbswitch.durable import read_regular
from dbswitch.durations import LENGTH_RULE, seconds_of
from dbswitch.errors import ConfigError
from dbswitch.project.target_names import NAME_RULE, VARIABLE_PATTERN, valid_name

FILE_NAME = "dbswitch.toml"
Severity = Literal["error", "warning", "info", "off"]
Seconds = Annotated[float, Meta(gt=0, le=3600)]
Port = Annotated[int, Meta(ge=1, le=65535)]
_URL_PATH = r"^/\S*$"
_PROJECT_PATH = r"^(?!/)(?!(.*/)?\.\.(/|$)).+$"
_CLIENT_PLACE = r"^(?!/)(?!\.\.?/)[^#\s]+(#[A-Za-z_$][\w$]*(\.[A-Za-z_$][\w$]*)*)?$"
_VARIABLE = f"^{VARIABLE_PATTERN}$"
UrlPath = Annotated[str, Meta(pattern=_URL_PATH)]
ProjectPath = Annotated[str, Meta(pattern=_PROJECT_PATH)]
ClientPlace = Annotated[str, Meta(pattern=_CLIENT_PLACE)]
VariableName = Annotated[str, Meta(pattern=_VARIABLE)]


class ServerMode(StrEnum):
    """How a switch treats the running app: `auto` swaps the client where the app can do it, else restarts."""

    AUTO = "auto"
    RESTART = "restart"
    HOT = "hot"
    NONE = "none"


class ServerConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """`[server]`: how the dev server is started, found and asked. Times in seconds."""

    command: tuple[str, ...] = ()  # empty: detected from package.json
    port: Port | None = None  # None: from the dev script, else 3000
    ports: tuple[Port, ...] = (3000, 3001, 3002)
    ready_path: UrlPath | None = None  # None: an answer of the server process itself is enough
    dist_dir: ProjectPath | None = None  # None: from next.config, else .next
    term_timeout: Seconds = 5.0
    kill_timeout: Seconds = 5.0
    ready_timeout: Seconds = 60.0


class DatabaseConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """`[database]`: how long a database may take to become ready. Times in seconds."""

    start_deadline: Seconds = 30.0  # `dbswitch dev` and `wait`: a container may still be coming up
    restart_deadline: Seconds = 15.0  # every switch and restart
    attempt_timeout: Seconds = 5.0


class FromVariable(Struct, frozen=True, forbid_unknown_fields=True):
    """The value of a target's variable is that of another variable of the env files or the shell."""

    source: VariableName = field(name="from")


class TargetConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """`[targets.NAME]`. `variables` may hold secrets."""

    variables: dict[VariableName, str | FromVariable] = field(default_factory=dict)
    url_from: VariableName | None = None
    command: tuple[str, ...] = ()
    command_timeout: Seconds = 30.0
    env_file: str | None = None
    protected: bool | None = None  # None: by its name or its place
    read_only: bool = False
    require_migrated: bool = False
    time_limit: str | None = None  # as `--for`: 30m, 2h
    start: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"TargetConfig({', '.join(self.sources)})"

    @property
    def limit_seconds(self) -> float | None:
        """`time_limit` in seconds."""
        return None if self.time_limit is None else seconds_of(self.time_limit)

    @property
    def sources(self) -> tuple[str, ...]:
        """The keys that say where the variables come from; none in a table of settings for a target found elsewhere."""
        return tuple(key for key in ("variables", "url_from", "command", "env_file") if getattr(self, key))


class SwitchConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """`[switch]`."""

    mode: ServerMode = ServerMode.AUTO
    drain_timeout: Seconds = 3.0  # that work may take to end on the old database after a hot switch


class CheckConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """`[check]`: severities by rule id, and path patterns that are skipped."""

    rules: dict[str, Severity] = field(default_factory=dict)
    exclude: tuple[str, ...] = ()


class VerifyConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """`[verify]`: how the running app is asked which database it is on. Times in seconds."""

    path: UrlPath | None = None  # None: the generated route's path, where one exists
    hot_deadline: Seconds = 10.0
    restart_deadline: Seconds = 60.0  # everything is compiled anew
    # The app's client as `file#export.path` or `package#export.path`; None: found through the app's imports.
    client: ClientPlace | None = None


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    server: ServerConfig = field(default_factory=ServerConfig)
    database: DatabaseConfig = field(default_factory=DatabaseConfig)
    switch: SwitchConfig = field(default_factory=SwitchConfig)
    verify: VerifyConfig = field(default_factory=VerifyConfig)
    check: CheckConfig = field(default_factory=CheckConfig)
    targets: dict[str, TargetConfig] = field(default_factory=dict)
    pools: dict[str, dict[str, object]] = field(default_factory=dict)  # read by pool_config.py


def load(root: Path) -> Config:
    """Read `dbswitch.toml` of a project folder; the defaults where there is none. Raises ConfigError."""
    path = root / FILE_NAME
    try:
        data = read_regular(path)
    except FileNotFoundError:
        return Config()
    except OSError as error:
        facts, fix = (f"{error.strerror}: {path}",), f"make {path} readable, or remove it"
        raise config_error(" cannot be read", facts=facts, fix=fix) from None
    return parse(data)


def parse(data: bytes) -> Config:
    """Return the settings in the bytes of a `dbswitch.toml`. Pure. Raises ConfigError; no message contains a value."""
    import tomllib

    try:
        raw = tomllib.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise config_error(f", line {line}: not UTF-8", fix=f"save {FILE_NAME} as UTF-8") from None
    except RecursionError:
        raise config_error(": nested too deeply", fix=f"correct {FILE_NAME}") from None
    except tomllib.TOMLDecodeError as error:
        problem, place = re.fullmatch(_SYNTAX, str(error)).groups()  # type: ignore[union-attr]  # matches any text
        if (twice := _TWICE.fullmatch(problem)) is not None:
            problem = f"the table [{'.'.join(re.findall(_QUOTED_KEY, twice[1]))}] appears twice"
        # The message may quote the line, and a literal of a target must not be shown.
        problem = f"{f', {place}' if place else ''}: {_lower(_QUOTED.sub('...', problem))}"
        raise config_error(problem, fix=f"correct {FILE_NAME}") from None
    targets = raw.pop("targets", {})
    if not isinstance(targets, dict):
        raise config_error(": targets must be a table of tables", fix="write [targets.NAME]")
    split_commands(raw.get("server"), "server", "command")
    read = {name: _target(name, table) for name, table in targets.items()}
    return msgspec.structs.replace(convert(raw, Config, ""), targets=read)


def _target(name: str, raw: object) -> TargetConfig:
    where = f"targets.{name}"
    if not valid_name(name):
        raise config_error(f": `{name}` cannot be a target's name", fix=NAME_RULE)
    split_commands(raw, where, "command", "start")
    table = convert(raw, TargetConfig, where)
    for key in {"command", "env_file"} & set(table.sources):
        for other in [source for source in table.sources if source != key]:
            raise config_error(f": {where} has both `{key}` and `{other}`", fix="keep one of them")
    if table.time_limit is not None and table.limit_seconds is None:
        raise config_error(f": {where}.time_limit: not a duration", fix=LENGTH_RULE)
    if table.url_from and "DATABASE_URL" in table.variables:
        raise config_error(f": {where} sets DATABASE_URL twice", fix="keep `url_from` or the variable")
    return table


def split_commands(table: object, where: str, *keys: str) -> None:
    """Split, as a shell would, the commands that are written as one string; refuse one without a program."""
    if not isinstance(table, dict):
        return
    for key in set(keys) & set(table):
        if isinstance(table[key], str):
            try:
                table[key] = shlex.split(table[key])
            except ValueError:
                fix = "write an array of arguments instead"
                raise config_error(f": {where}.{key}: a quote is not closed", fix=fix) from None
        if table[key] in ([], [""]):
            fix = "give the program and its arguments, or remove the key"
            raise config_error(f": {where}.{key} is empty", fix=fix)


_SYNTAX = r"(?s)(.*?)(?: \(at (line \d+, column \d+|end of document)\))?"
_TWICE = re.compile(r"Cannot declare \((.*)\) twice")
_QUOTED_KEY = r"'([^']*)'"
_QUOTED = re.compile(r"'[^']{3,}'|\"[^\"]{3,}\"")
_INVALID = re.compile(r"(.*?)(?: - at `(?:key in )?\$\.?(.*)`)?", re.DOTALL)
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
_EXPECTED = {
    f"Expected `str` matching regex {_URL_PATH!r}": "must be a path on the app: it begins with / and has no spaces",
    f"Expected `str` matching regex {_PROJECT_PATH!r}": "must be a path inside the project, relative to its root",
    f"Expected `str` matching regex {_CLIENT_PLACE!r}": "must be a file of the project or a package, and may name the export: `lib/prisma.ts#default.client`",
    f"Expected `str` matching regex {_VARIABLE!r}": "must be the name of a variable, not a value",
}
_T = TypeVar("_T", bound=Struct)


def convert(raw: object, kind: type[_T], where: str) -> _T:
    """Return `raw` as `kind`; `where` is the table's name in dotted form. Raises ConfigError, with the key."""
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        problem, below = _INVALID.fullmatch(str(error)).groups()  # type: ignore[union-attr]  # matches any text
    place = ".".join(part for part in (where, below) if part)
    unknown = _UNKNOWN.fullmatch(problem)
    if unknown is not None:
        table = {field.name: field.type for field in msgspec.structs.fields(kind)}.get(below, FromVariable)
        known = sorted((table if below else kind).__struct_encode_fields__)
        raise config_error(
            f": unknown key `{unknown[1]}` in {f'[{place}]' if place else 'this file'}",
            facts=(f"known here: {', '.join(known)}",),
            fix=close_names(unknown[1], known) or "remove it, or see docs/reference/config.md",
        )
    if problem.startswith("Invalid enum value"):
        choices = ServerMode if place == "switch.mode" else get_args(Severity)
        problem = f"must be one of {', '.join(choices)}"
    problem = _EXPECTED.get(problem, _lower(problem).replace(" | null", ""))
    raise config_error(f": {place or 'this file'}: {problem}", fix="see docs/reference/config.md")


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def close_names(name: str, known: Iterable[str]) -> str:
    """Return "did you mean `x`?" for the closest known name, or an empty text."""
    close = difflib.get_close_matches(name, tuple(known), n=1, cutoff=0.6)
    return f"did you mean `{close[0]}`?" if close else ""


def config_error(problem: str, *, facts: Iterable[str] = (), fix: str = "") -> ConfigError:
    """Return the error for a setting that cannot be used."""
    why = "dbswitch does not guess the meaning of a setting"
    return ConfigError(f"{FILE_NAME}{problem}", facts=facts, why=why, fix=fix)
