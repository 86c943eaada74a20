"""The order of requests: each takes a ticket, and a request that sees a newer live one gives way.

A ticket is a file that its process keeps locked (flock). It is live while the lock is held, which the system itself
takes back from a process that died: no pid has to be looked up, and it also holds between a container and its host.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import asdict

from dbswitch import durable
from dbswitch.json_text import parse_json

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = "tickets"
_UNNAMED = ".new-"
# Other names are not dbswitch's, and the cleanup of dead tickets must not remove them.
_NAMED = re.compile(r"[0-9]{12,}-[0-9a-f]{4,16}")
_OURS = re.compile(rf"{_NAMED.pattern}|{re.escape(_UNNAMED)}[0-9a-f]{{12}}")
_PRIVATE = os.O_CLOEXEC | os.O_NOFOLLOW


class Holder(Struct, frozen=True):
    """A request, as other runs see it.

    Attributes:
        pid: in the pid namespace of `host`; 0 when the record could not be read.
        target: what follows `dbswitch` in words: a target's name, else the command (`stop`, `restart`, `repair` ...).
        started: on Linux `boot_id:start` in clock ticks since that boot, so that a reused pid is told apart.
        since: seconds since the epoch.
    """

    pid: int
    started: str
    host: str
    target: str
    since: float

    @property
    def text(self) -> str:
        """One line for display."""
        if not self.pid:
            return "another dbswitch"
        where = "" if self.host == os.uname().nodename else f" on {self.host}"
        gone = " (which is gone; a child of it may keep the lock)" if self._is_gone() else ""
        return f"dbswitch {self.target}, pid {self.pid}{where}{gone}, since {time.strftime('%X', time.localtime(self.since))}"

    def to_json(self) -> bytes:
        """Return the record's bytes."""
        return json.dumps(asdict(self)).encode()

    def _is_gone(self) -> bool:
        return self.host == os.uname().nodename and process_start(self.pid) != self.started


UNKNOWN = Holder(0, "", "", "", 0.0)


def holder_from(content: bytes) -> Holder | None:
    """Return the record in `content`, or None if it is incomplete."""
    try:
        value: dict[str, Any] = parse_json(content)
        return Holder(
            int(value["pid"]),
            str(value["started"]),
            str(value["host"]),
            str(value["target"]),
            float(value["since"]),
        )
    except (ValueError, KeyError, TypeError):
        return None


def myself(target: str) -> Holder:
    """Return the record of this process."""
    return Holder(os.getpid(), process_start(os.getpid()), os.uname().nodename, target, time.time())


def process_start(pid: int) -> str:
    """Return a value that distinguishes a process from a later one with its pid; empty where there is none.

    Linux: boot_id and field 22 of /proc/PID/stat (proc(5)); psutil's time shifts with the clock. The command name before
    it may hold anything, so fields count from the last parenthesis.
    """
    if sys.platform == "linux":
        try:
            boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
            fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        except OSError:
            return ""
        return f"{boot}:{fields[19].decode()}"
    else:  # noqa: RET505 - mypy follows platforms in if and else only
        import psutil

        try:
            return str(psutil.Process(pid).create_time())
        except psutil.Error:
            return ""


@contextlib.contextmanager
def on_full_disk_nameless() -> Iterator[None]:
    """Ignore ENOSPC when writing the record: it only names the holder; the lock does not need it."""
    try:
        yield
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
            raise


_open_fds: set[int] = set()
_hooked: list[bool] = []


def keep_private(fd: int) -> int:
    """Have `fd` closed in every child that is forked without an exec; return it.

    A lock belongs to the open file, not to the process: a fork that inherits it keeps it after our death (flock(2)).
    """
    _open_fds.add(fd)
    if not _hooked:
        os.register_at_fork(after_in_child=_close_inherited)
        _hooked.append(True)
    return fd


def close_private(fd: int) -> None:
    """Close a descriptor of :func:`keep_private`; again is harmless."""
    if fd in _open_fds:
        _open_fds.discard(fd)
        os.close(fd)


def _close_inherited() -> None:
    for fd in tuple(_open_fds):
        close_private(fd)


class Ticket:
    """This process's own ticket."""

    def __init__(self, folder: Path, name: str, fd: int) -> None:
        self._folder = folder
        self._name = name
        self._fd = fd

    def newer(self) -> Holder | None:
        """Return the newest live request that came after this one, or None. Tickets of the dead are removed."""
        for name in sorted(_names(self._folder), reverse=True):
            if name <= self._name:
                return None
            record = _live_record(self._folder / name)
            if record is not None:
                return record
        return None

    def give_back(self) -> None:
        """Remove the ticket."""
        with contextlib.suppress(OSError):
            (self._folder / self._name).unlink()
        close_private(self._fd)


def take(state_dir: Path, record: Holder) -> Ticket:
    """Take a ticket newer than every one that is there.

    Raises:
        OSError: the folder cannot be written.
    """
    folder = state_dir / FOLDER
    durable.ensure_own_dir(folder)
    _sweep(folder)
    while True:
        draft = folder / f"{_UNNAMED}{os.urandom(6).hex()}"
        fd = keep_private(durable.open_private(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL))
        try:
            # Filled and locked before the rename, so readers never see a partial ticket.
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with on_full_disk_nameless():
                os.write(fd, record.to_json())
            number = max((int(name.partition("-")[0]) for name in _names(folder)), default=0) + 1
            name = f"{number:012d}-{os.urandom(4).hex()}"
            draft.rename(folder / name)
        except (BlockingIOError, FileNotFoundError):  # another process's cleanup took it for a dead one
            with contextlib.suppress(OSError):
                draft.unlink()
            close_private(fd)
            continue
        except BaseException:
            with contextlib.suppress(OSError):
                draft.unlink()
            close_private(fd)
            raise
        return Ticket(folder, name, fd)


def _names(folder: Path) -> list[str]:
    return [name for name in os.listdir(folder) if _NAMED.fullmatch(name)]  # noqa: PTH208 - names only


def _sweep(folder: Path) -> None:
    for name in os.listdir(folder):  # noqa: PTH208 - names only
        if _OURS.fullmatch(name):
            _live_record(folder / name)


def _live_record(path: Path) -> Holder | None:
    """Return the record of a live ticket; remove a dead one and return None."""
    try:
        fd = keep_private(os.open(path, os.O_RDONLY | os.O_NONBLOCK | _PRIVATE))
    except OSError:
        return None
    try:
        # Shared: two processes that check a dead ticket at once must not take each other for its owner.
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return holder_from(os.pread(fd, 4096, 0)) or UNKNOWN
    else:
        with contextlib.suppress(OSError):
            path.unlink()
        return None
    finally:
        close_private(fd)
