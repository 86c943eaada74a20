"""`dbswitch.toml`: every setting with its type, default and unit. Every key is documented in `docs/reference/config.md`.

All of it is optional; a project without the file works with the defaults.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from msgspec import Struct, field

from dbswitch.durable import read_regular
from dbswitch.errors import ConfigError
from dbswitch.project import toml_table
from dbswitch.project.secret import SecretText

if TYPE_CHECKING:
    from pathlib import Path

    from dbswitch.project.toml_table import Table

FILE_NAME = "dbswitch.toml"
SEVERITIES = ("error", "warning", "info", "off")


class Mode(StrEnum):
    """How a switch treats the running app: `auto` swaps the client where the app can do it, else restarts."""

    AUTO = "auto"
    RESTART = "restart"
    HOT = "hot"
    NONE = "none"


class ServerConfig(Struct, frozen=True):
    """`[server]`: how the dev server is started, found and asked. Times in seconds."""

    command: tuple[str, ...] = ()  # empty: detected from package.json
    port: int | None = None  # None: from the dev script, else 3000
    ports: tuple[int, ...] = (3000, 3001, 3002)
    ready_path: str = "/"
    dist_dir: str | None = None  # None: from next.config, else .next
    term_timeout: float = 5.0
    kill_timeout: float = 5.0
    ready_timeout: float = 60.0


class DatabaseConfig(Struct, frozen=True):
    """`[database]`: how long a database may take to become ready. Times in seconds."""

    start_deadline: float = 30.0  # `dbswitch dev` and `wait`: a container may still be coming up
    restart_deadline: float = 15.0  # every switch and restart
    attempt_timeout: float = 5.0


class VariableSource(Struct, frozen=True):
    """Where one variable of a target comes from: a literal, or another variable of the env files or the shell."""

    name: str
    literal: SecretText | None = None
    from_key: str | None = None


class TargetConfig(Struct, frozen=True):
    """`[targets.NAME]`."""

    name: str
    variables: tuple[VariableSource, ...] = ()
    url_from: str | None = None
    command: tuple[str, ...] = ()
    command_timeout: float = 30.0  # seconds
    env_file: str | None = None
    protected: bool | None = None  # None: prod and production are, others are not
    start: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()

    @property
    def has_source(self) -> bool:
        """Whether the table itself says where the variables come from, rather than settings for a found target."""
        return bool(self.variables or self.url_from or self.command or self.env_file)


class CheckConfig(Struct, frozen=True):
    """`[check]`: severities by rule id, and path patterns that are not looked at."""

    rules: tuple[tuple[str, str], ...] = ()
    exclude: tuple[str, ...] = ()


class VerifyConfig(Struct, frozen=True):
    """`[verify]`: how the running app is asked which database it is on. Times in seconds."""

    path: str | None = None  # None: the generated route's path, where one exists
    hot_deadline: float = 10.0
    restart_deadline: float = 30.0  # everything is compiled anew


class Config(Struct, frozen=True):
    """The whole file; `path` is None where there is none."""

    path: Path | None = None
    server: ServerConfig = field(default_factory=ServerConfig)
    database: DatabaseConfig = field(default_factory=DatabaseConfig)
    targets: tuple[TargetConfig, ...] = ()
    mode: Mode = Mode.AUTO
    drain_timeout: float = 3.0  # seconds that work may take to end on the old database after a hot switch
    verify: VerifyConfig = field(default_factory=VerifyConfig)
    check: CheckConfig = field(default_factory=CheckConfig)

    def target(self, name: str) -> TargetConfig | None:
        """Return the table of exactly this name."""
        return next((target for target in self.targets if target.name == name), None)


def load(root: Path) -> Config:
    """Read `dbswitch.toml` of a project folder; the defaults where there is none.

    Raises:
        ConfigError: with line and column: not TOML, an unknown key, a wrong type or value; or it cannot be read.
    """
    path = root / FILE_NAME
    try:
        data = read_regular(path)
    except FileNotFoundError:
        return Config()
    except OSError as error:
        raise ConfigError(
            f"{FILE_NAME} cannot be read",
            facts=(f"{error.strerror}: {path}",),
            why="Its settings decide what a switch does.",
            fix=f"make {path} a readable file, or remove it",
        ) from None
    return parse(data, path)


def parse(data: bytes, path: Path | None = None) -> Config:
    """Return the settings in the bytes of a `dbswitch.toml`. Pure.

    Raises:
        ConfigError: as :func:`load`.
    """
    document = toml_table.parse(FILE_NAME, data)
    top = toml_table.Table(document, (), document.root)
    switch = top.table("switch")
    verify = top.table("verify")
    config = Config(
        path=path,
        server=_server(top.table("server")),
        database=_database(top.table("database")),
        targets=_targets(top.table("targets")),
        mode=Mode(switch.text("mode", Mode.AUTO, choices=tuple(Mode)) or Mode.AUTO),
        drain_timeout=switch.seconds("drain_timeout", Config().drain_timeout),
        verify=_verify(verify),
        check=_check(top.table("check")),
    )
    switch.finish()
    top.finish()
    return config


def _server(table: Table) -> ServerConfig:
    default = ServerConfig()
    server = ServerConfig(
        command=table.argv("command"),
        port=table.port("port"),
        ports=table.ports("ports", default.ports),
        ready_path=_url_path(table, "ready_path") or default.ready_path,
        dist_dir=_inside(table, "dist_dir"),
        term_timeout=table.seconds("term_timeout", default.term_timeout),
        kill_timeout=table.seconds("kill_timeout", default.kill_timeout),
        ready_timeout=table.seconds("ready_timeout", default.ready_timeout),
    )
    table.finish()
    return server


def _database(table: Table) -> DatabaseConfig:
    default = DatabaseConfig()
    database = DatabaseConfig(
        start_deadline=table.seconds("start_deadline", default.start_deadline),
        restart_deadline=table.seconds("restart_deadline", default.restart_deadline),
        attempt_timeout=table.seconds("attempt_timeout", default.attempt_timeout),
    )
    table.finish()
    return database


def _verify(table: Table) -> VerifyConfig:
    default = VerifyConfig()
    verify = VerifyConfig(
        path=_url_path(table, "path"),
        hot_deadline=table.seconds("hot_deadline", default.hot_deadline),
        restart_deadline=table.seconds("restart_deadline", default.restart_deadline),
    )
    table.finish()
    return verify


def _targets(table: Table) -> tuple[TargetConfig, ...]:
    return tuple(_target(name, table.table(name)) for name in table.values)


def _target(name: str, table: Table) -> TargetConfig:
    from dbswitch.project.names import NAME_RULE, valid_name

    if not valid_name(name):
        raise table.document.error(table.path, f"`{name}` cannot be a target's name", fix=NAME_RULE)
    target = TargetConfig(
        name=name,
        variables=_variables(table.table("variables")),
        url_from=_variable_name(table, "url_from"),
        command=table.argv("command"),
        command_timeout=table.seconds("command_timeout", 30.0),
        env_file=table.text("env_file"),
        protected=table.flag("protected"),
        start=table.argv("start"),
        aliases=table.words("aliases"),
    )
    table.finish()
    sources = [key for key in ("variables", "url_from", "command", "env_file") if table.has(key)]
    if "command" in sources and len(sources) > 1:
        raise table.error(
            "command", f"[targets.{name}] has both `command` and `{_other(sources)}`", fix="keep one of them"
        )
    if "env_file" in sources and len(sources) > 1:
        raise table.error(
            "env_file", f"[targets.{name}] has both `env_file` and `{sources[0]}`", fix="keep one of them"
        )
    if "url_from" in sources and any(source.name == "DATABASE_URL" for source in target.variables):
        raise table.error(
            "url_from", f"[targets.{name}] sets DATABASE_URL twice", fix="keep `url_from` or the variable"
        )
    return target


def _other(sources: list[str]) -> str:
    return next(source for source in sources if source != "command")


def _variables(table: Table) -> tuple[VariableSource, ...]:
    from dbswitch.project.names import valid_variable

    sources: list[VariableSource] = []
    for name, value in table.values.items():
        if not valid_variable(name):
            raise table.error(
                name, f"`{name}` cannot be the name of a variable", fix="use letters, digits and _"
            )
        if isinstance(value, dict):
            inner = table.table(name)
            key = _variable_name(inner, "from")
            inner.finish()
            if key is None:
                raise table.error(
                    name, f"{name} needs `from`", fix=f'write {name} = {{ from = "OTHER_VARIABLE" }}'
                )
            sources.append(VariableSource(name, from_key=key))
        else:
            text = table.text(name)
            assert text is not None
            sources.append(VariableSource(name, literal=SecretText(text)))
    return tuple(sources)


def _variable_name(table: Table, key: str) -> str | None:
    from dbswitch.project.names import valid_variable

    value = table.text(key)
    if value is not None and not valid_variable(value):
        raise table.error(
            key,
            f"`{key}` names a variable, it does not hold a value",
            fix='for example url_from = "PROD_URL"',
        )
    return value


def _url_path(table: Table, key: str) -> str | None:
    value = table.text(key)
    if value is not None and (not value.startswith("/") or any(c.isspace() for c in value)):
        raise table.error(
            key, f"{'.'.join((*table.path, key))} is a path on the app: it starts with / and has no spaces"
        )
    return value


def _inside(table: Table, key: str) -> str | None:
    value = table.text(key)
    if value is not None and (not value or value.startswith("/") or ".." in value.split("/")):
        raise table.error(
            key, f"{'.'.join((*table.path, key))} is a path inside the project, relative to its root"
        )
    return value


def _check(table: Table) -> CheckConfig:
    rules = table.table("rules")
    severities = tuple((rule, rules.text(rule, choices=SEVERITIES) or "") for rule in rules.values)
    check = CheckConfig(rules=severities, exclude=table.words("exclude"))
    table.finish()
    return check
