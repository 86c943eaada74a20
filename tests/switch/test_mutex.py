"""One switch at a time, the newest request first, and nobody is kept waiting by the dead."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import re
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from dbswitch.errors import BusyError, ExitCode, OvertakenError
from dbswitch.server.processes import ProcessId
from dbswitch.switch import project_lock
from dbswitch.switch.project_lock import Holder, Lease

HERE = Path(__file__).parent
SOURCES = HERE.parent.parent
DEADLINE = 60.0


class Child:
    """A process of `mutex_child.py`; everything it says is kept."""

    def __init__(self, state, target, mode="hold", deadline=DEADLINE):
        self.target = target
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "mutex_child.py"), str(state), target, str(deadline), mode],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(SOURCES)},
        )
        self.said: list[str] = []
        self.pid = self.process.pid
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        self.said.extend(line.rstrip("\n") for line in iter(self.process.stdout.readline, ""))

    def await_(self, pattern):
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end:
            for line in list(self.said):
                if re.match(pattern, line):
                    return line
            time.sleep(0.01)
        raise AssertionError(f"{self.target} said {self.said}, not {pattern}")

    def tell(self, line="go"):
        with contextlib.suppress(BrokenPipeError):  # it has ended in the meantime
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()

    def end(self):
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        self.process.wait(DEADLINE)
        self._reader.join(DEADLINE)
        self.process.stdout.close()

    def kill(self):
        self.process.kill()
        self.process.wait(DEADLINE)


@pytest.fixture
def state(tmp_path):
    return tmp_path / ".dbswitch"


@pytest.fixture
def child(state):
    made = []

    def start(target, mode="hold", **how):
        made.append(Child(state, target, mode, **how))
        return made[-1]

    yield start
    for one in made:
        if one.process.poll() is None:
            one.process.kill()
        one.end()


def test_the_lock_is_free_before_and_after(state):
    with project_lock.acquire(state, target="prod", deadline=1) as lease:
        lease.check()
        assert project_lock.peek(state) == lease.holder
    assert project_lock.peek(state) is None
    for path in state.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert {path.name for path in state.iterdir()} == {".gitignore", "lock", "requests"}


def test_who_only_tidies_up_takes_no_ticket_and_overtakes_nobody(child, state):
    first = child("prod")
    first.await_("holds")
    with project_lock.acquire_if_free(state, target="repair") as ours:
        assert not ours
    second = child("local")
    second.await_(f"waits {first.pid} prod")
    with project_lock.acquire_if_free(state, target="repair") as ours:
        assert not ours
    first.tell("end")
    second.await_("holds")
    second.tell("end")
    second.end()
    with project_lock.acquire_if_free(state, target="repair") as ours:
        assert ours
        assert project_lock.peek(state).text.startswith(f"dbswitch repair, pid {os.getpid()}, since ")
        third = child("prod")
        third.await_(f"waits {os.getpid()} repair")
    third.await_("holds")


def test_a_reader_that_looks_at_this_moment_makes_no_writer_fail(state, monkeypatch):
    with project_lock.acquire(state, target="prod", deadline=1):
        pass
    reader = os.open(state / "lock", os.O_RDONLY)
    fcntl.flock(reader, fcntl.LOCK_SH)  # as `peek` does, for an instant
    sleep = time.sleep

    def reader_ends(seconds):
        fcntl.flock(reader, fcntl.LOCK_UN)
        sleep(seconds)

    monkeypatch.setattr(time, "sleep", reader_ends)
    with project_lock.acquire_if_free(state, target="extend") as ours:
        assert ours
    os.close(reader)


def test_the_lock_is_held_on_a_full_disk_too(state, monkeypatch):
    def full(*_words):
        raise OSError(errno.ENOSPC, "No space left on device")

    state.mkdir()
    with project_lock.acquire(state, target="prod", deadline=1):
        pass
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        patched.setattr(os, "pwrite", full)
        with project_lock.acquire(state, target="stop", deadline=1) as lease:
            lease.check()
            assert project_lock.peek(state) == project_lock.UNKNOWN
    assert project_lock.peek(state) is None


def test_peeking_where_there_is_no_state_folder_makes_none(state):
    assert project_lock.peek(state) is None
    assert not state.exists()


def test_a_waiter_is_told_whom_it_waits_for_and_gets_the_lock_afterwards(child):
    first = child("prod")
    first.await_("holds")
    second = child("local")
    second.await_(f"waits {first.pid} prod")
    first.tell("end")
    second.await_("holds")


def test_at_the_deadline_the_holder_is_named(child, state):
    holder = child("prod")
    holder.await_("holds")
    began = time.monotonic()
    with (
        pytest.raises(BusyError) as caught,
        project_lock.acquire(state, target="local", deadline=0.3),
    ):
        raise AssertionError
    assert 0.3 <= time.monotonic() - began < 60
    assert not isinstance(caught.value, OvertakenError)
    assert caught.value.exit_code is ExitCode.BUSY
    assert f"dbswitch prod, pid {holder.pid}" in caught.value.facts[0]


def test_a_killed_holder_blocks_nobody_and_its_record_is_not_believed(child, state):
    holder = child("prod")
    holder.await_("holds")
    holder.kill()
    assert json.loads((state / "lock").read_bytes())["process"]["pid"] == holder.pid
    assert project_lock.peek(state) is None
    with project_lock.acquire(state, target="local", deadline=1) as lease:
        assert project_lock.peek(state) == lease.holder


def test_a_child_of_a_killed_holder_does_not_keep_the_lock(child, state):
    holder = child("prod", "spawn")
    grandchild = int(holder.await_("child").split()[1])
    try:
        holder.kill()
        os.kill(grandchild, 0)
        with project_lock.acquire(state, target="local", deadline=5):
            pass
    finally:
        os.kill(grandchild, signal.SIGKILL)


def test_a_waiter_leaves_when_a_newer_request_comes_and_is_told_which(child):
    holder = child("prod")
    holder.await_("holds")
    older = child("staging")
    older.await_("waits")
    newer = child("local")
    assert f"dbswitch local, pid {newer.pid}" in older.await_("overtaken")
    holder.tell("end")
    newer.await_("holds")


def test_a_killed_waiter_overtakes_nobody(child, state):
    holder = child("prod")
    holder.await_("holds")
    newer = child("local")
    newer.await_("waits")
    newer.kill()
    holder.tell("check")
    holder.await_("goes on")


def test_the_holder_steps_back_at_a_safe_point_only(child):
    holder = child("prod")
    holder.await_("holds")
    holder.tell("check")
    holder.await_("goes on")
    newer = child("local")
    newer.await_("waits")
    holder.tell("check")
    assert f"pid {newer.pid}" in holder.await_("overtaken")
    newer.await_("holds")


def test_who_asked_last_is_never_told_that_it_was_overtaken(child, state):
    child("prod").await_("holds")
    with pytest.raises(BusyError) as caught, project_lock.acquire(state, target="local", deadline=0.1):
        raise AssertionError
    assert not isinstance(caught.value, OvertakenError)


def test_a_deleted_lock_file_is_noticed_by_waiters_and_by_the_holder(child, state):
    """Somebody cleans the state folder: one lock for all who come next, and the old holder steps back."""
    holder = child("prod")
    holder.await_("holds")
    waiter = child("local")
    waiter.await_("waits")
    (state / "lock").unlink()
    waiter.await_("holds")
    waiter.tell("check")
    waiter.await_("goes on")
    waiter.tell("end")
    waiter.await_("done")
    holder.tell("check")
    holder.await_("busy .*not the file that was locked")


def test_a_lock_file_that_is_a_symlink_is_not_trusted(state):
    state.mkdir()
    (state / "lock").symlink_to(state / "elsewhere")
    with pytest.raises(OSError), project_lock.acquire(state, target="prod", deadline=0.1):
        raise AssertionError


def test_an_unreadable_record_is_still_somebody(state):
    state.mkdir()
    with (state / "lock").open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        assert project_lock.peek(state) == project_lock.UNKNOWN
        with pytest.raises(BusyError) as caught, project_lock.acquire(state, target="prod", deadline=0.1):
            raise AssertionError
    assert "another dbswitch" in caught.value.facts[0]


def test_a_holder_that_is_gone_while_its_lock_is_kept_is_described_so(state):
    here = os.uname().nodename
    assert "which is gone" in Holder(ProcessId(2**22 + 1, "boot:1"), here, "prod", time.time()).text
    with project_lock.acquire(state, target="prod", deadline=1) as lease:
        assert "which is gone" not in lease.holder.text
    assert "on elsewhere" in Holder(ProcessId(1, ""), "elsewhere", "prod", 0.0).text


def test_the_body_of_a_lease_may_fail_and_the_lock_is_free(state):
    with pytest.raises(ZeroDivisionError), project_lock.acquire(state, target="prod", deadline=1):
        raise ZeroDivisionError
    assert project_lock.peek(state) is None


def test_no_descriptor_stays_open(state):
    folder = Path("/proc/self/fd")
    if not folder.exists():
        pytest.skip("no /proc")
    with project_lock.acquire(state, target="prod", deadline=1):
        pass
    before = len(list(folder.iterdir()))
    for _ in range(20):
        with project_lock.acquire(state, target="prod", deadline=1):
            with contextlib.suppress(BusyError), project_lock.acquire(state, target="local", deadline=0):
                pass
            project_lock.peek(state)
    assert len(list(folder.iterdir())) == before


def _ended(one):
    return next((line for line in list(one.said) if line.startswith(("done", "overtaken", "busy"))), "")


def _settle(crowd):
    """Wait until one changes something and at most one other is left, and return both."""
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        alive = [one for one in crowd if not _ended(one)]
        changing = [one for one in alive if any(line.startswith("changes") for line in list(one.said))]
        assert len(changing) <= 1
        waiting = [one for one in alive if one not in changing]
        if changing and len(waiting) <= 1:
            return changing[0], waiting
        time.sleep(0.01)
    raise AssertionError([one.said for one in crowd])


def test_twenty_requests_at_once_end_on_the_newest_and_everyone_is_told_the_truth(child, state):
    crowd = [child(f"t{number:02d}", "work") for number in range(20)]
    for one in crowd:
        one.await_("ready")
    for one in crowd:
        one.tell()
    first, newest = _settle(crowd)
    first.tell("end")
    first.await_("done")
    for last in newest:
        last.await_("changes|overtaken")  # one that is older than the first has just not looked yet
        last.tell("end")
        last.await_("done|overtaken")
    done = [one.target for one in (first, *newest) if _ended(one) == "done"]
    assert (state / "changes").read_text().split() == done
    assert len(done) <= 2
    names = {one.target: one for one in crowd}
    for one in crowd:
        # Who is named as newer had really asked, and the chain of names leads to one that was carried out.
        followed = one
        for _ in crowd:
            if _ended(followed) == "done":
                break
            followed = names[re.match(r"overtaken dbswitch (t\d\d), pid", _ended(followed))[1]]
        assert followed.target in done
    assert project_lock.peek(state) is None


def test_a_crowd_killed_in_its_midst_leaves_nothing_that_blocks(child, state):
    crowd = [child(f"t{number}", "work") for number in range(8)]
    for one in crowd:
        one.await_("ready")
    for one in crowd:
        one.tell()
    for one in crowd[::2]:
        one.kill()
    for one in crowd[1::2]:
        one.tell("end")
    for one in crowd[1::2]:
        one.await_("done|overtaken")
    with project_lock.acquire(state, target="last", deadline=5):
        pass


def test_a_newer_request_that_comes_in_the_last_instant_still_wins(child, state, monkeypatch):
    """The lock became free, and this request took it before it saw the newer one."""
    original = project_lock._lock

    def late(fd):
        child("staging", "ask").await_("asked")
        return original(fd)

    monkeypatch.setattr(project_lock, "_lock", late)
    with (
        pytest.raises(OvertakenError, match="newer") as caught,
        project_lock.acquire(state, target="prod", deadline=9),
    ):
        raise AssertionError
    assert "dbswitch staging" in caught.value.facts[0]
    monkeypatch.undo()
    assert project_lock.peek(state) is None


def test_two_who_look_for_newer_requests_at_once_do_not_take_each_other_for_one(child, state):
    holder = child("prod")
    holder.await_("holds")
    waiter = child("local")
    waiter.await_("waits")
    with (state / "requests").open("rb+") as other:  # as a third does at that moment
        fcntl.lockf(other, fcntl.LOCK_SH, 0, 1 << 62)
        waiter.tell("end")
        holder.kill()
        waiter.await_("holds")


def test_the_name_of_a_newer_request_is_unknown_if_the_disk_could_not_take_it(child, state):
    with project_lock.acquire(state, target="first", deadline=1):
        pass
    with (state / "requests").open("rb+") as stream:
        request = Lease(stream.fileno(), "prod")
        child("local", "ask").await_("asked")
        os.truncate(state / "requests", 0)
        with pytest.raises(OvertakenError) as caught:
            request.look_for_newer()
    assert caught.value.facts == ("another dbswitch",)
