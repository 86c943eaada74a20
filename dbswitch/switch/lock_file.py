"""One switch at a time in a project, and the newest request wins.

The lock is an flock(2) on `.dbswitch/lock`, a file that is never deleted: two processes could else hold "the" lock on
two files of one name. The system releases it when the holder dies, however that happens. The record inside is for
telling people who holds it, and is believed only while the lock is held.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from typing import TYPE_CHECKING

from dbswitch import durable
from dbswitch.errors import BusyError, OvertakenError
from dbswitch.switch import tickets
from dbswitch.switch.tickets import UNKNOWN, Holder, holder_from

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from dbswitch.switch.tickets import Ticket

FILE_NAME = "lock"
_POLL = 0.03  # seconds; flock(2) has no timed wait
_RECORD_SIZE = 4096


class Lease:
    """The lock while it is held."""

    def __init__(self, ticket: Ticket, holder: Holder, fd: int, path: Path) -> None:
        self._ticket = ticket
        self._fd = fd
        self._path = path
        self.holder = holder

    def look_for_newer(self) -> None:
        """Check whether a newer request is waiting.

        Raises:
            OvertakenError: there is one.
        """
        _leave_to_newer(self._ticket)

    def check(self) -> None:
        """Give way to a newer request; call this before anything has been changed.

        Raises:
            OvertakenError: there is one.
            BusyError: the lock file was deleted, so that another switch may be running beside this one.
        """
        self.look_for_newer()
        if not _is_still(self._fd, self._path):
            raise BusyError(
                "The lock of this switch was deleted while it ran.",
                facts=[f"{self._path} is not the file that was locked"],
                why="Another switch may be running. This one has changed nothing.",
                fix="Do not delete .dbswitch while dbswitch runs; switch again.",
            )


@contextlib.contextmanager
def acquire(
    state_dir: Path,
    *,
    target: str,
    deadline: float,
    on_wait: Callable[[Holder], None] = lambda _holder: None,
) -> Iterator[Lease]:
    """Hold the project's lock for the block.

    Args:
        state_dir: `.dbswitch`; made where it is missing.
        target: what the run is going to do, shown to other runs.
        deadline: seconds to wait.
        on_wait: called with the holder when waiting begins, and again when the holder is another one.

    Raises:
        BusyError: still held at the deadline.
        OvertakenError: a newer request came in while this one waited.
        OSError: the state folder cannot be used.
    """
    durable.ensure_state_dir(state_dir)
    me = tickets.myself(target)
    ticket = tickets.take(state_dir, me)
    try:
        fd = _wait(state_dir / FILE_NAME, ticket, deadline, on_wait)
        with _held(fd, me):
            yield Lease(ticket, me, fd, state_dir / FILE_NAME)
    finally:
        ticket.give_back()


@contextlib.contextmanager
def acquire_if_free(state_dir: Path, *, target: str) -> Iterator[bool]:
    """Hold the lock for the block if no other run does; yields whether it is held.

    It takes no ticket: recovery is not a request and must not overtake one.

    Raises:
        OSError: the state folder cannot be used.
    """
    durable.ensure_state_dir(state_dir)
    fd, _holder = _try(state_dir / FILE_NAME)
    if fd is None:
        yield False
        return
    with _held(fd, tickets.myself(target)):
        yield True


@contextlib.contextmanager
def _held(fd: int, me: Holder) -> Iterator[None]:
    try:
        with tickets.on_full_disk_nameless():
            os.ftruncate(fd, 0)
            os.pwrite(fd, me.to_json(), 0)
        yield
    finally:
        with contextlib.suppress(OSError):
            os.ftruncate(fd, 0)
        tickets.close_private(fd)


def peek(state_dir: Path) -> Holder | None:
    """Return who holds the lock, or None; does not take the lock and does not wait.

    A holder whose record is not readable (yet) is :data:`dbswitch.switch.tickets.UNKNOWN`.
    """
    try:
        fd = tickets.keep_private(
            os.open(state_dir / FILE_NAME, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        )
    except OSError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return holder_from(os.pread(fd, _RECORD_SIZE, 0)) or UNKNOWN
    else:
        return None
    finally:
        tickets.close_private(fd)


def _wait(path: Path, ticket: Ticket, deadline: float, on_wait: Callable[[Holder], None]) -> int:
    end = time.monotonic() + deadline
    told: Holder | None = None
    while True:
        fd, holder = _try(path)
        if fd is not None:
            try:
                _leave_to_newer(ticket)
            except BaseException:
                tickets.close_private(fd)
                raise
            return fd
        _leave_to_newer(ticket)
        left = end - time.monotonic()
        if left <= 0:
            raise BusyError(
                "Another switch is running in this project.",
                facts=[f"waited {deadline:g} s for {(told or holder).text}"],
                why="Two switches at once would leave env files and server on different databases. Nothing was changed.",
                fix="Run the command again when it has ended; `dbswitch status` shows it while it runs.",
            )
        if holder not in {told, UNKNOWN}:
            told = holder
            on_wait(holder)
        time.sleep(min(_POLL, left))


def _try(path: Path) -> tuple[int, Holder] | tuple[None, Holder]:
    """Return the descriptor of the lock, or None and who holds it."""
    while True:
        fd = tickets.keep_private(durable.open_private(path, os.O_RDWR | os.O_CREAT))
        try:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = holder_from(os.pread(fd, _RECORD_SIZE, 0)) or UNKNOWN
                tickets.close_private(fd)
                return None, holder
            if _is_still(fd, path):
                return fd, UNKNOWN
            tickets.close_private(fd)
        except BaseException:
            tickets.close_private(fd)
            raise


def _is_still(fd: int, path: Path) -> bool:
    """Tell whether `path` still names the file that was locked: the state folder may have been deleted."""
    ours = os.fstat(fd)
    try:
        named = path.stat()
    except FileNotFoundError:
        return False
    return ours.st_nlink == 1 and (ours.st_dev, ours.st_ino) == (named.st_dev, named.st_ino)


def _leave_to_newer(ticket: Ticket) -> None:
    newer = ticket.newer()
    if newer is not None:
        raise OvertakenError(
            "A newer request took over.",
            facts=[newer.text],
            why="The newest request wins. This one has changed nothing.",
            fix="`dbswitch status` shows the result.",
        )
