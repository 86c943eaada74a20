"""PgBouncers of Debian with an admin console, and a project whose pool they are."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import psycopg
import pytest

from dbswitch.demo.postgres import free_port, server_user
from dbswitch.project.discovery import load
from dbswitch.switch import run
from dbswitch.switch.session import Request
from tests.cli import running
from tests.support.pgbouncer import PROGRAM

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.postgres import ShopServer

DATABASE = "app"  # what the clients call it
CONSOLE = ("dba", "console pässword")
CLIENT = ("web", "web-password")
PASSWORD_VARIABLE = "FLEET_CONSOLE_PASSWORD"
DEADLINE = 60.0


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def line_to(server: ShopServer, extra: str = "") -> str:
    """A line of `[databases]` as a person writes it."""
    shop = server.shop
    return (
        f"{DATABASE} = host=127.0.0.1  port={server.server.port} dbname={shop.database} "
        f"user={shop.role} password={quoted(shop.password)}{extra}"
    )


@dataclass
class PgBouncer:
    """One pooler in a folder of its own; it keeps its port across restarts."""

    home: Path
    settings: dict[str, str] = field(default_factory=dict)
    program: str = PROGRAM or "pgbouncer"
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def config(self) -> Path:
        return self.home / "pgbouncer.ini"

    @property
    def log(self) -> str:
        """What it has written since it was first started."""
        return (self.home / "log").read_text()

    @property
    def admin(self) -> str:
        return f"postgresql://{CONSOLE[0]}@127.0.0.1:{self.port}/pgbouncer"

    def url(self, database: str = DATABASE, login: tuple[str, str] = CLIENT) -> str:
        return f"postgresql://{login[0]}:{quote(login[1])}@127.0.0.1:{self.port}/{database}"

    def write(self, *databases: str) -> None:
        self.home.mkdir(exist_ok=True)
        self.home.chmod(0o755)
        users = self.home / "users.txt"
        users.write_text("".join(f'"{name}" "{password}"\n' for name, password in (CONSOLE, CLIENT)))
        settings = {
            "listen_addr": "127.0.0.1",
            "listen_port": str(self.port),
            "unix_socket_dir": "",
            "auth_type": "scram-sha-256",
            "auth_file": str(users),
            "admin_users": CONSOLE[0],
            "pool_mode": "transaction",
            "ignore_startup_parameters": "extra_float_digits",
            "server_login_retry": "1",
            **self.settings,
        }
        lines = ["; the pool of the shop", "[databases]", *databases, "", "[pgbouncer]"]
        lines += [f"{key} = {value}" for key, value in settings.items()]
        self.config.write_text("\n".join([*lines, "# the end", ""]))
        self.config.chmod(0o644)

    def start(self) -> None:
        with (self.home / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [self.program, str(self.config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.home,
                **server_user(),
            )
        until = time.monotonic() + DEADLINE
        while True:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            assert self.process.poll() is None, self.log
            assert time.monotonic() < until, "pgbouncer does not listen"
            time.sleep(0.02)

    def kill(self, number: int = signal.SIGKILL) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(number)
            self.process.wait(DEADLINE)

    def console(self, command: str) -> list[dict[str, Any]]:
        with psycopg.connect(self.url("pgbouncer", CONSOLE), autocommit=True) as connection:
            cursor = connection.execute(command)
            names = [column.name for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()] if names else []

    @property
    def paused(self) -> bool:
        return any(row["name"] == DATABASE and row["paused"] for row in self.console("SHOW DATABASES"))

    def asked(self) -> str:
        """The database that a client of the pool is on."""
        with psycopg.connect(self.url(), connect_timeout=30, prepare_threshold=None) as connection:
            row = connection.execute("SELECT current_database()").fetchone()
            assert row is not None
            return str(row[0])


@dataclass
class Fleet:
    """A project with the targets `local` and `prod`, and the pool `shop` of one or more PgBouncers on `local`."""

    root: Path
    poolers: list[PgBouncer]
    local: ShopServer
    prod: ShopServer
    pool: str = "shop"
    environment: dict[str, str] = field(default_factory=dict)
    port: int = field(
        default_factory=free_port
    )  # of a dev server that does not run; 3000 may be somebody else's

    def target(self, name: str, url: str) -> None:
        (self.root / "env").mkdir(exist_ok=True)
        (self.root / "env" / f"{name}.env").write_text(f"DATABASE_URL='{url}'\n")

    def configure(self, **keys: Any) -> None:
        """Write dbswitch.toml; `keys` are more keys of the pool."""
        shared = {
            "database": DATABASE,
            "password_env": PASSWORD_VARIABLE,
            "pause_timeout": 5,
            **keys,
        }
        tables = [f"[pools.{self.pool}]", *(f"{key} = {json.dumps(value)}" for key, value in shared.items())]
        own = [{"admin": one.admin, "config": str(one.config)} for one in self.poolers]
        if len(own) == 1:
            tables += [f"{key} = {json.dumps(value)}" for key, value in own[0].items()]
        for member in own if len(own) > 1 else ():
            tables += [
                f"[[pools.{self.pool}.members]]",
                *(f"{key} = {json.dumps(value)}" for key, value in member.items()),
            ]
        (self.root / "dbswitch.toml").write_text(
            f"[server]\nport = {self.port}\nports = [{self.port}]\n[targets.prod]\nprotected = false\n"
            + "\n".join(tables)
            + "\n"
        )

    def env(self) -> dict[str, str]:
        return {PASSWORD_VARIABLE: CONSOLE[1], **self.environment}

    def run(self, *argv: str) -> subprocess.CompletedProcess[str]:
        return running.run(*argv, cwd=self.root, env=self.env())

    def json(self, *argv: str) -> tuple[int, list[dict[str, Any]]]:
        done = self.run(*argv, "--json")
        assert "Traceback" not in done.stderr, done.stderr
        return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]

    def switch(self, target: str, *more: str) -> tuple[int, dict[str, Any]]:
        """Switch the pool; return the exit code and the result."""
        code, events = self.json(target, "--pool", self.pool, *more)
        return code, events[-1]

    def switch_here(self, target: str, emit: Callable[[Any], None] = lambda _event: None) -> Any:
        """Switch in this process; return the result."""
        request = Request(target, "test", confirm=target, ambient=self.env(), pool=self.pool)
        return run.switch(load(self.root), request, emit)

    def popen(self, *argv: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "dbswitch", *argv],
            cwd=self.root,
            env=running.environment(**self.env()),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    @property
    def left(self) -> bool:
        """Whether a record or a journal of an unfinished switch is left."""
        folder = load(self.root).private_dir
        return any((folder / name).exists() for name in ("pool.json", "pool-journal"))

    def configs(self) -> list[bytes]:
        return [pooler.config.read_bytes() for pooler in self.poolers]

    def databases(self) -> set[str]:
        return {pooler.asked() for pooler in self.poolers}


def make(
    stack: contextlib.ExitStack,
    count: int,
    root: Path,
    home: Path,
    local: ShopServer,
    prod: ShopServer,
    lines: tuple[str, ...] | None = None,
    settings: dict[str, str] | None = None,
) -> Fleet:
    """Start so many poolers with a line to `local` (or with `lines`); the stack ends them."""
    poolers = []
    for _ in range(count):
        port = free_port()
        pooler = PgBouncer(home / f"pooler-{port}", settings or {}, port=port)
        pooler.write(*(lines if lines is not None else (line_to(local),)))
        stack.callback(pooler.kill)
        pooler.start()
        poolers.append(pooler)
    fleet = Fleet(root, poolers, local, prod)
    (root / "package.json").write_text('{"dependencies": {"next": "16.0.7"}}')
    fleet.target("local", local.url)
    fleet.target("prod", prod.url)
    fleet.configure()
    return fleet


@pytest.fixture
def fleet_of(
    tmp_path: Path, postgres_home: Path, postgres_local: ShopServer, postgres_prod: ShopServer
) -> Iterator[Callable[..., Fleet]]:
    """Return a fleet of so many poolers; `lines` replaces the line of the pool, other keywords are settings."""
    if PROGRAM is None:
        pytest.fail("pgbouncer is not installed (apt-get install pgbouncer)")
    with contextlib.ExitStack() as stack:

        def started(count: int = 1, *, lines: tuple[str, ...] | None = None, **settings: str) -> Fleet:
            return make(stack, count, tmp_path, postgres_home, postgres_local, postgres_prod, lines, settings)

        yield started


@pytest.fixture
def fleet(fleet_of: Callable[..., Fleet]) -> Fleet:
    return fleet_of()
