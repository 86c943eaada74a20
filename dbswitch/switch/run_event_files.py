"""The events of each run: `.dbswitch/runs/<id>.jsonl`, for callers that do not wait for the run (`--detach`)."""

from __future__ import annotations

import contextlib
import os
import re
import time
from typing import TYPE_CHECKING

from dbswitch import durable
from dbswitch.errors import UsageError
from dbswitch.switch.events import Event, to_line

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = "runs"
KEPT = 50
_ID = re.compile(r"[0-9]{8}T[0-9]{9}Z-[0-9a-f]{8}")


def new_id() -> str:
    """Return an id that sorts by time (UTC, milliseconds) and fits a URL and a file name as it is."""
    nanoseconds = time.time_ns()
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime(nanoseconds // 1_000_000_000))
    return f"{stamp}{nanoseconds // 1_000_000 % 1000:03d}Z-{os.urandom(4).hex()}"


def path_of(state_dir: Path, run_id: str) -> Path:
    """Return the file of a run. Raises UsageError."""
    if _ID.fullmatch(run_id) is None:
        raise UsageError(
            "that is not the id of a run",
            facts=[f"id: {run_id[:60]!r}"],
            fix="`dbswitch history` lists the ids",
        )
    return state_dir / FOLDER / f"{run_id}.jsonl"


class RunFile:
    """Writes the events of one run, each visible to readers at once. Raises OSError where its folder cannot be used."""

    def __init__(self, state_dir: Path, run_id: str) -> None:
        self._path = path_of(state_dir, run_id)
        durable.ensure_own_dir(self._path.parent)

    def __call__(self, event: Event) -> None:
        """Append an event. Raises OSError."""
        append_line(self._path, to_line(event))


def prune(state_dir: Path) -> None:
    """Remove the files of all but the newest runs; one that cannot be removed stays."""
    # After the clock was set back, ids from the future count as the oldest: the current run must not lose its file.
    folder = state_dir / FOLDER
    present = new_id()
    try:
        names = [path.name for path in folder.iterdir() if _ID.fullmatch(path.stem)]
    except OSError:
        return
    names.sort(key=lambda name: (name < present, name))
    for name in names[:-KEPT]:
        with contextlib.suppress(OSError):
            (folder / name).unlink()


def append_line(path: Path, line: str) -> None:
    """Append one line in one write, after closing a line that a crash cut short. Raises OSError."""
    fd = durable.open_private(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
    try:
        size = os.fstat(fd).st_size
        cut = size > 0 and os.pread(fd, 1, size - 1) != b"\n"
        # A path that is not valid text (PEP 383) must not keep the line from being written.
        content = line.encode(errors="backslashreplace")
        os.write(fd, (b"\n" if cut else b"") + content + b"\n")
    finally:
        os.close(fd)
