"""A small project without a server: packages, a generated Prisma client, dbswitch's client, two databases."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dbswitch.demo import shop_app
from dbswitch.generate.client import plan_client
from dbswitch.generate.writing import write
from dbswitch.project.discovery import load
from tests.support import cache, npm

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.support.postgres import PostgresServer, ShopServer

SOURCE = Path(__file__).parent / "app"
NEWEST = Path(__file__).parents[1] / "fixtures" / "newest"
SUITE = Path(__file__).parent / "suite"
_SCHEMA = ("prisma/schema.prisma", "prisma.config.ts")
_names = itertools.count(1)


def place_client(root: Path) -> str:
    """Generate dbswitch's client into the project at `root`, as the command does; return its path."""
    file = plan_client(load(root))
    write(root, [file], force=True)
    return file.path


def generated(packages: Path = SOURCE) -> Path:
    modules = npm.node_modules_for(packages)

    def make(unfinished: Path) -> None:
        shutil.copytree(SOURCE, unfinished / "app")
        (unfinished / "app" / "node_modules").symlink_to(modules)
        shop_app.generate_client(unfinished / "app")
        (unfinished / "app" / "generated").rename(unfinished / "generated")
        shutil.rmtree(unfinished / "app")

    folder = cache.root() / "generated"
    folder.mkdir(parents=True, exist_ok=True)
    return (
        cache.once(folder / f"client-{npm.digest(packages)}-{npm.digest(SOURCE, _SCHEMA)}", make)
        / "generated"
    )


def notes_database(server: PostgresServer) -> str:
    """Make a database with the suite's tables and one row that names it; return its URL."""
    name = f"notes_{os.getpid()}_{next(_names)}"
    server.create_database(name)
    with server.connect(name) as connection:
        connection.execute((SOURCE / "prisma" / "tables.sql").read_bytes())
        connection.execute('INSERT INTO "Author" (name) VALUES (current_database())')
        connection.execute(
            """INSERT INTO "Note" (key, body, "authorId") VALUES ('where', current_database(), 1)"""
        )
    return server.url(name)


@dataclass(frozen=True, slots=True)
class ClientProject:
    """The project; `environment` has the two URLs for the suite, none of them as DATABASE_URL."""

    root: Path
    environment: Mapping[str, str]

    def run(
        self, *command: str, env: Mapping[str, str] | None = None, timeout: float = 300
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(npm.node_modules_for(SOURCE) / ".bin" / command[0]), *command[1:]],
            cwd=self.root,
            env={**self.environment, **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
        )


@pytest.fixture
def client_project(tmp_path: Path, postgres_local: ShopServer, postgres_prod: ShopServer) -> ClientProject:
    return make_client_project(tmp_path / "project", postgres_local, postgres_prod, SOURCE)


@pytest.fixture
def newest_project(tmp_path: Path, postgres_local: ShopServer, postgres_prod: ShopServer) -> ClientProject:
    """The same with the newest Prisma and Next.js; it has node-postgres's adapter only."""
    return make_client_project(tmp_path / "project", postgres_local, postgres_prod, NEWEST)


def make_client_project(root: Path, local: ShopServer, prod: ShopServer, packages: Path) -> ClientProject:
    shutil.copytree(SOURCE, root)
    (root / "node_modules").symlink_to(npm.node_modules_for(packages))
    shutil.copytree(generated(packages), root / "generated")
    shutil.copytree(SUITE, root / "suite")
    place_client(root)
    kept = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("DATABASE_URL", "NODE_", "npm_", "NEXT_", "__NEXT", "PG"))
    }
    urls = {"LOCAL": notes_database(local.server), "PROD": notes_database(prod.server)}
    (root / ".env").write_text(f'DATABASE_URL="{urls["LOCAL"]}"\n')
    return ClientProject(root, kept | urls)
