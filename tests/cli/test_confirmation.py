"""A protected target is confirmed before the lock is taken: nobody waits for a person who reads and types."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import pytest

from dbswitch.cli.messages import duration
from dbswitch.switch import project_lock

if TYPE_CHECKING:
    from tests.cli.conftest import Folder
    from tests.support.postgres import ShopServer

PROMPT = "Type prod to continue: "


def first_line(folder: Folder) -> str:
    return (folder.root / ".env.local").read_text().splitlines()[0]


def test_another_switch_does_not_wait_for_the_answer_and_the_verdict_does_not_count_it(
    served: Folder, postgres_local: ShopServer, postgres_prod: ShopServer
) -> None:
    name = postgres_prod.shop.database
    began = time.monotonic()
    with served.terminal("prod") as terminal:
        terminal.until(PROMPT)
        asked = time.monotonic()
        code, events = served.json("local")
        assert (code, events[-1]["outcome"]) == (0, "unchanged")
        assert not [event for event in events if (event["event"], event.get("phase")) == ("waiting", "lock")]
        waited = time.monotonic() - asked
        terminal.type(f"{name}\n")
        assert terminal.end() == 0
        whole = time.monotonic() - began
    [entry, *_] = served.json("history")[1][0]["entries"]
    assert entry["seconds"] <= whole - waited
    assert duration(entry["seconds"]) in terminal.text
    assert postgres_prod.url in first_line(served)


@pytest.mark.parametrize("given", ["prod", "shop_prod"])
def test_the_target_and_its_database_confirm_alike(folder: Folder, given: str) -> None:
    done = folder.run("exec", "prod", "--confirm", given, "--", "true")
    assert done.returncode == 0, done.stderr
    assert folder.run("prod", "--confirm", given, "--timeout", "0.2").returncode == 4


def test_the_question_names_the_place_and_the_risk(folder: Folder) -> None:
    with folder.terminal("prod") as terminal:
        terminal.until(PROMPT)
        terminal.type("\n")
        assert terminal.end() == 9
    said = " ".join(terminal.text.split())
    assert re.search(
        r"prod \(127\.0\.0\.1:\d+/shop_prod\) is protected: the app could change real data\.", said
    )


def test_a_typing_mistake_is_forgiven_once(served: Folder, postgres_prod: ShopServer) -> None:
    name = postgres_prod.shop.database
    with served.terminal("prod") as terminal:
        terminal.until(PROMPT)
        terminal.type("shpo\n")
        terminal.until("nor the name of its database.")
        assert "'shpo' is neither prod nor the name of its database." in terminal.text
        terminal.until(f"{PROMPT}", 2)
        terminal.type(f"{name}\n")
        assert terminal.end() == 0
    assert postgres_prod.url in first_line(served)


@pytest.mark.parametrize("typed", ["shpo\nshpo\n", "\n"])
def test_a_target_that_is_not_confirmed_is_exit_9_and_nothing_is_changed(
    served: Folder, postgres_prod: ShopServer, typed: str
) -> None:
    before = (served.root / ".env.local").read_bytes()
    with served.terminal("prod") as terminal:
        terminal.until(PROMPT)
        terminal.type(typed)
        assert terminal.end() == 9
    assert "was not confirmed" in terminal.text
    assert (served.root / ".env.local").read_bytes() == before


@pytest.mark.parametrize("words", [(), ("--confirm", "shpo")])
def test_a_request_without_its_confirmation_is_refused_before_it_takes_the_lock_from_others(
    folder: Folder, words: tuple[str, ...]
) -> None:
    state = folder.root / ".dbswitch"
    with project_lock.acquire(state, target="local", deadline=1) as lease:
        code, events = folder.json("prod", *words)
        assert (code, events[-1]["outcome"]) == (9, "refused")
        lease.check()  # no newer request
    assert not {"lock", "recover"} & {event.get("phase") for event in events}


def test_exec_forgives_a_typing_mistake_once(folder: Folder) -> None:
    with folder.terminal("exec", "prod", "--", "true") as terminal:
        terminal.until(PROMPT)
        terminal.type("shpo\n")
        terminal.until("nor the name of its database.")
        assert "'shpo' is neither prod nor the name of its database." in terminal.text
        terminal.type("shop_prod\n")
        assert terminal.end() == 0


def test_a_target_that_leads_elsewhere_since_it_was_confirmed_is_refused(
    served: Folder, postgres_local: ShopServer, postgres_prod: ShopServer
) -> None:
    name = postgres_prod.shop.database
    path = served.root / ".env.local"
    with served.terminal("prod") as terminal:
        terminal.until(PROMPT)
        elsewhere = path.read_text().replace(f":{postgres_prod.server.port}/", ":1/")
        assert elsewhere != path.read_text()
        path.write_text(elsewhere)
        terminal.type(f"{name}\n")
        assert terminal.end() == 9
    assert "has changed since it was confirmed" in terminal.text
    assert path.read_text() == elsewhere
