"""Apps whose identity route is elsewhere or guarded: the Pages Router, `basePath`, `trailingSlash`, a proxy with a login, webpack."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.support.nextapp import AppFolder, NextApp
    from tests.support.postgres import ShopServer

pytestmark = [pytest.mark.real, pytest.mark.slow]

LONG = 240.0
CONFIG = """
export default { basePath: "/shop", trailingSlash: true, turbopack: { root: import.meta.dirname } };
"""
PAGE = """
import { prisma } from "../lib/prisma";
export const getServerSideProps = async () => ({ props: { ready: prisma !== undefined } });
export default function Page() { return "ready"; }
"""
PROXY = """
import { NextResponse, type NextRequest } from "next/server";
export function proxy(request: NextRequest) {
  if (request.nextUrl.pathname.startsWith("/api/dbswitch")) return NextResponse.redirect(new URL("/login", request.url));
}
"""
PATIENT = """
[server]
ready_timeout = 240
[switch]
drain_timeout = 60
[verify]
hot_deadline = 120
"""  # a busy machine compiles for long, and the switch would fall back to a restart
NO_PROXY = "export function proxy() {}\n"


def ready(app: AppFolder, *commands: tuple[str, ...]) -> None:
    for arguments in (("init", "--yes"), *commands, ("dev", "--detach")):
        done = app.dbswitch(*arguments, timeout=LONG)
        assert done.returncode == 0, done.stderr


def test_a_pages_router_app_with_a_base_path_and_trailing_slashes_is_verified(
    next_app: NextApp, postgres_local: ShopServer, postgres_prod: ShopServer
) -> None:
    app = next_app(local=postgres_local.url, prod=postgres_prod.url)
    for config in app.root.glob("next.config.*"):
        config.unlink()
    app.write("next.config.mjs", CONFIG)
    shutil.rmtree(app.root / "app")
    app.write("pages/index.tsx", PAGE)
    ready(app, ("generate", "route"))
    assert not (app.root / "app").exists()
    done = app.dbswitch("generate", "route", timeout=LONG)
    assert "the route was tried: the app answers from" in done.stderr, done.stderr
    code, events = app.events("prod", "--confirm", postgres_prod.shop.database, timeout=LONG)
    assert (code, events[-1]["verified"], events[-1]["mode"]) == (0, True, "restart"), events
    done = app.dbswitch("generate", "client", "--force", timeout=LONG)
    assert done.returncode == 0, done.stderr
    code, events = app.events("local", "--hot", timeout=LONG)
    assert (code, events[-1]["verified"]) == (0, True), events


@pytest.mark.parametrize(
    ("leg", "dev"),
    [("next14", "next dev"), pytest.param("base", "next dev --webpack", marks=pytest.mark.sweep)],
    ids=["14", "16"],
)
def test_an_app_that_webpack_builds_is_switched_without_a_restart(
    next_app: NextApp, postgres_local: ShopServer, postgres_prod: ShopServer, leg: str, dev: str
) -> None:
    app = next_app(leg, local=postgres_local.url, prod=postgres_prod.url)
    app.write("package.json", app.read("package.json").replace('"next dev -p', f'"{dev} -p'))
    app.write("dbswitch.toml", PATIENT)
    done = app.dbswitch("generate", "client", "--force", timeout=LONG)
    assert done.returncode == 0, done.stderr
    ready(app, ("generate", "route", "--identity-only"))
    app.wait_for_answer("/api/items", deadline=LONG)
    for target, server in (("prod", postgres_prod), ("local", postgres_local)):
        code, events = app.events(target, "--hot", "--confirm", server.shop.database, timeout=LONG)
        assert (code, events[-1]["verified"], events[-1]["mode"]) == (0, True, "hot"), events
        app.assert_answers_from(server)
    assert "createRequire" not in app.log()  # webpack warns of each call that it cannot follow


def test_a_route_behind_a_login_is_not_asked_for_long_and_nothing_is_rolled_back(
    next_app: NextApp, postgres_local: ShopServer, postgres_prod: ShopServer
) -> None:
    app = next_app(local=postgres_local.url, prod=postgres_prod.url)
    app.write("proxy.ts", PROXY)
    ready(app, ("generate", "route", "--identity-only"))
    done = app.dbswitch("generate", "route", "--identity-only", timeout=LONG)
    assert "middleware or proxy answered HTTP 307 (to /login)" in done.stderr, done.stderr
    code, events = app.events("prod", "--confirm", postgres_prod.shop.database, "--restart", timeout=LONG)
    assert (code, events[-1]["outcome"], events[-1]["verified"]) == (0, "switched", None), events
    [notice] = [event for event in events if event.get("code") == "not-asked"]
    assert "middleware or proxy answered HTTP 307 (to /login)" in notice["text"]
    assert "cannot reach its database" not in str(events)
    app.assert_answers_from(postgres_prod)
