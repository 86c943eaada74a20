"""Many switches in a row, and many at once, leave one server and nothing else behind.

The dev server is the stand-in for Next.js; the databases are real.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.cli.conftest import TOKEN
from tests.cli.running import environment
from tests.support.state import private_dir
from tests.switch.test_killed import answer, finish, servers, switching

if TYPE_CHECKING:
    from tests.cli.conftest import Folder
    from tests.support.postgres import ShopServer

AT_ONCE = 20
CHILD = Path(__file__).with_name("soak_child.py")
# What a project holds after any number of switches.
STATE = {".gitignore", "lock", "requests", "history.jsonl", "server.log"}
PRIVATE = {"project", "entered.json", "previous.json", "server.json"}


def connections(server: ShopServer) -> int:
    """How many sessions of the app's role there are."""
    from dbswitch.database.url import DatabaseUrl

    url = DatabaseUrl.parse(server.url)
    with psycopg.connect(**url.libpq()) as connection:
        row = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE usename = %s AND pid <> pg_backend_pid()",
            (url.user,),
        ).fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.parametrize("rounds", [4, pytest.param(200, marks=pytest.mark.sweep)])
def test_switches_in_a_row_leak_nothing(
    rounds: int,
    served: Folder,
    postgres_local: ShopServer,
    postgres_prod: ShopServer,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert served.run("dev", "--detach").returncode == 0
    before = (served.root / ".env.local").read_text()
    processes = len(served.living())
    done = subprocess.run(
        [sys.executable, str(CHILD), str(rounds), postgres_prod.shop.database],
        cwd=served.root,
        env=environment(**{TOKEN: served.token}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=1200,
    )
    assert done.returncode == 0, done.stderr
    held = json.loads(done.stdout)
    assert held["outcomes"] == {"switched": rounds}, done.stderr
    assert held["after"] == held["before"]
    assert len(served.living()) == processes
    assert len(servers(served)) == 1
    assert (served.root / ".env.local").read_text() == before
    assert {path.name for path in (served.root / ".dbswitch").iterdir()} <= STATE | {"server.log.1"}
    assert {path.name for path in private_dir(served.root).iterdir()} == PRIVATE
    assert {path.name for path in served.root.glob(".env*")} == {".env.local"}
    left = connections(postgres_local) + connections(postgres_prod)
    assert left == 0
    with capsys.disabled():
        print(
            f"\n{rounds} switches: {held['after'] - held['before']} descriptors, {len(served.living()) - processes} "
            f"processes, {left} sessions, 0 temporary files more than before"
        )


@pytest.mark.slow
def test_twenty_at_once_end_on_the_newest_and_everyone_is_told_the_truth(
    served: Folder, postgres_prod: ShopServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert served.run("dev", "--detach").returncode == 0
    confirm = ("--confirm", postgres_prod.shop.database)
    fired = [
        switching(served, *(("prod", *confirm) if number % 2 else ("local",))) for number in range(AT_ONCE)
    ]
    ended = [finish(process) for process in fired]
    codes = [code for code, _, _ in ended]
    assert set(codes) <= {0, 5}, [err for _, _, err in ended]
    results = [events[-1] for _, events, _ in ended]
    starts = sum(
        event["event"] == "phase" and (event["phase"], event["state"]) == ("start", "done")
        for _, events, _ in ended
        for event in events
    )
    assert starts <= 2
    winners = [result for result in results if result["exit"] == 0]
    # Who was overtaken is told so; who was not is the newest, or was already past the point of giving way.
    assert all(result["outcome"] == "overtaken" for result in results if result["exit"] == 5)
    newest = max(winners, key=lambda result: result["seconds"] + started(ended, result["id"]))
    text = (served.root / ".env.local").read_text().splitlines()[0]
    assert (postgres_prod.url in text) == (newest["target"] == "prod")
    assert answer(served)["client"] in text
    assert len(servers(served)) == 1
    with capsys.disabled():
        print(
            f"\n{AT_ONCE} at once: {codes.count(0)} carried out, {codes.count(5)} overtaken, {starts} restarts"
        )


def started(ended: list[tuple[int, list[dict[str, object]], str]], run_id: str) -> float:
    for _, events, _ in ended:
        if events[0]["id"] == run_id:
            at = events[0]["at"]
            assert isinstance(at, float)
            return at
    raise AssertionError(run_id)
