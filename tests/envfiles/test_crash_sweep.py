"""A transaction is killed or disturbed at every single call it makes; nothing is sampled."""

from __future__ import annotations

import shutil
import signal
import time
from collections import Counter
from dataclasses import replace

import pytest

from dbswitch.envfiles import journal_format as journals
from dbswitch.envfiles.transaction import recover
from tests.envfiles.crash_scenarios import SCENARIOS, blemishes, outcome
from tests.envfiles.crash_sweep import Point, Sweep

FAILPOINTS = 1000  # more than any run has; the sweep ends at the first one that is not reached


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    made = Sweep(tmp_path_factory.mktemp("sweep"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def no_strace(sweep):
    return sweep.strace_reason()


def _killed(scenario, seen):
    """Judge a run that was to be killed: the next command's recovery must leave one of the two states."""

    def judge(folder, status, text, point):
        if status != -signal.SIGKILL:
            return [f"was not killed: {status} {text}"]
        recover(folder / "state" / "journal")
        found = outcome(scenario, folder)
        seen[found[:5].strip()] += 1
        wrong = [] if found in {"old", "new"} else [found]
        return wrong + blemishes(scenario, folder)

    return judge


def _all_failpoints(sweep, scenario, judge, **how):
    """Sweep failpoints one after the other until one is not reached any more; return how many there were."""
    reached: list[int] = []

    def until_unreached(folder, status, text, point):
        if status != -signal.SIGKILL:
            return []
        reached.append(point)
        return judge(folder, status, text, point)

    wrong = []
    step = 40
    for first in range(1, FAILPOINTS, step):
        wrong += sweep.each(range(first, first + step), scenario, until_unreached, **how)
        if len(reached) < first + step - 1:
            break
    assert sorted(reached) == list(range(1, len(reached) + 1))
    return len(reached), wrong


def _sweep_kills(sweep, no_strace, scenario, seen, **how):
    status = how.pop("status", 0)
    if no_strace:
        count, wrong = _all_failpoints(sweep, scenario, _killed(scenario, seen), **how)
        return count, wrong, f"failpoints, since {no_strace}"
    points = sweep.points(scenario, status=status, **how)
    return len(points), sweep.each(points, scenario, _killed(scenario, seen), **how), "strace"


@pytest.mark.sweep
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_killed_before_any_system_call_everything_is_old_or_new_after_recovery(
    sweep, no_strace, scenario, figure
):
    seen, began = Counter(), time.monotonic()
    count, wrong, how = _sweep_kills(sweep, no_strace, scenario, seen)
    took = time.monotonic() - began
    figure(
        f"crash sweep: {scenario}: {count} kill points with {how}, {dict(seen)}, {len(wrong)} wrong, {took:.1f} s"
    )
    assert wrong == []
    assert count > 60
    assert set(seen) == {"old", "new"}


@pytest.mark.sweep
@pytest.mark.parametrize("scenario", ["portable", "mixture"])
def test_killed_during_rollback_everything_is_old_or_new_after_recovery(sweep, no_strace, scenario, figure):
    seen, began = Counter(), time.monotonic()
    count, wrong, how = _sweep_kills(sweep, no_strace, scenario, seen, action="fail", status=7)
    took = time.monotonic() - began
    figure(f"crash sweep: {scenario}, roll back: {count} kill points with {how}, {dict(seen)}, {took:.1f} s")
    assert wrong == []
    assert count > 60
    assert set(seen) == {"old", "new"}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_killed_before_any_effect_everything_is_old_or_new_after_recovery(sweep, scenario, figure):
    seen = Counter()
    count, wrong = _all_failpoints(sweep, scenario, _killed(scenario, seen))
    figure(f"crash sweep: {scenario}: {count} kill points with failpoints, {dict(seen)}, {len(wrong)} wrong")
    assert wrong == []
    assert set(seen) == {"old", "new"}


@pytest.mark.sweep
def test_recovery_killed_before_any_system_call_is_finished_by_the_next_one(sweep, no_strace, figure):
    """From every distinct state that a kill can leave behind."""
    scenario, seen, began = "mixture", Counter(), time.monotonic()
    states: dict[tuple, int] = {}

    def note(folder, _status, _text, point):
        if (folder / "state" / "journal").exists():
            states.setdefault(_look(folder), point)
        return []

    total, _ = _all_failpoints(sweep, scenario, note)
    count = 0
    for failpoint in states.values():
        killed = sweep.fresh(scenario, f"killed-{failpoint}")
        sweep.kill_at(killed, scenario, failpoint)

        def prepare(folder, killed=killed):
            _copy(killed, folder)

        points, wrong, how = _sweep_kills(sweep, no_strace, scenario, seen, action="recover", prepare=prepare)
        assert wrong == []
        count += points
    took = time.monotonic() - began
    figure(
        f"crash sweep: recovery: {count} kill points with {how} from {len(states)} states ({total} kills), {dict(seen)}, {took:.1f} s",
    )
    assert set(seen) == {"new"}  # the journal was there, so the only way is forward
    assert len(states) > 8


def _copy(killed, folder):
    """Make `folder` what `killed` is, the paths in the journal included."""
    shutil.rmtree(folder)
    shutil.copytree(killed, folder, symlinks=True)
    path = folder / "state" / "journal"
    left = journals.decode(path.read_bytes())
    entries = [
        replace(
            e, path=e.path.replace(str(killed), str(folder)), real=e.real.replace(str(killed), str(folder))
        )
        for e in left.entries
    ]
    path.write_bytes(journals.encode(replace(left, entries=tuple(entries))))


def _look(folder):
    files = [p for place in (folder, folder / "shared") for p in sorted(place.iterdir()) if p.is_file()]
    return tuple((p.name.partition(".dbswitch-")[0], ".dbswitch-" in p.name, p.read_bytes()) for p in files)


ERRORS = ("ENOSPC", "EIO", "EACCES")


def _failed_once(scenario, seen):
    def judge(folder, status, text, point):
        found = outcome(scenario, folder)
        seen[found[:5].strip()] += 1
        wrong = blemishes(scenario, folder)
        if (status, found) == (0, "new"):
            return wrong
        if (status, found) == (7, "old"):
            return wrong
        return [f"ended {status}, {found}", *wrong]

    return judge


@pytest.mark.sweep
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_any_single_failing_call_leaves_everything_unchanged_or_done(sweep, no_strace, scenario, figure):
    """Each call fails with ENOSPC, EIO and EACCES (in turn where the scenario is only a variant).

    No recovery is needed, and nothing is left behind.
    """
    if no_strace:
        pytest.skip(f"{no_strace}; test_transaction.py lets every effect fail without it")
    seen, began = Counter(), time.monotonic()
    points = [
        Point(p.call, p.number, error)
        for index, p in enumerate(sweep.points(scenario))
        for error in (ERRORS if scenario == "edits" else [ERRORS[index % 3]])
    ]
    wrong = sweep.each(points, scenario, _failed_once(scenario, seen))
    took = time.monotonic() - began
    figure(
        f"crash sweep: {scenario}: {len(points)} failing calls, {dict(seen)}, {len(wrong)} wrong, {took:.1f} s"
    )
    assert wrong == []
    assert set(seen) == {"old", "new"}


def _failed_for_good(scenario, seen):
    def judge(folder, status, text, point):
        before = outcome(scenario, folder)
        recover(folder / "state" / "journal")
        after = outcome(scenario, folder)
        seen[status] += 1
        wrong = blemishes(scenario, folder)
        match status:
            case 0 if (before, after) == ("new", "new"):
                return wrong
            case 7 if (before, after) == ("old", "old"):
                return wrong
            case 8 if after in {"old", "new"}:
                return wrong
        return [f"{before}, then {after}", *wrong]

    return judge


@pytest.mark.sweep
@pytest.mark.parametrize("scenario", ["portable"])
def test_a_call_that_keeps_failing_is_reported_correctly_and_the_next_run_repairs(
    sweep, no_strace, scenario, figure
):
    if no_strace:
        pytest.skip(no_strace)
    seen, began = Counter(), time.monotonic()
    points = [Point(p.call, p.number, "EIO", persistent=True) for p in sweep.points(scenario)]
    wrong = sweep.each(points, scenario, _failed_for_good(scenario, seen))
    took = time.monotonic() - began
    figure(
        f"crash sweep: {scenario}: {len(points)} calls failing for good, {dict(seen)}, {len(wrong)} wrong, {took:.1f} s",
    )
    assert wrong == []
