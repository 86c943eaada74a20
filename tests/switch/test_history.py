"""The history of switches: names only, whole lines, and where `dbswitch -` goes."""

from __future__ import annotations

import getpass
import itertools
import json
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings, strategies as st

from dbswitch.switch import history
from dbswitch.switch.events import Outcome, Result

if TYPE_CHECKING:
    from tests.cli.conftest import Folder

SOURCES = Path(__file__).parent.parent.parent


def _result(target="prod", previous="local", outcome=Outcome.SWITCHED, run_id="20260101T000000000Z-00000000"):
    return Result(
        run_id, outcome, 0, target, previous, "hot", 1.25, verified=True, identity={"database": "x"}
    )


def _line(at: str = "1", seconds: str = "1") -> bytes:
    words = '"id": "x", "from": "a", "to": "b", "outcome": "switched", "mode": "none", "verified": null'
    return f'{{{words}, "at": {at}, "seconds": {seconds}}}\n'.encode()


def test_what_is_written_is_read_back_and_nothing_else_is_kept(tmp_path):
    history.append(tmp_path, _result())
    (past,) = history.read(tmp_path)
    assert (past.previous, past.target, past.outcome, past.seconds) == (
        "local",
        "prod",
        Outcome.SWITCHED,
        1.25,
    )
    assert (past.mode, past.verified) == ("hot", True)
    path = tmp_path / "history.jsonl"
    assert set(json.loads(path.read_text())) == {
        "id", "at", "from", "to", "outcome", "seconds", "mode", "verified", "user", "origin", "away", "lifted", "pool",
    }  # fmt: skip
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_no_history_is_an_empty_one(tmp_path):
    assert history.read(tmp_path) == ()


@pytest.mark.parametrize(
    "damage",
    [
        *(b'{"id": "half', b"\xff\xfe\n", b"[]\n", b'{"id": 1}\n', b"\n", b"[" * 100_000 + b"\n"),
        *(_line(at=value) for value in ("1e308", "-1e300", "NaN", "1" + "0" * 400)),
        *(_line(seconds=value) for value in ("Infinity", "NaN")),
    ],
    ids=lambda damage: damage[:70].decode(errors="replace"),
)
def test_a_damaged_line_is_passed_over_and_swallows_no_other(tmp_path, damage):
    history.append(tmp_path, _result("a"))
    with (tmp_path / "history.jsonl").open("ab") as stream:
        stream.write(damage)
    history.append(tmp_path, _result("b"))
    assert [past.target for past in history.read(tmp_path)] == ["a", "b"]


def test_only_the_last_five_hundred_are_kept(tmp_path):
    for number in range(560):
        history.append(tmp_path, _result(f"t{number}"))
    lines = (tmp_path / "history.jsonl").read_bytes().splitlines()
    assert 500 <= len(lines) <= 550
    assert [past.target for past in history.read(tmp_path)] == [f"t{n}" for n in range(60, 560)]


WRITER = """
import sys
import tempfile
from pathlib import Path
from dbswitch.switch import history
from dbswitch.switch.events import Outcome, Result
for number in range(60):
    history.append(Path(sys.argv[1]), Result("id", Outcome.SWITCHED, 0, f"{sys.argv[2]}-{number}", None, "hot", 0.0))
"""


def test_lines_of_several_processes_are_all_kept_while_the_file_is_shortened(tmp_path, monkeypatch):
    for number in range(500):
        history.append(tmp_path, _result(f"old-{number}"))
    argv = [sys.executable, "-c", WRITER, str(tmp_path)]
    writers = [subprocess.Popen([*argv, name], env={"PYTHONPATH": str(SOURCES)}) for name in "abcd"]
    assert [writer.wait(60) for writer in writers] == [0] * 4
    targets = [past.target for past in history.read(tmp_path)]
    for name in "abcd":
        assert [t for t in targets if t.startswith(f"{name}-")] == [f"{name}-{n}" for n in range(60)]


@pytest.mark.parametrize(
    ("switches", "active", "expected"),
    [
        ([], "local", None),
        ([("local", "prod")], "prod", "local"),
        ([("local", "prod")], "local", "prod"),
        ([("local", "prod"), ("prod", "staging")], "staging", "prod"),
        ([("local", "prod"), ("prod", "staging", Outcome.ROLLED_BACK)], "prod", "local"),
        ([("local", "prod"), ("local", "prod", Outcome.UNCHANGED)], "prod", "local"),
        ([("local", "prod"), ("prod", "prod")], "prod", "local"),
        ([(None, "prod")], "prod", None),
        ([("local", "prod")], None, "prod"),
    ],
)
def test_the_previous_target_is_the_other_one_of_the_last_switch(tmp_path, switches, active, expected):
    for previous, target, *outcome in switches:
        history.remember(tmp_path, _result(target, previous, *outcome))
    assert history.previous_target(tmp_path, active) == expected


def test_a_history_that_came_with_the_checkout_does_not_say_where_to_go_back_to(tmp_path):
    history.append(tmp_path, _result())
    assert history.previous_target(tmp_path, "local") is None


@settings(deadline=None)  # it writes files, and a busy disk takes longer than 200 ms
@given(st.lists(st.sampled_from("abc"), min_size=2, max_size=20))
def test_going_back_twice_ends_where_one_was(walk):
    with tempfile.TemporaryDirectory() as name:
        private = Path(name)
        for previous, target in itertools.pairwise(walk):
            history.remember(private, _result(target, previous))
        here = walk[-1]
        there = history.previous_target(private, here)
        if there is not None:
            history.remember(private, _result(there, here))
            assert history.previous_target(private, there) == here


def test_the_history_tells_who_switched_from_where_and_which_guard_was_lifted(served: Folder) -> None:
    assert served.json("prod", "--confirm", "prod")[0] == 0
    assert served.json("local", env={"DBSWITCH_ORIGIN": "page"})[0] == 0
    assert served.json("prod", "--write", "--confirm", "prod", env={"GIT_DIR": ".git"})[0] == 0
    _, [answer] = served.json("history")
    hook, page, program = answer["entries"]
    assert {one["user"] for one in answer["entries"]} == {getpass.getuser()}
    assert (program["origin"], program["lifted"], program["away"]) == ("program", ["protected"], None)
    assert (page["origin"], page["lifted"]) == ("page", [])
    assert (hook["origin"], hook["lifted"]) == ("hook", ["protected", "read-only"])
    assert f"{getpass.getuser()}, page" in served.run("history", env={"LOGNAME": "somebody-else"}).stdout
    told = served.run("history").stdout
    assert "s  page\n" in told
    assert "hook     confirmed, made writable\n" in told


def test_the_history_tells_how_long_the_server_was_away(served: Folder) -> None:
    assert served.run("dev", "--detach").returncode == 0
    assert served.json("prod", "--confirm", "prod")[0] == 0
    _, [answer] = served.json("history")
    [entry] = answer["entries"]
    assert entry["mode"] == "restart"
    assert 0 < entry["away"] <= entry["seconds"]
