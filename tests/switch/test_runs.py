"""The event files of runs: ids that cannot name another file, and lines that are whole."""

from __future__ import annotations

import json
import stat
import time

import pytest
from hypothesis import given, strategies as st

from dbswitch.errors import UsageError
from dbswitch.switch import history
from dbswitch.switch.events import Notice, Started, to_wire


def test_ids_are_unique_sort_by_time_and_fit_a_url():
    ids = [history.new_id() for _ in range(50)]
    assert len(set(ids)) == 50
    stamps = [i.partition("-")[0] for i in ids]
    assert stamps == sorted(stamps)
    assert all(c.isalnum() or c == "-" for i in ids for c in i)


@pytest.mark.parametrize("bad", ["", "../../etc/passwd", "x", "20260101T000000000Z-0000000", "a/b", "\0"])
def test_what_is_no_id_is_refused(tmp_path, bad):
    with pytest.raises(UsageError):
        history.path_of(tmp_path, bad)


@given(st.text(max_size=40))
def test_no_text_leads_out_of_the_folder(tmp_path_factory, text):
    base = tmp_path_factory.getbasetemp()
    try:
        path = history.path_of(base, text)
    except UsageError:
        return
    assert path.parent == base / "runs"


@pytest.mark.parametrize("extra", ["\n", " ", "0"])
def test_an_id_with_anything_added_is_none(tmp_path, extra):
    with pytest.raises(UsageError):
        history.path_of(tmp_path, history.new_id() + extra)


def test_digits_of_other_scripts_make_no_id(tmp_path):
    with pytest.raises(UsageError):
        history.path_of(tmp_path, "\u0662\u0660260101T000000000Z-00000000")


def test_events_are_seen_at_once_and_a_half_written_one_spoils_no_other(tmp_path):
    run_id = history.new_id()
    write = history.RunFile(tmp_path, run_id)
    first, second = Started(run_id, "prod", time.time()), Notice("c", "a text\nof two lines")
    write(first)
    path = history.path_of(tmp_path, run_id)
    assert json.loads(path.read_text()) == to_wire(first)
    with path.open("ab") as stream:
        stream.write(b'{"v":1,"event":"no')
    write(second)
    lines = path.read_text().splitlines()
    assert [json.loads(lines[0]), json.loads(lines[2])] == [to_wire(first), to_wire(second)]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_only_the_fifty_newest_runs_are_kept_and_other_files_left_alone(tmp_path):
    history.prune(tmp_path)
    ids = [f"20260101T000000{n:03d}Z-00000000" for n in range(60)]
    for run_id in ids:
        history.RunFile(tmp_path, run_id)(Notice("c", "t"))
    (tmp_path / "runs" / "mine.txt").write_text("x")
    history.prune(tmp_path)
    kept = sorted(p.name for p in (tmp_path / "runs").iterdir())
    assert kept == [*(f"{i}.jsonl" for i in ids[10:]), "mine.txt"]


def test_after_the_clock_was_set_back_the_present_run_keeps_its_events(tmp_path, monkeypatch):
    now = history.time.time_ns()
    monkeypatch.setattr(history.time, "time_ns", lambda: now + 3_600_000_000_000)
    future = [history.new_id() for _ in range(history.KEPT_RUNS)]
    for run_id in future:
        history.RunFile(tmp_path, run_id)(Started(run_id, "prod", time.time()))
    monkeypatch.setattr(history.time, "time_ns", lambda: now)
    mine = history.new_id()
    history.RunFile(tmp_path, mine)(Started(mine, "prod", time.time()))
    monkeypatch.setattr(history.time, "time_ns", lambda: now + 1_000_000)

    history.prune(tmp_path)

    assert history.path_of(tmp_path, mine).exists()
    assert len(list((tmp_path / "runs").iterdir())) == history.KEPT_RUNS
