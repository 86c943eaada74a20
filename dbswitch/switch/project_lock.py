"""One switch at a time in a project, and the newest request wins.

The lock is an flock(2) on `.dbswitch/lock`, which is never deleted. A request also locks one byte of `.dbswitch/requests`
(fcntl(2)): the byte whose number is its time since boot in nanoseconds, so a newer one is waiting if a byte behind it is locked.
The kernel releases both when the process dies. What is written in the two files only names the process, for people.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from dbswitch import durable, state_folder
from dbswitch.errors import BusyError, ConfigError, OvertakenError
from dbswitch.server import processes
from dbswitch.server.processes import ProcessId

FILE_NAME = state_folder.LOCK
REQUESTS = "requests"
_POLL = 0.03  # seconds; flock(2) has no timed wait
_READERS = 0.3  # seconds; `peek` holds the lock for an instant, which is not another run
_RECORD_SIZE = 1024


class Holder(Struct, frozen=True):
    """A request, as other runs see it."""

    process: ProcessId  # in the pid namespace of `host`
    host: str
    # what follows `dbswitch` in words: a target's name, else the command (`stop`, `restart`, `repair` ...)
    target: str
    since: float  # seconds since the epoch
    asked: int = 0  # nanoseconds since boot; orders the requests
    # its id; the admin route reads `process`, `host`, `target`, `since` and this from the file
    run: str = ""

    @property
    def pid(self) -> int:
        """0 when the record could not be read."""
        return self.process.pid

    @property
    def text(self) -> str:
        """One line for display."""
        if not self.pid:
            return "another dbswitch"
        here = self.host == os.uname().nodename
        where = "" if here else f" on {self.host}"
        gone = here and processes.identify(self.pid) != self.process
        note = " (which is gone; a child of it may still hold the lock)" if gone else ""
        return f"dbswitch {self.target}, pid {self.pid}{where}{note}, since {time.strftime('%X', time.localtime(self.since))}"


UNKNOWN = Holder(ProcessId(0, ""), "", "", 0.0)


class Lease:
    """A request for the lock, and the lock once it is held; one at a time, since fcntl(2) locks belong to the process."""

    def __init__(self, requests: int, target: str, run: str = "") -> None:
        self._requests = requests
        self.held: tuple[int, Path] | None = None  # the lock's descriptor and path
        fcntl.lockf(requests, fcntl.LOCK_EX, 1)  # byte 0: records are written in the order of their times
        try:
            self.holder = _myself(target, run)
            _write(requests, self.holder)
            fcntl.lockf(requests, fcntl.LOCK_EX, 1, self.holder.asked)
        finally:
            fcntl.lockf(requests, fcntl.LOCK_UN, 1)

    def look_for_newer(self) -> None:
        """Raise OvertakenError if a newer request is waiting."""
        behind = self.holder.asked + 1
        try:
            fcntl.lockf(self._requests, fcntl.LOCK_SH | fcntl.LOCK_NB, 0, behind)
        except OSError as error:
            if error.errno not in {errno.EACCES, errno.EAGAIN}:  # POSIX allows both
                raise
        else:
            fcntl.lockf(self._requests, fcntl.LOCK_UN, 0, behind)
            return
        newest = _read(self._requests)
        raise OvertakenError(
            "a newer request took over",
            facts=[(newest if newest.asked >= behind else UNKNOWN).text],
            why="the newest request wins; this one has changed nothing",
            fix="`dbswitch status` shows the result",
        )

    def check(self) -> None:
        """Give way to a newer request; call this before anything has been changed. Raises OvertakenError or BusyError."""
        self.look_for_newer()
        if self.held is not None and not _is_still(*self.held):
            raise BusyError(
                "the lock of this switch was deleted while it ran",
                facts=[f"{self.held[1]} is not the file that was locked"],
                why="another switch may be running; this one has changed nothing",
                fix="do not delete .dbswitch while dbswitch runs; switch again",
            )


@contextlib.contextmanager
def acquire(
    state_dir: Path,
    *,
    target: str,
    deadline: float,
    run: str = "",
    on_wait: Callable[[Holder], None] = lambda _holder: None,
) -> Iterator[Lease]:
    """Hold the project's lock for the block; waits for at most `deadline` seconds. Raises BusyError, OvertakenError or OSError.

    `target` and `run`, its id, are shown to other runs. `on_wait` is called with each holder that is waited for.
    """
    durable.ensure_state_dir(state_dir)
    path = state_dir / FILE_NAME
    with _opened(state_dir / REQUESTS) as requests:
        lease, told = Lease(requests, target, run), UNKNOWN
        end = time.monotonic() + deadline

        def wait(fd: int) -> None:
            nonlocal told
            holder, left = _read(fd), end - time.monotonic()
            lease.look_for_newer()
            if left <= 0:
                raise BusyError(
                    "another switch is running in this project",
                    facts=[f"waited {deadline:g} s for {(told if told.pid else holder).text}"],
                    why="two switches at once would leave env files and server on different databases; nothing was changed",
                    fix="run the command again when it has ended; `dbswitch status` shows it while it runs",
                )
            if holder not in {told, UNKNOWN}:
                told = holder
                on_wait(holder)
            time.sleep(min(_POLL, left))

        with locked(path, wait) as fd:
            lease.look_for_newer()
            lease.held = fd, path
            with _named(fd, lease.holder):
                yield lease


def unusable(
    state_dir: Path, error: OSError, why: str = "the lock that prevents two switches at once is stored there"
) -> ConfigError:
    """Return the error for a state folder in which nothing can be written."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        fix = "free some space there"
    elif error.errno in {errno.ENOTDIR, errno.ELOOP, errno.EEXIST, errno.EISDIR}:
        fix = f"remove {error.filename or state_dir}; dbswitch creates what it needs"
    else:
        fix = f"make {state_dir.parent} writable for you, or remove {state_dir.name} if another user owns it"
    fact = f"{error.filename or state_dir}: {error.strerror}"
    return ConfigError(f"the folder {state_dir.name} cannot be used", facts=(fact,), why=why, fix=fix)


@contextlib.contextmanager
def locked(path: Path, on_busy: Callable[[int], None]) -> Iterator[int]:
    """Hold an flock(2) on the file; `on_busy` waits before each further attempt, or raises. Both get the descriptor."""
    while True:
        with _opened(path) as fd:
            if not _lock(fd):
                on_busy(fd)
            elif _is_still(fd, path):
                yield fd
                return


@contextlib.contextmanager
def acquire_if_free(state_dir: Path, *, target: str) -> Iterator[bool]:
    """Hold the lock for the block if no other run does; yields whether it is held. Raises OSError."""
    # It is no request: a recovery must not overtake one.
    durable.ensure_state_dir(state_dir)
    with _opened(state_dir / FILE_NAME) as fd:
        end = time.monotonic() + _READERS
        while not (ours := _lock(fd)) and time.monotonic() < end:
            time.sleep(_POLL)
        with _named(fd, _myself(target)) if ours else contextlib.nullcontext():
            yield ours


def peek(state_dir: Path) -> Holder | None:
    """Return who holds the lock (:data:`UNKNOWN` if its record cannot be read), or None; takes and waits for nothing."""
    try:
        with _opened(state_dir / FILE_NAME, os.O_RDONLY) as fd:
            return None if _lock(fd, fcntl.LOCK_SH) else _read(fd)
    except OSError:
        return None


@contextlib.contextmanager
def _opened(path: Path, flags: int = os.O_RDWR | os.O_CREAT) -> Iterator[int]:
    fd = durable.open_private(path, flags)
    try:
        yield fd
    finally:
        os.close(fd)


def _lock(fd: int, kind: int = fcntl.LOCK_EX) -> bool:
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_still(fd: int, path: Path) -> bool:
    """Tell whether `path` still names the file that was locked: the state folder may have been deleted."""
    try:
        return os.path.samestat(os.fstat(fd), path.stat())
    except FileNotFoundError:
        return False


def _myself(target: str, run: str = "") -> Holder:
    process = processes.identify(os.getpid()) or ProcessId(os.getpid(), "")
    return Holder(process, os.uname().nodename, target, time.time(), time.monotonic_ns(), run)


@contextlib.contextmanager
def _named(fd: int, holder: Holder) -> Iterator[None]:
    _write(fd, holder)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            os.ftruncate(fd, 0)


def _write(fd: int, holder: Holder) -> None:
    try:
        os.pwrite(fd, msgspec.json.encode(holder).ljust(_RECORD_SIZE), 0)
    except OSError as error:  # the lock needs no disk space, its record does
        if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
            raise


def _read(fd: int) -> Holder:
    try:
        return msgspec.json.decode(os.pread(fd, _RECORD_SIZE, 0), type=Holder)
    except (OSError, ValueError):
        return UNKNOWN
