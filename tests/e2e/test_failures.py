"""What goes wrong on the real stack leaves everything as it was, with the documented exit code."""

from __future__ import annotations

import re
import threading
import time
from typing import TYPE_CHECKING

import pytest

from tests.support.state import private_dir

if TYPE_CHECKING:
    from tests.support.nextapp import AppFolder, NextApp
    from tests.support.postgres import FreshPostgres, ShopServer

pytestmark = pytest.mark.real


def running(next_app: NextApp, local: ShopServer, prod_url: str) -> AppFolder:
    app = next_app(local=local.url, prod=prod_url)
    started = app.dbswitch("dev", "--detach")
    assert started.returncode == 0, started.stderr
    return app


def test_a_target_that_is_down_changes_nothing_and_ends_within_its_deadline(
    next_app: NextApp, postgres_local: ShopServer, fresh_postgres: FreshPostgres
) -> None:
    down = fresh_postgres(started=False)
    app = running(next_app, postgres_local, down.url)
    before, server = app.read(".env.local"), app.next_servers()
    began = time.monotonic()
    code, events = app.events("prod", "--confirm", down.shop.database, "--timeout", "2")
    assert code == 4, events
    assert time.monotonic() - began < 30  # a deadline of 2 s and a start-up, with room for a loaded machine
    assert "P1001" in str(events[-1]["error"])
    assert app.read(".env.local") == before
    assert app.next_servers() == server
    app.assert_answers_from(postgres_local)


def test_a_wrong_password_is_given_up_on_at_once(
    next_app: NextApp, postgres_local: ShopServer, postgres_prod: ShopServer
) -> None:
    wrong = re.sub(r":[^:@/]+@", ":not-the-password@", postgres_prod.url)
    assert wrong != postgres_prod.url
    app = running(next_app, postgres_local, wrong)
    before = app.read(".env.local")
    code, events = app.events("prod", "--confirm", postgres_prod.shop.database)
    assert code == 4, events
    assert "P1000" in str(events[-1]["error"])
    assert not [event for event in events if event["event"] == "waiting" and event["phase"] == "probe"]
    assert app.read(".env.local") == before
    app.assert_answers_from(postgres_local)


def test_a_database_that_comes_up_late_is_waited_for(
    next_app: NextApp, postgres_local: ShopServer, fresh_postgres: FreshPostgres
) -> None:
    late = fresh_postgres(started=False)
    app = running(next_app, postgres_local, late.url)
    timer = threading.Timer(4, late.server.start)
    timer.start()
    try:
        code, events = app.events("prod", "--confirm", late.shop.database)
    finally:
        timer.join()
    assert code == 0, events
    assert [event for event in events if event["event"] == "waiting" and event["phase"] == "probe"]
    app.assert_answers_from(late)


def test_postgres_killed_after_the_probe_is_rolled_back_to_the_old_database(
    next_app: NextApp, postgres_local: ShopServer, fresh_postgres: FreshPostgres
) -> None:
    dying = fresh_postgres()
    app = running(next_app, postgres_local, dying.url)
    before = app.read(".env.local")
    process = app.dbswitch_popen("prod", "--confirm", dying.shop.database, "--json", "--timeout", "3")
    log = app.root.parent / "dbswitch.log"
    until = time.monotonic() + 60
    # The server goes down between the first probe and the second: that is when the database is killed.
    while '"phase":"stop","state":"started"' not in log.read_text():
        assert time.monotonic() < until, log.read_text()
        time.sleep(0.001)
    dying.server.kill()
    assert process.wait(120) == 7, log.read_text()
    assert app.read(".env.local") == before
    app.wait_for_answer()
    app.assert_answers_from(postgres_local)
    app.assert_one_server_tree()


def test_two_switches_at_once_end_on_the_newest_and_everyone_is_told_the_truth(
    next_app: NextApp, postgres_local: ShopServer, postgres_prod: ShopServer
) -> None:
    app = running(next_app, postgres_local, postgres_prod.url)
    first = app.dbswitch_popen("prod", "--confirm", postgres_prod.shop.database)
    lock = private_dir(app.root) / "switch.json"
    until = time.monotonic() + 60
    while not lock.exists():
        assert first.poll() is None
        assert time.monotonic() < until
        time.sleep(0.005)
    code, events = app.events("local")
    assert code == 0, events
    assert first.wait(120) in {0, 5}
    app.assert_answers_from(postgres_local)
    app.assert_one_server_tree()


def test_an_unknown_target_names_the_close_ones(
    next_app: NextApp, postgres_local: ShopServer, postgres_prod: ShopServer
) -> None:
    app = next_app(local=postgres_local.url, prod=postgres_prod.url)
    done = app.dbswitch("prdo")
    assert done.returncode == 2
    assert "unknown target" in done.stderr
    assert "dbswitch prod" in done.stderr


def test_no_project_here_is_said_with_what_was_looked_for(next_app: NextApp) -> None:
    app = next_app()
    outside = app.root.parent / "elsewhere"
    outside.mkdir()
    done = app.dbswitch("prod", "--project", str(outside))
    assert done.returncode == 2
    assert "no project here" in done.stderr


def test_an_unreadable_configuration_is_named_with_line_and_column(
    next_app: NextApp, postgres_local: ShopServer, postgres_prod: ShopServer
) -> None:
    app = next_app(
        local=postgres_local.url, prod=postgres_prod.url, files={"dbswitch.toml": "[server]\nport = = 3000\n"}
    )
    done = app.dbswitch("prod")
    assert done.returncode == 2
    assert "line 2" in done.stderr
    assert "column" in done.stderr


def test_a_protected_target_without_its_name_is_refused_and_nothing_happens(
    next_app: NextApp, postgres_local: ShopServer, postgres_prod: ShopServer
) -> None:
    app = next_app(local=postgres_local.url, prod=postgres_prod.url)
    before = app.read(".env.local")
    for arguments in (
        ("prod",),
        ("prod", "--yes"),
        ("prod", "--confirm", f"not-{postgres_prod.shop.database}"),
    ):
        done = app.dbswitch(*arguments)
        assert done.returncode == 9, done.stderr
        assert f"--confirm {postgres_prod.shop.database}" in done.stderr
    assert app.read(".env.local") == before


def test_dry_run_shows_the_plan_and_changes_nothing(
    next_app: NextApp, postgres_local: ShopServer, postgres_prod: ShopServer
) -> None:
    app = next_app(local=postgres_local.url, prod=postgres_prod.url)
    before = app.read(".env.local")
    code, events = app.events("prod", "--dry-run")
    assert code == 0
    [plan] = [event for event in events if event["event"] == "plan"]
    assert plan["files"] == [".env.local"]
    assert plan["variables"] == ["BLOB_BUCKET", "DATABASE_URL"]
    assert events[-1]["outcome"] == "planned"
    assert app.read(".env.local") == before
