"""The generated client in the real Next.js: hot switches, load, outages."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING

import pytest

from dbswitch.database.identity import Identity
from tests.generate.admin import PAGE, ROUTE, Admin
from tests.generate.live import (
    TOKEN,
    Load,
    build,
    point,
    prepare,
    remove_rows,
    rows,
    serve,
    sessions,
    under_load,
)
from tests.support.nextapp import LONG, apps, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.nextapp import AppFolder, NextApp
    from tests.support.postgres import FreshPostgres, ShopServer

pytestmark = pytest.mark.real

IDENTITY = "/api/dbswitch/identity?identity=1"
_prefixes = (f"p{number}" for number in itertools.count(1))


@pytest.fixture
def hot_app(next_app: NextApp, postgres_local: ShopServer, postgres_prod: ShopServer) -> AppFolder:
    return prepare(next_app(local=postgres_local.url, prod=postgres_prod.url))


@pytest.fixture(scope="module")
def dev_once(postgres_local: ShopServer, postgres_prod: ShopServer) -> Iterator[AppFolder]:
    with apps() as make:
        app = prepare(make(local=postgres_local.url, prod=postgres_prod.url))
        serve(app, "dev")
        yield app


@pytest.fixture
def dev(dev_once: AppFolder, postgres_local: ShopServer) -> AppFolder:
    """An app in `next dev`, on `local`; one for all tests."""
    point(dev_once, postgres_local.url)
    (dev_once.root / ".dbswitch" / "token").write_text(TOKEN)
    dev_once.wait_for_answer()
    return dev_once


@pytest.fixture(scope="module")
def built_once() -> Iterator[tuple[AppFolder, str]]:
    """An app with client, identity route and admin page that was built, without a database, and what the build printed."""
    with apps() as make:
        app = prepare(make())
        done = app.dbswitch("generate", "page")
        assert done.returncode == 0, done.stderr
        yield app, build(app)


@pytest.fixture
def built(built_once: tuple[AppFolder, str]) -> Iterator[AppFolder]:
    """The built app, without a server and without an env file."""
    app, _ = built_once
    yield app
    app.stop()
    (app.root / ".env.local").unlink(missing_ok=True)


def switch_both_ways(app: AppFolder, local: ShopServer, prod: ShopServer) -> None:
    for server in (prod, local, prod):
        point(app, server.url, server.shop.name)
        assert app.shop() == server.answer


def assert_written_once(load: Load, servers: list[ShopServer], prefix: str) -> list[str]:
    """Every confirmed write is in exactly one place once; return the unconfirmed ones that are there."""
    found = sorted(name for server in servers for name in rows(server, f"{prefix}-"))
    assert len(found) == len(set(found)), "doubled"
    lost = load.written() - set(found)
    assert not lost, f"lost: {lost}"
    return sorted(set(found) - load.written())


def test_next_dev_moves_in_the_same_process(
    dev: AppFolder, postgres_local: ShopServer, postgres_prod: ShopServer
) -> None:
    before = [process.pid for process in dev.next_servers()]
    switch_both_ways(dev, postgres_local, postgres_prod)
    assert [process.pid for process in dev.next_servers()] == before


def test_the_identity_route_says_which_database_the_app_is_on(
    dev: AppFolder, postgres_prod: ShopServer
) -> None:
    point(dev, postgres_prod.url)
    answer = dev.get_route(IDENTITY, headers={"x-dbswitch-token": TOKEN})
    assert answer.status == 200, answer
    assert answer.json["dbswitch"] == 1
    assert Identity.from_json(answer.json["identity"]).database == postgres_prod.shop.database


@pytest.mark.parametrize("token", [None, TOKEN + "x", ""])
def test_the_identity_route_refuses_other_tokens(dev: AppFolder, token: str | None) -> None:
    headers = {} if token is None else {"x-dbswitch-token": token}
    assert dev.get_route(IDENTITY, headers=headers).status == 401


def test_an_empty_token_file_admits_no_caller(dev: AppFolder) -> None:
    (dev.root / ".dbswitch" / "token").write_text("")
    assert dev.get_route(IDENTITY, headers={"x-dbswitch-token": ""}).status == 401


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:3000"])
def test_the_identity_route_is_not_there_for_other_hosts(dev: AppFolder, host: str) -> None:
    assert dev.get_route(IDENTITY, headers={"x-dbswitch-token": TOKEN}).status == 200
    answer = dev.get(IDENTITY, headers={"x-dbswitch-token": TOKEN, "Host": host})
    assert answer.status == 404


@pytest.mark.sweep
def test_the_newest_next_and_prisma_move_too(
    next_app: NextApp, postgres_local: ShopServer, postgres_prod: ShopServer
) -> None:
    app = prepare(next_app("newest", local=postgres_local.url, prod=postgres_prod.url))
    serve(app, "dev")
    switch_both_ways(app, postgres_local, postgres_prod)
    assert app.get_route(IDENTITY, headers={"x-dbswitch-token": TOKEN}).status == 200


def test_the_identity_route_names_the_error_and_nothing_else_while_the_database_is_away(
    dev: AppFolder, fresh_postgres: FreshPostgres
) -> None:
    server = fresh_postgres()
    point(dev, server.url)
    assert dev.get_route(IDENTITY, headers={"x-dbswitch-token": TOKEN}).status == 200
    server.server.stop()
    answer = dev.get_route(IDENTITY, headers={"x-dbswitch-token": TOKEN})
    assert (answer.status, answer.json) == (503, {"dbswitch": 1, "error": "P1001"})


def test_the_build_needs_no_database_and_warns_of_nothing(built_once: tuple[AppFolder, str]) -> None:
    _, printed = built_once
    assert "warn" not in printed.lower().replace("npm warn", ""), printed
    assert "Encountered unexpected file in NFT list" not in printed


def test_the_build_takes_no_more_than_the_client_needs(built: AppFolder) -> None:
    traces = built.root / ".next/server/app/api"
    load = (traces / "load/route.js.nft.json").read_text()
    assert "prisma.config.ts" not in load, "Turbopack took the whole project for dependencies"
    assert ".dbswitch" not in (traces / "dbswitch/identity/route.js.nft.json").read_text()


def test_next_start_moves_too_and_has_no_identity_route(
    built: AppFolder, postgres_local: ShopServer, postgres_prod: ShopServer
) -> None:
    point(built, postgres_local.url)
    serve(built, "start")
    switch_both_ways(built, postgres_local, postgres_prod)
    answer = built.get()
    assert answer.json["bucket"] == postgres_prod.shop.name, "a companion of the URL follows it"
    assert built.get(IDENTITY, headers={"x-dbswitch-token": TOKEN}).status == 404


def test_a_production_build_has_neither_admin_route_nor_page(
    built: AppFolder, postgres_local: ShopServer, postgres_prod: ShopServer
) -> None:
    point(built, postgres_local.url)
    serve(built, "start")
    admin = Admin(built)
    assert (built.root / f"app{ROUTE}/route.ts").exists()
    for query in ("", "?identity=1", "?banner=1"):
        assert admin.ask(query=query).status == 404
    assert admin.post("prod", postgres_prod.shop.database).status == 404
    assert built.get(PAGE).status == 404


def test_an_exported_url_stays_as_next_says(
    hot_app: AppFolder, postgres_local: ShopServer, postgres_prod: ShopServer
) -> None:
    serve(hot_app, "dev", {"DATABASE_URL": postgres_local.url})
    point(hot_app, postgres_prod.url)
    deadline = time.monotonic() + 1.5  # longer than Next's own reload
    while time.monotonic() < deadline:
        assert hot_app.shop() == postgres_local.answer


def test_the_usual_singleton_would_have_stayed_on_the_old_database(
    next_app: NextApp, postgres_local: ShopServer, postgres_prod: ShopServer
) -> None:
    """The reason for this file: the env says one database, the app is on the other."""
    app = next_app(local=postgres_local.url, prod=postgres_prod.url)
    app.start_by_hand()
    point(app, postgres_prod.url, "prod-files")
    wait_until(lambda: app.ask()["bucket"] == "prod-files" or None, LONG, app.log)
    assert app.shop() == postgres_local.answer


@pytest.fixture
def prefix(postgres_local: ShopServer, postgres_prod: ShopServer) -> Iterator[str]:
    """How the rows begin that a load writes to the shared servers; they are taken out again."""
    made = next(_prefixes)
    yield made
    for server in (postgres_local, postgres_prod):
        remove_rows(server, f"{made}-")


def test_ten_switches_under_load_fail_nothing_and_lose_nothing(
    built: AppFolder, postgres_local: ShopServer, postgres_prod: ShopServer, prefix: str
) -> None:
    point(built, postgres_local.url)
    serve(built, "start")
    before, elsewhere = sessions(postgres_local), sessions(postgres_prod)  # those of the worker's other apps
    switches: list[tuple[float, float, str]] = []
    with under_load(built, 60, prefix) as load:
        for turn in range(10):
            time.sleep(0.6)  # the load between two switches
            server = postgres_local if turn % 2 else postgres_prod
            switches.append((*point(built, server.url), server.shop.name))
        time.sleep(0.6)
    assert len(load.results) >= 100, "hardly any load"
    assert not load.failed, load.failed[:3]
    for (_, since, name), (until, _, _) in itertools.pairwise([*switches, (float("inf"), 0.0, "")]):
        # The client looks at most every 5 ms.
        between = [
            result["database"]
            for result in load.results
            if since + 0.008 < result["from"] / 1000 and result["until"] / 1000 < until
        ]
        assert set(between) <= {name}
    assert assert_written_once(load, [postgres_local, postgres_prod], prefix) == []
    wait_until(
        lambda: sessions(postgres_prod) <= elsewhere or None, 60, lambda: "the old database is not left"
    )
    wait_until(lambda: sessions(postgres_local) <= before + 9 or None, 60, lambda: "too many connections")


def assert_reads_and_writes(load: Load, server: ShopServer, prefix: str) -> list[str]:
    """All reads succeeded; each write is there once or failed with the words that say why."""
    assert len(load.results) >= 50, "hardly any load"
    reads = [result for result in load.failed if not result["write"]]
    assert not reads, reads[:3]
    for result in load.failed:
        assert result["status"] == 500, result
        assert "may have been applied, and was not retried" in result["error"], result
    unconfirmed = assert_written_once(load, [server], prefix)
    assert set(unconfirmed) <= {result["key"] for result in load.failed}
    return [result["key"] for result in load.failed]


def stop_for_five_seconds(server: ShopServer) -> None:
    server.server.stop()
    time.sleep(5)
    server.server.start()


def terminate_every_backend(server: ShopServer) -> None:
    until = time.monotonic() + 5
    while time.monotonic() < until:
        server.server.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
            (server.shop.database,),
        )
        time.sleep(0.2)


def take_all_connections(server: ShopServer) -> None:
    from psycopg import sql

    role = sql.Identifier(server.shop.role)
    with server.server.connect() as admin:
        admin.execute(sql.SQL("ALTER ROLE {} CONNECTION LIMIT 1").format(role))
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", (server.shop.role,)
        )
        time.sleep(2)
        admin.execute(sql.SQL("ALTER ROLE {} CONNECTION LIMIT -1").format(role))


def crash_and_recover(server: ShopServer) -> None:
    server.server.kill()
    server.server.start()  # it refuses with 57P03 while it replays its log


@pytest.mark.parametrize(
    "outage",
    [
        stop_for_five_seconds,
        terminate_every_backend,
        # Which errors are retried: suite/retry.test.ts.
        *(pytest.param(one, marks=pytest.mark.sweep) for one in (take_all_connections, crash_and_recover)),
    ],
    ids=lambda outage: outage.__name__,
)
def test_reads_ride_out_an_outage_and_writes_are_never_doubled(
    built: AppFolder, fresh_postgres: FreshPostgres, outage: Callable[[ShopServer], None]
) -> None:
    server = fresh_postgres()
    point(built, server.url)
    serve(built, "start")
    prefix = next(_prefixes)
    with under_load(built, 50, prefix) as load:
        time.sleep(0.7)
        outage(server)
        time.sleep(1.5)
    failed = assert_reads_and_writes(load, server, prefix)
    print(f"{len(load.results)} requests, {len(failed)} writes unsure")
    if outage is stop_for_five_seconds:
        assert built.log().count("[dbswitch]") == 1, built.log()
    if outage is not terminate_every_backend:
        assert len(failed) <= 9, "at most one under way on each connection"
    assert server.shop.password not in built.log()
