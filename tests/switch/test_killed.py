"""A switch that is killed or interrupted at any event leaves all-old or all-new, and the next command repairs the rest.

The dev server is the stand-in for Next.js; the databases are real.
"""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import urllib.request
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from dbswitch.envfiles.journal_format import Journal, JournalEntry, commit
from dbswitch.project.discovery import load
from dbswitch.switch.recovery import JOURNAL, SwitchRecord, write_record
from dbswitch.switch.session import prepare_private_dir
from tests.cli.conftest import TOKEN
from tests.cli.running import REAL, environment
from tests.support.nextapp import wait_until
from tests.support.state import private_dir

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.cli.conftest import Folder
    from tests.support.postgres import ShopServer

SECONDS = 60.0
# Every event in the sweeps, every eighth otherwise.
EVERY = pytest.mark.parametrize("step", [8, pytest.param(1, marks=pytest.mark.sweep)])


def answer(folder: Folder) -> dict[str, Any]:
    """What the stand-in says: the effective URL, and the one its client started with."""
    with urllib.request.urlopen(f"http://localhost:{folder.port}/api/db", timeout=SECONDS) as response:
        return dict(json.load(response))


def servers(folder: Folder) -> list[psutil.Process]:
    found = []
    for process in folder.living():
        with contextlib.suppress(psutil.Error):  # it has just ended
            if "next-server" in " ".join(process.cmdline()):
                found.append(process)
    return found


def switching(folder: Folder, *argv: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *REAL, *argv, "--json"],
        cwd=folder.root,
        env=environment(**{TOKEN: folder.token, "PYTHONUNBUFFERED": "1"}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def is_step(event: dict[str, Any]) -> bool:
    """Whether every run has this event; how often a run waits depends on the machine."""
    return bool(event["event"] != "waiting")


def events_of(process: subprocess.Popen[str], count: int) -> Iterator[dict[str, Any]]:
    """Read events until `count` steps are among them."""
    assert process.stdout is not None
    while count and (line := process.stdout.readline()):
        event = json.loads(line)
        count -= is_step(event)
        yield event


def finish(process: subprocess.Popen[str]) -> tuple[int, list[dict[str, Any]], str]:
    assert process.stdout is not None
    # Not `communicate()` alone: it reads the descriptor, and loses the lines that readline() has buffered.
    rest = [json.loads(line) for line in process.stdout]
    _, err = process.communicate(timeout=SECONDS)
    return process.returncode, rest, err


def assert_whole(folder: Folder, old: str, new: str) -> str:
    """Files all-old or all-new, one server, on what the files say; no journal, no record. Return which."""
    text = (folder.root / ".env.local").read_text()
    assert text in {old, new}
    assert not (private_dir(folder.root) / "journal").exists()
    assert not (private_dir(folder.root) / "switch.json").exists()
    assert not [path.name for path in folder.root.glob(".env*") if "dbswitch" in path.name]
    assert len(servers(folder)) == 1
    assert answer(folder)["client"] in text.splitlines()[0]
    return "old" if text == old else "new"


Both = tuple["Folder", str, str, tuple[str, ...], int]


@pytest.fixture
def both(served: Folder, postgres_prod: ShopServer) -> Both:
    """A running project, the env file before and after a switch to prod, that switch's words and number of steps."""
    words = ("prod", "--confirm", postgres_prod.shop.database)
    old = (served.root / ".env.local").read_text()
    assert served.run("dev", "--detach").returncode == 0
    code, events = served.json(*words)
    assert code == 0
    new = (served.root / ".env.local").read_text()
    assert old != new
    assert served.json("local")[0] == 0
    return served, old, new, words, sum(map(is_step, events))


@EVERY
def test_kill_9_at_an_event_is_repaired_by_the_next_command(
    both: Both, figure: Callable[[str], None], step: int
) -> None:
    folder, old, new, words, total = both
    ends: list[str] = []
    for point in range(1, total, step):  # after the last event there is nothing left to kill
        process = switching(folder, *words)
        list(events_of(process, point))
        process.kill()
        finish(process)
        repaired = folder.run("restart")
        assert repaired.returncode == 0, repaired.stderr
        ends.append(assert_whole(folder, old, new))
        if ends[-1] == "new":
            code, events = folder.json("local")
            assert code == 0, events
            assert assert_whole(folder, old, new) == "old"
    assert set(ends) == {"old", "new"}
    figure(
        f"kill -9 at {len(ends)} events: {ends.count('old')} all-old, {ends.count('new')} all-new, 0 mixed"
    )


@pytest.mark.parametrize(
    ("number", "code"),
    # One SIGINT is part of the test of the second Ctrl-C below.
    [pytest.param(signal.SIGINT, 130, marks=pytest.mark.sweep), (signal.SIGTERM, 143)],
)
@EVERY
def test_a_signal_at_an_event_rolls_back_or_finishes(
    both: Both,
    number: signal.Signals,
    code: int,
    figure: Callable[[str], None],
    step: int,
) -> None:
    folder, old, new, words, total = both
    codes: list[int] = []
    for point in range(1, total, step):
        process = switching(folder, *words)
        seen = list(
            events_of(process, point)
        )  # the result among them where this run had to wait less than the first
        process.send_signal(number)
        ended, rest, err = finish(process)
        events = [*seen, *rest]
        # Too late to matter: the result was out, and only the interpreter was still leaving.
        if ended == -number:
            assert events[-1]["event"] == "result", (point, events, err)
            ended = events[-1]["exit"]
        assert ended in {0, code}, (point, events[-1], err)
        assert "Traceback" not in err
        codes.append(ended)
        assert assert_whole(folder, old, new) == ("new" if ended == 0 else "old")
        if ended == 0:
            assert folder.json("local")[0] == 0
    assert code in codes
    figure(
        f"{number.name} at {len(codes)} events: {codes.count(code)} rolled back, {codes.count(0)} finished"
    )


def test_a_second_ctrl_c_while_rolling_back_changes_nothing(
    both: Both,
) -> None:
    folder, old, new, words, _ = both
    process = switching(folder, *words)
    for event in events_of(process, 1000):
        if event["event"] == "phase" and (event["phase"], event["state"]) == ("start", "done"):
            break
    process.send_signal(signal.SIGINT)
    for event in events_of(process, 1000):
        if event["event"] == "phase" and event["phase"] == "rollback":
            break
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)
    ended, events, err = finish(process)
    assert ended == 130, (events, err)
    assert assert_whole(folder, old, new) == "old"


def test_a_killed_switch_before_another_switch_is_finished_by_that_one(
    both: Both,
) -> None:
    folder, old, new, words, _ = both
    process = switching(folder, *words)
    for event in events_of(process, 1000):
        if event["event"] == "phase" and (event["phase"], event["state"]) == ("stop", "done"):
            break
    process.kill()
    finish(process)
    wait_until(lambda: not servers(folder) or None, SECONDS, lambda: "the server that was stopped is alive")
    code, events = folder.json(*words)
    assert code == 0, events
    assert [event["code"] for event in events if event["event"] == "notice"].count("killed-switch") == 1
    assert assert_whole(folder, old, new) == "new"


@pytest.mark.parametrize("command", [("extend", "15m"), ("uninstall", "--yes")])
def test_a_command_that_finishes_a_killed_switch_besides_its_own_work_says_so(
    folder: Folder, command: tuple[str, ...]
) -> None:
    path, new = folder.root / ".env.local", b"DATABASE_URL=postgresql://x@127.0.0.1:1/new\n"
    old = path.read_bytes()
    private = prepare_private_dir(load(folder.root))
    write_record(private, SwitchRecord("id", "prod", "local"))
    entry = JournalEntry(str(path), str(path.resolve()), old, new, 0o600, -1, -1)
    commit(private / JOURNAL, Journal("0" * 8, (entry,)))
    _, events = folder.json(*command)
    assert path.read_bytes() == new
    codes = [one["code"] for one in events if one["event"] == "notice"]
    assert codes == ["recovered", "killed-switch"]
