"""Signs that a database on this machine has come up, seen without connecting to it.

A refused connection costs little, but every attempt that a starting server answers costs it a process, and attempts in
quick succession are what fills its log. Linux shows for free what is worth waiting for: a new listener on the port
(`/proc/net/tcp`, proc(5)), a new socket file, the end of the server's start-up process (its title is world-readable).
For a remote host, and on systems without `/proc`, there are no signs and waiting is plain back-off.
"""

from __future__ import annotations

import ipaddress
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dbswitch.database.url import DatabaseUrl

PERIOD: Final = 0.02
_PROC: Final = Path("/proc")
_LISTENING: Final = "0A"
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
        startups = _startup_processes() if starting and sys.platform == "linux" else frozenset()
        while (left := until - time.monotonic()) > 0:
            looked = time.monotonic()
            now = self._listeners()
            if now - self._seen or any(not _is_startup(pid) for pid in startups):
                return True
            # A machine with very many sockets makes a look expensive.
            pause = max(PERIOD, _MOST_OF_THE_TIME_ASLEEP * (time.monotonic() - looked))
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
        return frozenset(
            inode
            for table in ("net/tcp", "net/tcp6")
            for inode in listening_inodes(_lines(_PROC / table), self._port)
        )


def listening_inodes(lines: Iterable[str], port: int) -> frozenset[str]:
    """Return the sockets that listen on `port` of the loopback or every address, from lines of `/proc/net/tcp{,6}`."""
    suffix = f":{port:04X}"
    found = set()
    for line in lines:
        fields = line.split(maxsplit=10)
        if len(fields) > 9 and fields[3] == _LISTENING and fields[1].endswith(suffix):
            address = _address(fields[1].partition(":")[0])
            if address.is_loopback or address.is_unspecified:
                found.add(fields[9])
    return frozenset(found)


def _address(hexadecimal: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    # Each group of four bytes stands in the machine's own order.
    raw = b"".join(
        int(hexadecimal[start : start + 8], 16).to_bytes(4, sys.byteorder)
        for start in range(0, len(hexadecimal), 8)
    )
    address = ipaddress.ip_address(raw)
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii").splitlines()[1:]
    except (OSError, UnicodeError):
        return []


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
