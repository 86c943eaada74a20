"""PostgreSQL servers for tests: two that live as long as the test process, and as many short-lived ones as wanted.

Nothing here needs a fixed port. `initdb` runs once per machine and slot: servers from different slots have different
system identifiers, as real servers do.
"""

from __future__ import annotations

import hashlib
import inspect
import itertools
import os
import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

from dbswitch.demo import postgres, programs, shop
from dbswitch.demo.postgres import EmbeddedPostgres
from tests.support import cache

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dbswitch.demo.shop import Shop

_SLOTS = 8
_fresh = itertools.count(2)


@dataclass(frozen=True, slots=True)
class ShopServer:
    """A server with one shop in it."""

    server: EmbeddedPostgres
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
    def __call__(self, shop: Shop | None = None, *, started: bool = True) -> ShopServer:
        """Return a new server with `shop` in it (default: the production shop under another name)."""


def template(slot: int) -> Path:
    recipe = hashlib.sha256(
        f"{programs.find_binaries()} {inspect.getsource(postgres)} {os.geteuid()}".encode()
    ).hexdigest()[:16]
    folder = cache.root() / "postgres"

    def make(unfinished: Path) -> None:
        # Where root's cache is closed to `nobody`, the server's user can only work in an open folder.
        with tempfile.TemporaryDirectory(prefix="dbswitch-initdb-") as temporary:
            Path(temporary).chmod(0o711)
            made = postgres.make_template(Path(temporary) / "template")
            for part in ("data", "password"):
                shutil.move(made / part, unfinished / part)

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
    server = EmbeddedPostgres(home, template=template(slot))
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
