"""Apps that the tests of a worker share: a start of Next.js takes seconds of both cores."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Protocol

import pytest

from tests.generate.admin import LONG, generate, with_banner
from tests.support.browser import browser, shared_browser
from tests.support.nextapp import apps, env_local, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.support.nextapp import AppFolder
    from tests.support.postgres import ShopServer

__all__ = ["browser", "shared_browser"]

# Every start of the server of `generated_on_local` waits while this file exists.
HOLD = "hold"
# A migration that a test may add to the app.
LATER_MIGRATION = "prisma/migrations/29990101000000_later"
# What next-auth's database adapter does at a sign-in: `session.create`, here on a table that the shop has.
WRITE_ROUTE = """
import { prisma } from "@/lib/prisma";

export const dynamic = "force-dynamic";

export async function GET(request: Request) {
  const session = { name: "session", cents: 0, shopId: 1 };
  try {
    const asked = new URL(request.url).searchParams.get("as");
    if (asked === "model") await prisma.item.create({ data: session });
    else if (asked === "raw") await prisma.$executeRaw`DELETE FROM "Item" WHERE name = 'session'`;
    else if (asked === "batch") await prisma.$transaction([prisma.item.create({ data: session })]);
    else await prisma.$transaction(async (tx) => tx.item.create({ data: session }));
    return Response.json({ written: true });
  } catch (error) {
    return Response.json({ code: (error as any).code ?? null, message: (error as Error).message });
  }
}
"""


class OnLocal(Protocol):
    def __call__(self, prod: str, files: Mapping[str, str] | None = None) -> AppFolder:
        """Return the app, on `local`, with `prod` as its other target; `files` instead of the usual `.env.local`."""


class GeneratedOnLocal(Protocol):
    def __call__(self, prod: str, *, toml: str = "") -> AppFolder:
        """Return the app, on `local`, with `prod` as its other target and `toml` added to its `dbswitch.toml`."""


@pytest.fixture(scope="session")
def _app() -> Iterator[AppFolder]:
    with apps() as make:
        yield make()


@pytest.fixture(scope="session")
def _generated_app(postgres_local: ShopServer, postgres_prod: ShopServer) -> Iterator[AppFolder]:
    with apps() as make:
        app = make(local=postgres_local.url, prod=postgres_prod.url)
        with_banner(generate(app, "client", "page"))
        app.write("app/api/write/route.ts", WRITE_ROUTE)
        app.write("hold.sh", f"while [ -e {HOLD} ]; do sleep 0.05; done\n")
        manifest = json.loads(app.read("package.json"))
        manifest["scripts"]["dev"] = f"sh hold.sh && {manifest['scripts']['dev']}"
        app.write("package.json", json.dumps(manifest))
        yield app


@pytest.fixture
def app_on_local(_app: AppFolder, postgres_local: ShopServer) -> OnLocal:
    """The demo app with a client of its own."""

    def reset(prod: str, files: Mapping[str, str] | None = None) -> AppFolder:
        files = files or {".env.local": env_local(postgres_local.url, prod)}
        former = _remove_env_files(_app, set(files))
        _replace(_app, files)
        for name in ("dbswitch.toml", "../dbswitch.log"):
            (_app.root / name).unlink(missing_ok=True)
        # Next.js does not notice that a file was deleted, and its classic client keeps the database of its start.
        if former or not _is_on(_app, postgres_local):
            _start(_app)
        return _app

    return reset


@pytest.fixture
def generated_on_local(_generated_app: AppFolder, postgres_local: ShopServer) -> GeneratedOnLocal:
    """The demo app with the generated client, identity route, admin page and banner, and a route that writes."""
    app = _generated_app

    def reset(prod: str, *, toml: str = "") -> AppFolder:
        for name in (HOLD, ".dbswitch/history.jsonl"):
            (app.root / name).unlink(missing_ok=True)
        shutil.rmtree(app.root / LATER_MIGRATION, ignore_errors=True)
        app.write("dbswitch.toml", f"[server]\nready_timeout = {LONG:.0f}\n{toml}")
        text, reloads = env_local(postgres_local.url, prod), _reloads(app)
        changed = app.read(".env.local") != text
        _replace(app, {".env.local": text})
        if len(app.next_servers()) != 1:
            _start(app)
        elif changed:
            wait_until(lambda: _reloads(app) > reloads or None, LONG, app.log)
        wait_until(lambda: _is_on(app, postgres_local) or None, LONG, app.log)
        return app

    return reset


def _remove_env_files(app: AppFolder, kept: set[str]) -> list[str]:
    shutil.rmtree(app.root / "env", ignore_errors=True)
    former = [path for path in app.root.glob(".env*") if path.name not in kept]
    for path in former:
        path.unlink()
    return [path.name for path in former]


def _replace(app: AppFolder, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        app.write(f"{name}.fresh", text).rename(app.root / name)


def _reloads(app: AppFolder) -> int:
    """Return how often the server said that it read a changed env file."""
    return app.log().count("Reload env")


def _is_on(app: AppFolder, server: ShopServer) -> bool:
    answer = app.get() if len(app.next_servers()) == 1 else None
    return answer is not None and answer.status == 200 and answer.json["database"] == server.shop.database


def _start(app: AppFolder) -> None:
    app.stop()
    started = app.dbswitch("dev", "--detach", timeout=LONG)
    assert started.returncode == 0, started.stderr
