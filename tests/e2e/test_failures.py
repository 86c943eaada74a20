"""What goes wrong on the real stack leaves everything as it was, with the documented exit code."""

from __future__ import annotations

import re
import threading
import time
from typing import TYPE_CHECKING

import pytest

from tests.support.state import private_dir

if TYPE_CHECKING:
    from tests.e2e.conftest import OnLocal
    from tests.support.postgres import FreshPostgres, ShopServer

pytestmark = pytest.mark.real


def test_a_target_that_is_down_changes_nothing_and_ends_within_its_deadline(
    app_on_local: OnLocal, postgres_local: ShopServer, fresh_postgres: FreshPostgres
) -> None:
    down = fresh_postgres(started=False)
    app = app_on_local(down.url)
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
    app_on_local: OnLocal, postgres_local: ShopServer, postgres_prod: ShopServer
) -> None:
    wrong = re.sub(r":[^:@/]+@", ":not-the-password@", postgres_prod.url)
    assert wrong != postgres_prod.url
    app = app_on_local(wrong)
    before = app.read(".env.local")
    code, events = app.events("prod", "--confirm", postgres_prod.shop.database)
    assert code == 4, events
    assert "P1000" in str(events[-1]["error"])
    assert not [event for event in events if event["event"] == "waiting" and event["phase"] == "probe"]
    assert app.read(".env.local") == before
    app.assert_answers_from(postgres_local)


def test_a_database_that_comes_up_late_is_waited_for(
    app_on_local: OnLocal, postgres_local: ShopServer, fresh_postgres: FreshPostgres
) -> None:
    late = fresh_postgres(started=False)
    app = app_on_local(late.url)
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
    app_on_local: OnLocal, postgres_local: ShopServer, fresh_postgres: FreshPostgres
) -> None:
    dying = fresh_postgres()
    app = app_on_local(dying.url)
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
    app_on_local: OnLocal, postgres_local: ShopServer, postgres_prod: ShopServer
) -> None:
    app = app_on_local(postgres_prod.url)
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
