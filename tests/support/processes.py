"""Finding and ending the processes that a test started, by a variable in their environment.

The variable survives a new session, a double fork and Next's change of its title. Signals go through psutil, which
compares the start time first, so a reused process id is never hit.
"""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterable

MARKER = "DBSWITCH_TEST_SESSION"


def alive(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        # A zombie is dead, even where nobody collects it.
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def with_variable(name: str, value: str) -> list[psutil.Process]:
    """Return every living process with `name=value` in its environment, without this one."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and process.environ().get(name) == value and alive(process):
                found.append(process)
    return found


def describe(process: psutil.Process) -> str:
    """Return a line with the process and the test that started it."""
    command, test = "gone", "unknown"
    with contextlib.suppress(psutil.Error, OSError):
        command = " ".join(process.cmdline()) or process.name()
        # pytest sets it while a test runs, and children inherit it.
        test = process.environ().get("PYTEST_CURRENT_TEST", "a session fixture")
    return f"pid {process.pid}: {command} (started by {test})"


def end(processes: Iterable[psutil.Process], deadline: float = 60) -> None:
    """Kill and wait until all are dead."""
    family = list(processes)
    for process in family:
        with contextlib.suppress(psutil.Error):
            process.kill()
    until = time.monotonic() + deadline
    while any(map(alive, family)):
        assert time.monotonic() < until, f"still alive after KILL: {family}"
        time.sleep(0.01)
