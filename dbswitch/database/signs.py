"""Signs that a database on this machine has come up, seen without connecting to it.

A refused connection costs little, but every attempt that a starting server answers costs it a process, and attempts in
quick succession are what fills its log. Linux shows for free what is worth waiting for: a new listener on the port, a new
socket file, the end of the server's start-up process (its title is world-readable). For a remote host, and on systems without `/proc`, there are no signs and waiting is plain back-off.
"""

from __future__ import annotations

import math
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from dbswitch.database.listening import listeners

if TYPE_CHECKING:
    from dbswitch.database.url import DatabaseUrl

PERIOD: Final = 0.02
CENSUS_PERIOD: Final = 0.1
_PROC: Final = Path("/proc")
_MOST_OF_THE_TIME_ASLEEP: Final = 10


class Signs:
    """What can be seen of one URL's server from outside.

    Args:
        url: the database.
    """

    def __init__(self, url: DatabaseUrl) -> None:
        self._port = url.port
        self._socket = Path(url.host) / f".s.PGSQL.{url.port}" if url.is_socket else None
        self._seen: frozenset[str] = frozenset()
        self._loopback = url.is_local and not url.is_socket and sys.platform == "linux"

    @property
    def visible(self) -> bool:
        """Whether there is anything to look at."""
        return self._loopback or self._socket is not None

    def look(self) -> None:
        """Remember what is there now; news is what comes after it. To be called before an attempt, not after."""
        self._seen = self._listeners()

    def sleep(self, seconds: float, *, starting: bool = False) -> bool:
        """Sleep, but not longer than until something new is to be seen.

        Args:
            seconds: the longest sleep.
            starting: the server has said that it is starting up.

        Returns:
            Whether something new was seen.
        """
        until = time.monotonic() + seconds
        if not self.visible:
            time.sleep(seconds)
            return False
        startups: frozenset[int] = frozenset()
        next_census = 0.0 if starting and sys.platform == "linux" else math.inf
        while (left := until - time.monotonic()) > 0:
            spent = time.thread_time()
            if self._listeners() - self._seen or any(not _is_startup(pid) for pid in startups):
                return True
            if time.monotonic() >= next_census:
                # Again and again: a process that was just forked does not bear its title yet.
                startups |= _startup_processes()
                next_census = time.monotonic() + CENSUS_PERIOD
            # A machine with very many sockets makes a look expensive; processor time, as others may hold us up.
            pause = max(PERIOD, _MOST_OF_THE_TIME_ASLEEP * (time.thread_time() - spent))
            time.sleep(min(pause, left))
        return False

    def _listeners(self) -> frozenset[str]:
        if not self.visible:
            return frozenset()
        if self._socket is not None:
            try:
                found = self._socket.stat()
            except OSError:
                return frozenset()
            return frozenset({f"{found.st_ino}:{found.st_mtime_ns}"})
        return listeners(self._port)


def _startup_processes() -> frozenset[int]:
    return frozenset(
        int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit() and _is_startup(int(entry.name))
    )


def _is_startup(pid: int) -> bool:
    try:
        title = (_PROC / str(pid) / "cmdline").read_bytes()
    except OSError:
        return False
    return title.startswith(b"postgres: ") and b": startup" in title
