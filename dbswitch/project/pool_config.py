"""`[pools.NAME]` of `dbswitch.toml`: the PgBouncers that are switched together, and the passwords of their consoles."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from dbswitch import redaction
from dbswitch.database.url import DatabaseUrl, Secret
from dbswitch.errors import ConfigError, UrlError, UsageError
from dbswitch.pools.pooler import Pooler
from dbswitch.project.config import VariableName, close_names, config_error, convert, split_commands
from dbswitch.project.discovery import Project
from dbswitch.project.target_names import NAME_RULE, valid_name
from dbswitch.project.target_sources import run_command

# Clients that wait longer than `query_wait_timeout`, 120 s by default, are disconnected by PgBouncer.
_Pause = Annotated[float, Meta(gt=0, le=60)]
_COMMAND_TIMEOUT = 30.0  # seconds


class Pool(Struct, frozen=True):
    """One `[pools.NAME]`. `pause_timeout` is how many seconds a transaction may take to end while clients wait."""

    name: str
    poolers: tuple[Pooler, ...]
    pause_timeout: float


class _Table(Struct, frozen=True, forbid_unknown_fields=True):
    admin: str = ""
    database: str = ""
    config: str = ""
    run: tuple[str, ...] = ()
    password_env: VariableName | None = None
    password_command: tuple[str, ...] = ()
    pause_timeout: _Pause = 5.0


def digest(project: Project, name: str) -> str:
    """Return a digest of the pool's table, which tells whether its commands are still the same."""
    text = msgspec.json.encode(project.config.pools.get(name), order="sorted")
    return hashlib.sha256(text).hexdigest()


def find(project: Project, name: str, ambient: Mapping[str, str]) -> Pool:
    """Return a pool with the passwords of its consoles; runs `password_command`. Raises UsageError or ConfigError."""
    tables, where = project.config.pools, f"pools.{name}"
    raw = tables.get(name)
    if raw is None:
        facts = (f"pools in dbswitch.toml: {', '.join(sorted(tables)) or 'none yet'}",)
        fix = close_names(name, tables) or f"add [{where}] to dbswitch.toml; see docs/how-to/fleet.md"
        raise UsageError(f"there is no pool {name}", facts=facts, fix=fix)
    if not valid_name(name):
        raise config_error(f": `{name}` cannot be a pool's name", fix=NAME_RULE)
    shared = dict(raw)
    members = shared.pop("members", [{}])
    split_commands(shared, where, "password_command", "run")
    if not (isinstance(members, list) and members and all(isinstance(one, dict) for one in members)):
        raise config_error(f": {where}.members must be a list of tables", fix=f"write [[{where}.members]]")
    poolers = []
    for number, member in enumerate(members, 1):
        place = where if len(members) == 1 else f"{where}.members ({number})"
        poolers.append(_pooler(project, place, {**shared, **member}, ambient))
    if len({one.name for one in poolers}) < len(poolers):
        raise config_error(f": {where} has two members with one admin console", fix="remove one of them")
    return Pool(name, tuple(poolers), convert(shared, _Table, where).pause_timeout)


def _pooler(project: Project, where: str, raw: dict[str, object], ambient: Mapping[str, str]) -> Pooler:
    split_commands(raw, where, "password_command", "run")
    table = convert(raw, _Table, where)
    for key in ("admin", "database", "config"):
        if not getattr(table, key):
            raise config_error(f": {where} has no `{key}`", fix="see docs/how-to/fleet.md")
    try:
        admin = DatabaseUrl.parse(table.admin, name=f"{where}.admin")
    except UrlError as error:
        raise ConfigError(error.what, facts=error.facts, why=error.why, fix=error.fix) from None
    if admin.password:
        redaction.remember((admin.password.reveal(),))
        fix = "remove it, and name a password_env or password_command"
        raise config_error(f": {where}.admin has a password in it", fix=fix)
    if '"' in table.database:
        raise config_error(f": {where}.database cannot have a double quote", fix="correct it")
    path = table.config
    if not table.run:
        path = str(project.root / Path(path).expanduser())
    elif not path.startswith("/"):
        raise config_error(f": {where}.config must be an absolute path, since `run` is set", fix="correct it")
    password = Secret(_password(project, where, table, ambient))
    return Pooler(replace(admin, password=password), table.database, path, table.run)


def _password(project: Project, where: str, table: _Table, ambient: Mapping[str, str]) -> str:
    variable, command, password = table.password_env, table.password_command, ""
    if variable and command:
        raise config_error(f": {where} has both password_env and password_command", fix="keep one of them")
    if command:
        password = run_command(command, project.root, _COMMAND_TIMEOUT, f"[{where}]").rstrip("\r\n")
    elif variable and not (password := ambient.get(variable, "")):
        raise ConfigError(
            f"{variable} is not set",
            facts=(f"[{where}] takes the password of the admin console from it",),
            why="without it dbswitch cannot pause the pool",
            fix=f"export {variable}, or use password_command",
        )
    redaction.remember((password,))
    return password
