"""Kill or disturb a transaction at each single call it makes, with strace where it may be used, else with failpoints."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

import msgspec

from tests.envfiles import crash_scenarios

HERE = Path(__file__).parent
SOURCES = HERE.parent.parent
PACKAGES = Path(msgspec.__file__).parents[1]
WORKERS = 2
DEADLINE = 300.0  # seconds for one child
END = "END-OF-THE-SUBJECT"
# Calls of the interpreter, not of the transaction: memory, and what it does to find time and randomness.
NOT_FILES = {"mmap", "munmap"}


@dataclass(frozen=True)
class Point:
    """The N-th call of a name; `error` None means kill before it, else let it fail so (`persistent`: and all after)."""

    call: str
    number: int
    error: str | None = None
    persistent: bool = False

    def injection(self) -> str:
        what = "signal=KILL" if self.error is None else f"error={self.error}"
        return f"inject={self.call}:{what}:when={self.number}{'+' if self.persistent else ''}"


class Subject:
    """One forking process; each run is a child of it."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-S", "-E", str(HERE / "crash_child.py"), str(SOURCES), str(PACKAGES)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, folder: Path, scenario: str, action: str, strace: list[str] | None) -> tuple[int, str]:
        """Return the exit status (minus the signal) of a run and what it said."""
        process = self._process
        process.stdin.write(json.dumps([str(folder), scenario, action]) + "\n")
        process.stdin.flush()
        pid = int(process.stdout.readline())
        tracer = None
        if strace is not None:
            tracer = subprocess.Popen(
                ["strace", *strace, "-p", str(pid)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
            )
            try:
                _await_tracer(pid, tracer)
            except RuntimeError:
                process.stdout.readline()
                raise
        os.kill(pid, signal.SIGUSR1)
        status, text = json.loads(process.stdout.readline())
        if tracer is not None:
            tracer.communicate(timeout=DEADLINE)
        return status, text

    def close(self) -> None:
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(DEADLINE)


def _await_tracer(pid: int, tracer: subprocess.Popen[bytes]) -> None:
    # strace says so after PTRACE_INTERRUPT; /proc's TracerPid shows earlier, and calls made in between are missed.
    line = tracer.stderr.readline()
    if b"attached" not in line:
        os.kill(pid, signal.SIGKILL)
        tracer.wait(DEADLINE)
        raise RuntimeError(f"strace may not attach: {line.decode().strip()}")


class Sweep:
    """Runs points in fresh folders, two at a time."""

    def __init__(self, base: Path) -> None:
        self._base = base
        self._idle: SimpleQueue[Subject] = SimpleQueue()
        self._subjects = [Subject() for _ in range(WORKERS)]
        for subject in self._subjects:
            self._idle.put(subject)

    def close(self) -> None:
        for subject in self._subjects:
            subject.close()

    def strace_reason(self) -> str:
        """Return why strace cannot be used here, or nothing."""
        if shutil.which("strace") is None:
            return "strace is not installed"
        try:
            points = self.points("edits")
        except (RuntimeError, OSError) as error:
            return str(error)
        return "" if points else "strace saw nothing"

    def points(self, scenario: str, *, action: str = "apply", prepare=None, status: int = 0) -> list[Point]:
        """Return every call of an undisturbed run that names a file or uses a descriptor."""
        folder = self.fresh(scenario, "baseline")
        if prepare is not None:
            prepare(folder)
        log = folder.parent / f"{folder.name}.log"
        subject = self._idle.get()
        try:
            ended, text = subject.run(
                folder, scenario, action, ["-e", "trace=%file,%desc", "-e", "signal=none", "-o", str(log)]
            )
        finally:
            self._idle.put(subject)
        assert ended == status, text
        calls = Counter()
        for line in log.read_text().splitlines():
            if END in line:
                break
            name = line.partition("(")[0].split()[-1]
            if name not in NOT_FILES:
                calls[name] += 1
        else:
            raise RuntimeError("strace did not show the end of the run")
        return [Point(name, n) for name, total in calls.items() for n in range(1, total + 1)]

    def fresh(self, scenario: str, name: str) -> Path:
        folder = self._base / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        crash_scenarios.build(scenario, folder)
        return folder

    def kill_at(self, folder: Path, scenario: str, failpoint: int) -> None:
        """Leave `folder` as a transaction killed before its N-th effect leaves it."""
        subject = self._idle.get()
        try:
            status, text = subject.run(folder, scenario, f"apply:{failpoint}", None)
        finally:
            self._idle.put(subject)
        assert status == -signal.SIGKILL, text

    def each(self, points, scenario: str, judge, *, action: str = "apply", prepare=None) -> list[str]:
        """Run all points; `judge(folder, status, text)` returns what is wrong. Return one line for each wrong point."""

        points = list(points)

        def one(item: tuple[int, Point | int]) -> list[str]:
            index, point = item
            folder = self.fresh(scenario, f"p{index:05d}")
            if prepare is not None:
                prepare(folder)
            subject = self._idle.get()
            try:
                if isinstance(point, Point):
                    trace = ["-e", f"trace={point.call}", "-e", point.injection(), "-o", "/dev/null"]
                    status, text = subject.run(folder, scenario, action, trace)
                else:
                    status, text = subject.run(folder, scenario, f"{action}:{point}", None)
            finally:
                self._idle.put(subject)
            wrong = [
                f"{point}: {fault} (status {status} {text})" for fault in judge(folder, status, text, point)
            ]
            if not wrong:
                shutil.rmtree(folder)
            return wrong

        with ThreadPoolExecutor(WORKERS) as pool:
            return [fault for faults in pool.map(one, enumerate(points)) for fault in faults]
