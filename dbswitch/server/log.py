"""The server's log: appended by the server itself, rotated by copying when it is large, followed across restarts."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from dbswitch.durable import ensure_state_dir, open_private, open_regular

MAX_BYTES = 10 * 1024 * 1024
_LOOK = 0.1  # seconds between two checks of the end of the file
_CHUNK = 64 * 1024
_TAIL = 1 << 20  # bytes

# A symlink from a cloned repository must not redirect the server's output to another file.
_APPEND = os.O_WRONLY | os.O_APPEND | os.O_CREAT
_REPLACE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC


def open_for_append(path: Path) -> int:
    """Return a private O_APPEND descriptor of the log, rotated first if it is large. Raises OSError."""
    ensure_state_dir(path.parent)
    rotate(path)
    return open_private(path, _APPEND)


def rotate(path: Path, limit: int = MAX_BYTES) -> bool:
    """Copy a log of more than `limit` bytes to `.1` and empty it; say whether that was done."""
    # The server holds the file open with O_APPEND, so after a cut to zero bytes its next line lands at the beginning. Between
    # the copy and the cut a few lines can be lost; a resident process that would prevent it is not wanted.
    # A lock on the log makes sure that one follower does it: a second one would copy what the first has just emptied.
    previous = path.with_name(path.name + ".1")
    try:
        if path.lstat().st_size <= limit:
            return False
        with os.fdopen(open_private(path, os.O_RDWR), "rb+") as source:
            fcntl.flock(source, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(source.fileno()).st_size <= limit:
                return False
            with os.fdopen(open_private(previous, _REPLACE), "wb") as target:
                shutil.copyfileobj(source, target)
            os.ftruncate(source.fileno(), 0)
    except OSError:
        return False  # another follower does it; or the disk is full, which must not keep the server from starting
    return True


def size(path: Path) -> int:
    """Return the length of the log in bytes, 0 where there is none."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def tail(path: Path, count: int, *, since: int = 0) -> tuple[bytes, int]:
    """Return the last lines after the byte `since`, of at most 1 MiB, and the log's length. Raises OSError."""
    try:
        with open_regular(path) as stream:
            end = stream.seek(0, os.SEEK_END)
            stream.seek(max(since if since <= end else 0, end - _TAIL))
            lines = stream.read(_TAIL).splitlines(keepends=True)
    except FileNotFoundError:
        return b"", 0
    return b"".join(lines[max(0, len(lines) - count) :]), end


def follow(
    path: Path, *, since: int, stop: Callable[[], bool] = lambda: False, look: float = _LOOK
) -> Iterator[bytes]:
    """Yield what is appended to the log until `stop()` says so; a rotated log is read from its new beginning.

    `since` is the byte to begin with. What came before `stop()` said yes is still yielded.
    """
    position = since
    while True:
        stopping = stop()
        with contextlib.suppress(FileNotFoundError), open_regular(path) as stream:
            end = stream.seek(0, os.SEEK_END)
            if end < position:
                position = 0
            stream.seek(position)
            while chunk := stream.read(_CHUNK):
                position += len(chunk)
                yield chunk
        if stopping:
            return
        rotate(path)
        time.sleep(look)
