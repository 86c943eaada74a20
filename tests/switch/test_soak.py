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

from dbswitch.switch import project_lock
from tests.cli.conftest import TOKEN
from tests.cli.running import environment
from tests.support.amounts import slice_and_sweep
from tests.support.nextapp import wait_until
from tests.support.state import private_dir
from tests.switch.test_killed import SECONDS, answer, finish, servers, switching

if TYPE_CHECKING:
    from tests.cli.conftest import Folder
    from tests.support.postgres import ShopServer

CHILD = Path(__file__).with_name("soak_child.py")
# What a project holds after any number of switches.
STATE = {".gitignore", "lock", "requests", "history.jsonl", "server.log"}
PRIVATE = {"project", "entered.json", "previous.json", "server.json"}


def connections(server: ShopServer) -> int:
    """How many sessions of dbswitch there are; those of an app that another test shares do not count."""
    from dbswitch.database.url import DatabaseUrl

    with psycopg.connect(**DatabaseUrl.parse(server.url).libpq()) as connection:
        row = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'dbswitch'"
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
    wait_until(
        lambda: connections(postgres_local) + connections(postgres_prod) == 0 or None,
        60,
        lambda: "sessions of dbswitch are left",
    )
    with capsys.disabled():
        print(
            f"\n{rounds} switches: {held['after'] - held['before']} descriptors, {len(served.living()) - processes} "
            f"processes, 0 sessions, 0 temporary files more than before"
        )


@slice_and_sweep("requests", 6, 20)
def test_of_many_that_wait_only_the_newest_is_carried_out_and_everyone_is_told_the_truth(
    served: Folder, postgres_prod: ShopServer, requests: int
) -> None:
    assert served.run("dev", "--detach").returncode == 0
    confirm = ("--confirm", postgres_prod.shop.database)
    # The lock is held until only the newest waits; else the first one would be carried out before the last one has started.
    with project_lock.acquire_if_free(served.root / ".dbswitch", target="test") as ours:
        assert ours
        fired = [
            switching(served, *(("prod", *confirm) if number % 2 else ("local",)))
            for number in range(requests)
        ]
        wait_until(
            lambda: sum(one.poll() is None for one in fired) <= 1 or None,
            SECONDS,
            lambda: "more than one waits",
        )
    ended = [finish(process) for process in fired]
    assert sorted(code for code, _, _ in ended) == [0] + [5] * (requests - 1), [err for _, _, err in ended]
    results = [events[-1] for _, events, _ in ended]
    [newest] = [result for result in results if result["exit"] == 0]
    assert {result["outcome"] for result in results if result["exit"] == 5} == {"overtaken"}
    text = (served.root / ".env.local").read_text().splitlines()[0]
    assert (postgres_prod.url in text) == (newest["target"] == "prod")
    assert answer(served)["client"] in text
    assert len(servers(served)) == 1
