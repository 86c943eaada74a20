"""Real project folders: one without a server's program, one whose dev server is the stand-in for Next.js."""

from __future__ import annotations

import json
import secrets
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dbswitch.demo.postgres import free_port
from tests.cli import running
from tests.support.processes import end, with_variable

if TYPE_CHECKING:
    import contextlib
    import subprocess
    from collections.abc import Iterator

    from tests.support.postgres import ShopServer

STANDIN = Path(__file__).parents[1] / "programs" / "standin_next.py"
TOKEN = "DBSWITCH_TEST_PROJECT"
PASSWORD = "pa-ss-w0rd"


@dataclass
class Folder:
    """A project. Everything started from here carries a token, by which it is found and ended."""

    root: Path
    port: int
    token: str = field(default_factory=lambda: secrets.token_hex(8))

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def run(self, *argv: str, **options: Any) -> subprocess.CompletedProcess[str]:
        env = {TOKEN: self.token, **options.pop("env", {})}
        return running.run(*argv, cwd=options.pop("cwd", self.root), env=env, **options)

    def json(self, *argv: str, **options: Any) -> tuple[int, list[dict[str, Any]]]:
        done = self.run(*argv, "--json", **options)
        assert done.stderr == ""
        return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]

    def terminal(self, *argv: str, **options: Any) -> contextlib.AbstractContextManager[running.Terminal]:
        env = {TOKEN: self.token, **options.pop("env", {})}
        return running.terminal(*argv, cwd=self.root, env=env, **options)

    def living(self) -> list[Any]:
        return with_variable(TOKEN, self.token)


def url(port: int, database: str) -> str:
    return f"postgresql://shop:{PASSWORD}@127.0.0.1:{port}/{database}"


def build(root: Path, local: str, prod: str) -> Folder:
    root.mkdir()
    (root / ".git").mkdir()  # the walk upwards must not leave the test's own folder
    folder = Folder(root, free_port())
    folder.write("package.json", '{"dependencies": {"next": "16.0.7"}, "scripts": {"dev": "next dev"}}')
    folder.write(
        ".env.local",
        f'DATABASE_URL="{local}"\nDATABASE_URL_LOCAL="{local}"\nDATABASE_URL_PRODUCTION="{prod}"\n',
    )
    command = json.dumps([sys.executable, str(STANDIN), "dev"])
    folder.write(
        "dbswitch.toml",
        f"[server]\ncommand = {command}\nport = {folder.port}\nports = [{folder.port}]\nterm_timeout = 1.0\n",
    )
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    """A project whose databases are down: their port was free a moment ago."""
    port = free_port()
    made = build(tmp_path / "app", url(port, "shop_local"), url(port, "shop_prod"))
    yield made
    end(made.living())


@pytest.fixture
def served(tmp_path: Path, postgres_local: ShopServer, postgres_prod: ShopServer) -> Iterator[Folder]:
    """A project with two real databases."""
    made = build(tmp_path / "app", postgres_local.url, postgres_prod.url)
    yield made
    while living := made.living():  # one of them may just have started another
        end(living)
