"""PostgreSQL servers for tests: two that live as long as the test process, and as many short-lived ones as wanted.

Nothing here needs a fixed port. `initdb` runs once per machine and slot: servers from different slots have different
system identifiers, as real servers do.
"""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, LiteralString, Protocol

import psutil
import pytest
from psycopg import sql

from dbswitch.demo import postgres, shop
from dbswitch.demo.postgres import SUPERUSER, EmbeddedPostgres
from dbswitch.errors import DatabaseNotReadyError
from tests.support import cache

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dbswitch.demo.shop import Shop

_SLOTS = 8
_fresh = itertools.count(2)


class PostgresServer(EmbeddedPostgres):
    """A server that can be stopped, killed and started again on its port.

    Args:
        home: as for `EmbeddedPostgres`.
        template: a folder made by :func:`template`, copied instead of running `initdb`.
    """

    def __init__(self, home: Path, *, template: Path | None = None) -> None:
        super().__init__(home)
        self._template = template

    @property
    def pid(self) -> int | None:
        """The postmaster's process id while it runs."""
        return self.process.pid if self.process is not None and self.process.poll() is None else None

    def create(self) -> None:
        """Make the data folder; 0.8 s, or 0.15 s from a template."""
        if self._template is None:
            super().create()
        else:
            self.make_home()
            self.password = (self._template / "password").read_text()
            subprocess.run(["cp", "-a", str(self._template / "data"), str(self.data)], check=True)

    def start(self, deadline: float = 30.0) -> None:
        """Start it unless it runs; on a port that was taken in the meantime, choose another for a new server."""
        if self.pid is not None:
            return
        new = not self.data.exists()
        try:
            super().start(deadline)
        except DatabaseNotReadyError as error:
            self.kill()
            if not new or not any("could not bind" in fact for fact in error.facts):
                raise
            self.port = postgres.free_port()
            super().start(deadline)

    def stop(self, deadline: float = 15.0) -> None:
        """Shut down and wait for it; what does not end within `deadline` seconds is killed."""
        if self.process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGINT)  # "fast": open sessions are cut, the data is written
        try:
            self.process.wait(deadline)
        except subprocess.TimeoutExpired:
            self.kill()
        self.process = None

    def kill(self) -> None:
        """End the server as a crash would (SIGKILL to it and to every backend) and wait until all are dead."""
        if self.process is None:
            return
        family: list[psutil.Process] = []
        with contextlib.suppress(psutil.Error):
            # Each backend is a session leader of its own: a signal to the group would miss them.
            family = psutil.Process(self.process.pid).children(recursive=True)
        self.process.kill()
        self.process.wait()
        for process in family:
            with contextlib.suppress(psutil.Error):
                process.kill()
        until = time.monotonic() + 5
        while any(_is_alive(process) for process in family) and time.monotonic() < until:
            time.sleep(0.005)
        self.process = None

    def remove(self) -> None:
        """Stop the server without saving its data and delete its folder."""
        if self.pid is not None:
            assert self.process is not None
            # "Immediate": as quick as a kill, but the server gives its shared memory back.
            self.process.send_signal(signal.SIGQUIT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(5)
        self.kill()
        # A killed server leaves a System V segment, of which macOS allows 32 in all. The seventh line of the file is
        # `key id` (LOCK_FILE_LINE_SHMEM_KEY in PostgreSQL's miscadmin.h).
        with contextlib.suppress(OSError, IndexError):
            segment = (self.data / "postmaster.pid").read_text().splitlines()[6].split()[1]
            subprocess.run(["ipcrm", "-m", segment], capture_output=True, check=False)
        shutil.rmtree(self.home, ignore_errors=True)

    def execute(
        self, statement: LiteralString, parameters: Sequence[object] = (), *, database: str = "postgres"
    ) -> list[tuple[Any, ...]]:
        """Run one statement as the superuser and return its rows."""
        with self.connect(database) as connection:
            cursor = connection.execute(statement, parameters or None)
            return cursor.fetchall() if cursor.description else []

    def create_role(self, name: str, password: str) -> None:
        """Make a role that may log in, or give it a new password."""
        exists = bool(self.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (name,)))
        with self.connect() as connection:
            connection.execute(
                sql.SQL("{} ROLE {} LOGIN PASSWORD {}").format(
                    sql.SQL("ALTER" if exists else "CREATE"), sql.Identifier(name), sql.Literal(password)
                )
            )

    def create_database(self, name: str, *, owner: str = SUPERUSER) -> None:
        with self.connect() as connection:
            connection.execute(
                sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(name), sql.Identifier(owner))
            )


def _is_alive(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        # A backend that lost its parent stays a zombie until PID 1 collects it, which a container's may do late or never.
        return process.status() != psutil.STATUS_ZOMBIE
    return False


@dataclass(frozen=True, slots=True)
class ShopServer:
    """A server with one shop in it."""

    server: PostgresServer
    shop: Shop
    url: str

    @property
    def answer(self) -> dict[str, object]:
        """What the fixture app's `/api/items` says when it is connected here (without `bucket`)."""
        return {
            "database": self.shop.database,
            "shop": self.shop.name,
            "items": [{"name": name, "cents": cents} for name, cents in self.shop.items],
        }


class FreshPostgres(Protocol):
    def __call__(self, content: Shop | None = None, *, started: bool = True) -> ShopServer:
        """Return a new server with `content` in it (default: the production shop under another name)."""


def template(slot: int) -> Path:
    recipe = hashlib.sha256(
        f"{postgres.find_binaries()} {inspect.getsource(postgres)} {os.geteuid()}".encode()
    ).hexdigest()[:16]
    folder = cache.root() / "postgres"

    def make(unfinished: Path) -> None:
        # Where root's cache is closed to `nobody`, the server's user can only work in an open folder.
        with tempfile.TemporaryDirectory(prefix="dbswitch-initdb-") as temporary:
            Path(temporary).chmod(0o711)
            made = EmbeddedPostgres(Path(temporary) / "template")
            made.create()
            # With its owner, which a move to another file system would change.
            subprocess.run(["cp", "-a", str(made.data), str(unfinished / "data")], check=True)
            password = unfinished / "password"
            password.touch(0o600)
            password.write_text(made.password)

    folder.mkdir(parents=True, exist_ok=True)
    return cache.once(folder / f"{recipe}-{slot % _SLOTS}", make)


@pytest.fixture(scope="session")
def postgres_home() -> Iterator[Path]:
    """A folder the servers' user may enter; pytest's own temporary folders are closed to others."""
    home = Path(tempfile.mkdtemp(prefix="dbswitch-tests-pg-"))
    home.chmod(0o711)
    yield home
    shutil.rmtree(home)


def _start(home: Path, slot: int, content: Shop) -> ShopServer:
    server = PostgresServer(home, template=template(slot))
    server.start()
    return ShopServer(server, content, shop.fill(server, content))


@pytest.fixture(scope="session")
def postgres_local(postgres_home: Path) -> Iterator[ShopServer]:
    """The server of the target `local`. Do not stop it: other tests share it."""
    made = _start(postgres_home / "local", 0, shop.LOCAL)
    yield made
    made.server.remove()


@pytest.fixture(scope="session")
def postgres_prod(postgres_home: Path) -> Iterator[ShopServer]:
    """The server of the target `prod`. Do not stop it: other tests share it."""
    made = _start(postgres_home / "prod", 1, shop.PROD)
    yield made
    made.server.remove()


@pytest.fixture
def fresh_postgres(postgres_home: Path) -> Iterator[FreshPostgres]:
    """Servers for tests that stop, kill or slow them down: `server.stop()`, `.kill()`, `.start()` keep the port."""
    made: list[ShopServer] = []

    def make(content: Shop | None = None, *, started: bool = True) -> ShopServer:
        number = next(_fresh)
        content = content or replace(shop.PROD, name=f"Shop {number}", database=f"shop_{number}")
        # Slots 0 and 1 belong to the two long-lived servers.
        fresh = _start(postgres_home / f"fresh-{number}", 2 + number % (_SLOTS - 2), content)
        made.append(fresh)
        if not started:
            fresh.server.stop()
        return fresh

    yield make
    for fresh in made:
        fresh.server.remove()
