"""The admin route in the real Next.js: what it refuses, what it tells, and that it survives its own server."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from dbswitch.database.identity import Identity
from dbswitch.database.url import DatabaseUrl
from tests.generate.admin import LONG, Admin, Said, generate, retry_after, serve, with_clock
from tests.support.amounts import first_and_sweep
from tests.support.nextapp import LEGS, apps, wait_until
from tests.support.postgres import PostgresServer, template

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.nextapp import NextApp
    from tests.support.postgres import ShopServer

pytestmark = [pytest.mark.real, pytest.mark.slow]

HOSTILE = (
    "prod; rm -rf /",
    "../../x",
    "--help",
    "-",
    "$(touch pwned)",
    "prod\nlocal",
    "prod --confirm x",
    "__proto__",
    "constructor",
    "",
    "p" * 64,
    "unknown",
    "PROD",
)
MALFORMED: tuple[Any, ...] = (
    b"",
    b"{",
    b"null",
    b"[]",
    b'"prod"',
    {"target": 1},
    {"target": ["prod"]},
    {"confirm": "shop"},
    {"target": "prod", "confirm": 1},
    {"target": "prod", "confirm": "shop; rm -rf /"},
    {"target": "prod", "confirm": "shop", "mode": "none"},
    {"target": "prod", "confirm": "s" * 64},
    {"target": "prod", "instead": 1},
    b'{"target": "' + b"x" * 4_000 + b'"}',
)
STRANGE_HOSTS = (
    "evil.example",
    "127.0.0.1.evil.example",
    "localhost.evil.example:3000",
    "localhost@evil.example",
)


ABSENT = "not_there"  # the database of the target `staging`


@pytest.fixture(scope="module")
def down(postgres_home: Path) -> Iterator[PostgresServer]:
    """The server of `staging`, stopped: a run waits for it, and fails as soon as it is started."""
    server = PostgresServer(postgres_home / "admin-staging", template=template(4))
    server.start()
    server.stop()
    yield server
    server.remove()


@pytest.fixture(scope="module")
def _route(
    postgres_local: ShopServer, postgres_prod: ShopServer, down: PostgresServer
) -> Iterator[tuple[Admin, str]]:
    with apps() as make:
        app = with_clock(generate(make(local=postgres_local.url, prod=postgres_prod.url), "client", "route"))
        app.write(".env.local", f'{app.read(".env.local")}DATABASE_URL_STAGING="{down.url(ABSENT)}"\n')
        app.write("dbswitch.toml", f"[database]\nrestart_deadline = {LONG}\n")
        yield serve(app), app.read(".env.local")


@pytest.fixture
def admin(
    _route: tuple[Admin, str], postgres_local: ShopServer, postgres_prod: ShopServer, down: PostgresServer
) -> Iterator[Admin]:
    """The route of an app that stays on `local`; one for all tests, each of which must leave it as it was."""
    route, before = _route
    route.everything = ""
    yield route
    assert route.app.read(".env.local") == before
    assert_nothing_given_away(route, postgres_local.url, postgres_prod.url, down.url(ABSENT))


def assert_no_run(admin: Admin) -> None:
    assert not (admin.app.root / ".dbswitch/runs").exists()
    assert not list(admin.app.root.glob("pwned"))


@pytest.mark.parametrize("query", ["", "?identity=1"])
def test_without_the_token_nothing_is_said(admin: Admin, query: str) -> None:
    assert guess(admin, None, query).status == 401


def test_another_token_is_refused(admin: Admin) -> None:
    assert guess(admin, admin.token + "x").status == 401
    unknown = guess(admin, "x", method="POST", body={"target": "local"})
    assert (unknown.status, unknown.body["error"]) == (401, "unauthorized")


@pytest.mark.parametrize("header", ["Host", "X-Forwarded-Host"])
@pytest.mark.parametrize("host", STRANGE_HOSTS)
def test_for_another_host_the_route_is_not_there(admin: Admin, host: str, header: str) -> None:
    assert admin.ask(headers={header: host}).status == 404
    assert admin.ask("POST", body={"target": "local"}, headers={header: host}).status == 404


@pytest.mark.parametrize(
    "origin",
    [
        None,
        "null",
        "https://evil.example",
        "http://localhost:{another}",
        "http://127.0.0.1:{port}",
        "ftp://localhost:{port}",
        "localhost",
    ],
)
def test_another_origin_is_refused(admin: Admin, origin: str | None) -> None:
    port = admin.app.port
    sent = origin and origin.format(port=port, another=port + 1)
    assert admin.ask_in_time("POST", body={"target": "local"}, headers={"Origin": sent}).status == 403


@pytest.mark.parametrize(
    "kind", [None, "text/plain", "application/x-www-form-urlencoded", "application/jsonp"]
)
def test_another_content_type_is_refused(admin: Admin, kind: str | None) -> None:
    assert admin.ask_in_time("POST", body={"target": "local"}, headers={"Content-Type": kind}).status == 415


@pytest.mark.parametrize("run", ["../history", "20260101T000000000Z-00000000", "../../../etc/passwd", "x"])
def test_a_run_that_there_is_not_is_not_found(admin: Admin, run: str) -> None:
    assert admin.ask(query=f"?id={run}").status == 404


@pytest.mark.parametrize("body", MALFORMED, ids=lambda body: str(body)[:40])
def test_a_malformed_body_is_a_bad_request(admin: Admin, body: Any) -> None:
    assert admin.ask_in_time("POST", body=body).status == 400


@pytest.mark.parametrize("name", HOSTILE)
def test_a_target_that_there_is_not_is_not_found_whatever_its_name(admin: Admin, name: str) -> None:
    assert admin.ask_in_time("POST", body={"target": name, "confirm": "shop"}).status == 404
    assert_no_run(admin)


def test_a_protected_target_has_to_be_confirmed(admin: Admin) -> None:
    said = admin.ask_in_time("POST", body={"target": "prod"})
    assert (said.status, said.body["error"]) == (428, "not confirmed")


def guess(admin: Admin, token: str | None, query: str = "", **more: Any) -> Said:
    """Ask with another token."""
    return admin.ask_in_time(query=query, headers={"x-dbswitch-token": token}, **more)


def assert_nothing_given_away(admin: Admin, *urls: str) -> None:
    for url in urls:
        assert url not in admin.everything
        assert DatabaseUrl.parse(url).password.reveal() not in admin.everything
    assert "://" not in admin.everything
    assert str(admin.app.root) not in admin.everything
    assert admin.token not in admin.everything


def test_it_tells_targets_databases_and_which_is_active(
    admin: Admin, postgres_local: ShopServer, postgres_prod: ShopServer, down: PostgresServer
) -> None:
    found = admin.ask().body
    assert found["active"] == {"kind": "one", "target": "local", "limit": None}
    assert found["targets"] == [
        {
            "name": "local",
            "protected": False,
            "database": postgres_local.shop.database,
            "address": f"localhost:{postgres_local.server.port}",
        },
        {
            "name": "prod",
            "protected": True,
            "database": postgres_prod.shop.database,
            "address": f"localhost:{postgres_prod.server.port}",
        },
        {
            "name": "staging",
            "protected": False,
            "database": ABSENT,
            "address": f"localhost:{down.port}",
        },
    ]
    assert found["identity"]["database"] == postgres_local.shop.database


def test_it_tells_the_identity_alone(admin: Admin, postgres_local: ShopServer) -> None:
    answer = admin.ask(query="?identity=1")
    assert Identity.from_json(answer.body["identity"]).database == postgres_local.shop.database


def test_the_banner_needs_no_token(admin: Admin, postgres_local: ShopServer) -> None:
    banner = admin.ask(query="?banner=1", headers={"x-dbswitch-token": None})
    assert banner.body == {
        "dbswitch": 1,
        "target": "local",
        "protected": False,
        "database": postgres_local.shop.database,
        "readOnly": False,
        "limit": None,
    }


def test_a_wrong_database_name_is_refused_by_the_run_itself(admin: Admin) -> None:
    said = admin.ask_in_time("POST", body={"target": "prod", "confirm": "wrong"})
    assert said.status == 202
    result = admin.finish(said.body["id"])
    assert (result["outcome"], result["exit"]) == ("refused", 9)
    shutil.rmtree(admin.app.root / ".dbswitch/runs")


def test_a_guesser_is_slowed_down_and_the_one_with_the_token_is_not(admin: Admin) -> None:
    admin.pass_time(60)
    guesses = [admin.ask(headers={"x-dbswitch-token": f"guess {n}"}) for n in range(40)]
    assert [said.status for said in guesses] == [401] * 30 + [429] * 10
    assert admin.ask().status == 200
    admin.pass_time(retry_after(guesses[-1]) - 1)
    assert admin.ask(headers={"x-dbswitch-token": "guess"}).status == 429
    admin.pass_time(1)
    assert admin.ask(headers={"x-dbswitch-token": "guess"}).status == 401


def test_more_than_ten_requests_to_switch_in_ten_seconds_have_to_wait(admin: Admin) -> None:
    admin.pass_time(10)
    asked = [admin.ask("POST", body={"target": "unknown"}) for _ in range(11)]
    assert [said.status for said in asked] == [404] * 10 + [429]
    assert retry_after(asked[-1]) == 10
    assert admin.ask().status == 200
    admin.pass_time(10)
    assert admin.ask("POST", body={"target": "unknown"}).status == 404


def test_pending_migrations_are_named(admin: Admin) -> None:
    later = admin.app.root / "prisma/migrations/29990101000000_later"
    admin.app.write("prisma/migrations/29990101000000_later/migration.sql", "SELECT 1;\n")
    assert admin.ask().body["migrations"]["pending"] == ["29990101000000_later"]
    shutil.rmtree(later)
    assert admin.ask().body["migrations"] == {"pending": [], "failed": []}


@pytest.mark.parametrize("leg", first_and_sweep(LEGS))
def test_a_restart_is_answered_before_anything_stops_and_told_by_the_server_after_it(
    next_app: NextApp, postgres_local: ShopServer, postgres_prod: ShopServer, leg: str
) -> None:
    app = generate(next_app(leg, local=postgres_local.url, prod=postgres_prod.url), "client", "route")
    admin = serve(app)
    servers = {process.pid for process in app.next_servers()}

    # Two at once: one run, and for the other an honest no.
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda _: admin.post("prod", postgres_prod.shop.database, "restart"), range(2)))
    codes = sorted(said.status for said in both)
    assert codes == [202, 409]
    [started] = [said for said in both if said.status == 202]
    [told] = [said for said in both if said.status == 409]
    assert told.body["running"]["target"] == "prod"
    [file] = (app.root / ".dbswitch/runs").iterdir()
    assert file.name == f"{started.body['id']}.jsonl"

    result = admin.finish(started.body["id"])
    assert (result["outcome"], result["verified"], result["mode"]) == ("switched", True, "restart")
    assert result["identity"]["database"] == postgres_prod.shop.database
    assert not servers & {process.pid for process in app.next_servers()}
    app.assert_answers_from(postgres_prod)
    app.assert_one_server_tree()
    now = admin.ask().body
    assert now["active"]["target"] == "prod"
    assert now["history"][0]["id"] == started.body["id"]
    assert now["running"] is None

    # The new server was told how to start dbswitch, and back is hot where that is asked for: it leaves a protected target.
    back = admin.post("local", mode="hot")
    assert back.status == 202
    result = admin.finish(back.body["id"])
    assert (result["outcome"], result["verified"], result["mode"]) == ("switched", True, "hot")
    app.assert_answers_from(postgres_local)
    app.assert_clean_log()
    assert_nothing_given_away(admin, postgres_local.url, postgres_prod.url)


def test_a_target_that_is_down_changes_nothing_and_one_that_runs_elsewhere_is_named(
    admin: Admin, down: PostgresServer, postgres_local: ShopServer
) -> None:
    app = admin.app
    down.stop()
    said = admin.post("staging", ABSENT)
    assert said.status == 202
    # Whatever runs, a second request is told so, and by whom.
    busy = admin.post("local")
    assert (busy.status, busy.body["running"]["target"]) == (409, "staging")
    assert admin.ask_in_time("POST", body={"target": "local", "instead": "another run"}).status == 409
    down.start()
    result = admin.finish(said.body["id"])
    assert (result["outcome"], result["exit"]) == ("failed", 4)
    assert result["error"]["what"]

    # One that was started in a terminal holds the route off too, and is not taken for the one before it.
    down.stop()
    process = app.dbswitch_popen("staging", "--confirm", ABSENT)
    running = wait_until(lambda: admin.ask().body["running"], LONG, app.log)
    assert running["target"] == "staging"
    assert "id" not in running
    assert admin.post("local").status == 409
    down.start()
    wait_until(lambda: True if admin.ask().body["running"] is None else None, LONG, app.log)
    assert process.wait(LONG) == 4
    app.assert_answers_from(postgres_local)
    shutil.rmtree(app.root / ".dbswitch/runs")


def test_a_run_that_is_killed_is_told_as_lost_soon_and_holds_nothing_off(
    admin: Admin, down: PostgresServer, postgres_local: ShopServer
) -> None:
    app = admin.app
    down.stop()  # so that the run is still waiting for it when it is killed
    said = admin.post("staging", ABSENT, "restart")
    assert said.status == 202
    events = app.root / ".dbswitch/runs" / f"{said.body['id']}.jsonl"
    wait_until(lambda: True if '"waiting"' in events.read_text() else None, LONG, events.read_text)
    killed = []
    for process in app.processes():
        with contextlib.suppress(psutil.Error):
            if any(said.body["id"] in word for word in process.cmdline()):
                process.kill()
                killed.append(process)
    assert killed
    psutil.wait_procs(killed, LONG)
    # As if it had been quiet for six seconds; one that never had the lock would have thirty.
    os.utime(events, (time.time() - 6, time.time() - 6))
    assert admin.ask(query=f"?id={said.body['id']}").body["lost"], events.read_text()
    assert admin.ask().body["running"] is None
    again = admin.post("local")
    assert again.status == 202
    assert admin.finish(again.body["id"])["exit"] == 0
    app.assert_answers_from(postgres_local)
    shutil.rmtree(app.root / ".dbswitch/runs")


def test_a_classic_client_works_too_with_the_program_of_the_project_or_of_the_path_or_an_honest_no(
    next_app: NextApp, postgres_local: ShopServer, postgres_prod: ShopServer
) -> None:
    app = generate(next_app(local=postgres_local.url, prod=postgres_prod.url), "route")
    assert "dbswitch:generated" not in app.read("lib/prisma.ts")
    app.start_by_hand(env={"PATH": "/usr/bin:/bin"})
    admin = Admin(app)
    found = admin.ask().body
    assert "not found" in found["problem"]["what"]
    assert "dbswitch dev" in found["problem"]["fix"]
    assert found["identity"]["database"] == postgres_local.shop.database
    assert admin.post("local").status == 503

    program = app.write("node_modules/.bin/dbswitch", f'#!/bin/sh\nexec {sys.executable} -m dbswitch "$@"\n')
    program.chmod(0o755)
    assert admin.ask().body["active"]["target"] == "local"
    said = admin.post("prod", postgres_prod.shop.database)
    assert said.status == 202
    result = admin.finish(said.body["id"])
    assert (result["outcome"], result["verified"], result["mode"]) == ("switched", True, "restart")
    app.assert_answers_from(postgres_prod)
    program.unlink()
    assert (
        admin.ask().body["active"]["target"] == "prod"
    )  # this server was started by dbswitch, which said how
