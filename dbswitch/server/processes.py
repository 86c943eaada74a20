"""Processes as (pid, start time): a pid alone may have been reused by the time a signal arrives.

On Linux the start time is field 22 of `/proc/PID/stat` with the boot id: psutil's `create_time()` moves when the clock
is set. A pidfd is opened *before* the identity is checked, so the signal cannot reach a later owner of the pid.
Elsewhere psutil is asked, and the check is made right before kill(2). Why not everywhere: docs/architecture.md.
"""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from msgspec import Struct

from dbswitch.server.environment import MARKER

LINUX = sys.platform == "linux"
_KERNEL_THREAD = 0x00200000  # PF_KTHREAD in field 9 of /proc/PID/stat
_EXEC_LOOKS = 5
_EXEC_PAUSE = 0.002  # seconds
_POLL = 0.005  # seconds between two checks for the end of a process
_PSUTIL_FIELDS = ("status", "create_time", "ppid", "uids", "cmdline", "cwd", "environ", "exe")

_children: dict[int, subprocess.Popen[bytes]] = {}  # a Popen that is dropped before its process ended warns


class ProcessId(Struct, frozen=True):
    """The identity of one process: `started` is opaque text, equal only for the same process."""

    pid: int
    started: str


class Process(Struct, frozen=True):
    """A process at one moment. Of other users `folder` is None and what its environment says is missing."""

    id: ProcessId
    parent: int
    group: int
    session: int
    user: int
    argv: tuple[str, ...]
    folder: str | None = None
    suspended: bool = False
    marker: str | None = None  # the value of MARKER in its environment
    executable: str | None = None  # of those with a marker
    next_worker: bool = False  # forked by `next dev`: NEXT_PRIVATE_WORKER is in its environment

    @property
    def pid(self) -> int:
        """The pid, valid as long as the process lives."""
        return self.id.pid


def identify(pid: int) -> ProcessId | None:
    """Return the identity of a living process; None when there is none, or only a zombie."""
    if LINUX:
        fields = _stat_fields(pid)
        return ProcessId(pid, f"{boot_id()}:{fields[19]}") if fields else None
    import psutil

    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return ProcessId(pid, f"{process.create_time():.3f}")
    except psutil.Error:
        return None


def is_alive(process: ProcessId) -> bool:
    """Say whether exactly this process lives; zombies are dead."""
    return identify(process.pid) == process


def age(process: ProcessId) -> float:
    """Return how long ago the process began, in seconds; 0 if unknown."""
    try:
        if LINUX:
            ticks = int(process.started.rpartition(":")[2])
            return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK"))
        return max(0.0, time.time() - float(process.started))
    except (ValueError, OSError):
        return 0.0


def environment_of(process: ProcessId) -> Mapping[str, str] | None:
    """Return the environment a living process was started with; None when it is gone or not ours to read."""
    found: dict[str, str] | None = None
    if LINUX:
        with contextlib.suppress(OSError):
            pairs = (one.partition(b"=") for one in _read(f"/proc/{process.pid}/environ").split(b"\0"))
            found = {os.fsdecode(key): os.fsdecode(value) for key, equals, value in pairs if key and equals}
    else:
        import psutil

        with contextlib.suppress(psutil.Error):
            found = psutil.Process(process.pid).environ()
    return found if found is not None and is_alive(process) else None


def snapshot() -> dict[int, Process]:
    """Return every living process by pid, as far as permissions allow."""
    return {pid: process for pid in all_pids() if (process := look_at(pid)) is not None}


def all_pids() -> list[int]:
    """Return the pid of every process."""
    if LINUX:
        return [int(name) for name in os.listdir("/proc") if name.isdecimal()]  # noqa: PTH208 - names only
    import psutil

    return psutil.pids()


def look_at(pid: int) -> Process | None:
    """Return one living process, or None."""
    return _look_linux(pid) if LINUX else _look_psutil(pid)


def _look_linux(pid: int) -> Process | None:
    fields = _stat_fields(pid)
    if not fields or int(fields[6]) & _KERNEL_THREAD:
        return None
    folder = executable = None
    environ = command = b""
    user = -1
    with contextlib.suppress(OSError):
        user = os.stat(f"/proc/{pid}").st_uid  # noqa: PTH116 - a Path for each process doubles the time
        command = _read_command(pid)
        folder = os.readlink(f"/proc/{pid}/cwd")  # noqa: PTH115 - as above
        environ = b"\0" + _read(f"/proc/{pid}/environ")
    _, marked, rest = environ.partition(f"\0{MARKER}=".encode())
    if marked:
        with contextlib.suppress(OSError):
            executable = os.readlink(f"/proc/{pid}/exe")  # noqa: PTH115 - as above
    return Process(
        id=ProcessId(pid, f"{boot_id()}:{fields[19]}"),
        parent=int(fields[1]),
        group=int(fields[2]),
        session=int(fields[3]),
        user=user,
        argv=tuple(os.fsdecode(word) for word in command.rstrip(b"\0").split(b"\0")) if command else (),
        folder=folder,
        suspended=fields[0] in "Tt",
        marker=rest.partition(b"\0")[0].decode(errors="replace") if marked else None,
        executable=executable,
        next_worker=b"\0NEXT_PRIVATE_WORKER=1\0" in environ,
    )


def _look_psutil(pid: int) -> Process | None:
    import psutil

    try:
        seen = psutil.Process(pid).as_dict(_PSUTIL_FIELDS)  # None for what may not be read
        group, session = os.getpgid(pid), os.getsid(pid)
    except (psutil.Error, OSError):
        return None
    if seen["status"] == psutil.STATUS_ZOMBIE or seen["create_time"] is None:
        return None
    environment: Mapping[str, str] = seen["environ"] or {}
    marker = environment.get(MARKER)
    return Process(
        id=ProcessId(pid, f"{seen['create_time']:.3f}"),
        parent=seen["ppid"] or 0,
        group=group,
        session=session,
        user=seen["uids"].real if seen["uids"] else -1,
        argv=tuple(seen["cmdline"] or ()),
        folder=seen["cwd"],
        suspended=seen["status"] == psutil.STATUS_STOPPED,
        marker=marker,
        executable=(seen["exe"] or None) if marker is not None else None,
        next_worker=environment.get("NEXT_PRIVATE_WORKER") == "1",
    )


def _stat_fields(pid: int) -> list[str]:
    """Return the fields after the name, state first; none for a dead process. A name may hold `)`, as Next's own title does."""
    try:
        raw = _read(f"/proc/{pid}/stat")
    except OSError:
        return []
    fields = raw[raw.rfind(b")") + 1 :].decode("ascii").split()
    return [] if not fields or fields[0] in "ZXx" else fields


def _read_command(pid: int) -> bytes:
    """Return the command line. In the middle of execve(2) a process has none yet, and no environment either."""
    for _ in range(_EXEC_LOOKS):
        if raw := _read(f"/proc/{pid}/cmdline"):
            return raw
        time.sleep(_EXEC_PAUSE)
    return b""


def _read(path: str) -> bytes:
    descriptor = os.open(path, os.O_RDONLY)  # a stream for each file takes three times as long
    try:
        return b"".join(iter(functools.partial(os.read, descriptor, 1 << 16), b""))
    finally:
        os.close(descriptor)


@functools.cache
def boot_id() -> str:
    """Return the name of this boot of the machine, or `unknown-boot`."""
    try:
        if LINUX:
            return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        asked = ["/usr/sbin/sysctl", "-n", "kern.bootsessionuuid"]
        return subprocess.run(asked, capture_output=True, check=True, text=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "unknown-boot"


def send(process: ProcessId, number: signal.Signals) -> bool:
    """Send a signal to exactly this process, verified at this moment; say whether it lived. Raises PermissionError."""
    fd = None
    try:
        if sys.platform == "linux":
            # It is gone; or an old kernel, or a sandbox that forbids the call.
            with contextlib.suppress(OSError):
                fd = os.pidfd_open(process.pid)
        if not is_alive(process):
            return False
        if fd is None or sys.platform != "linux":
            os.kill(process.pid, number)
        else:
            signal.pidfd_send_signal(fd, number)
    except ProcessLookupError:
        return False
    finally:
        if fd is not None:
            os.close(fd)
    return True


def wait_gone(processes: Iterable[ProcessId], seconds: float) -> tuple[ProcessId, ...]:
    """Wait until all of them are dead, at most `seconds`; return those that still live."""
    deadline = time.monotonic() + seconds
    living = [process for process in processes if is_alive(process)]
    while living and (left := deadline - time.monotonic()) > 0:
        time.sleep(min(_POLL, left))
        living = [process for process in living if is_alive(process)]
    return tuple(living)


def keep_child(child: subprocess.Popen[bytes]) -> None:
    """Remember a process that this one started; reap and forget the earlier ones that have ended."""
    for pid in [pid for pid, earlier in _children.items() if earlier.poll() is not None]:
        del _children[pid]
    _children[child.pid] = child


def own_command() -> list[str]:
    """Return the command line of this same dbswitch, independent of its PATH; the caller's folder is not searched for code (`-P`)."""
    return [sys.executable, "-P", "-m", "dbswitch"]


def start_own_command(root: Path, *arguments: str) -> None:
    """Start dbswitch for the project in a session of its own, without streams. Raises OSError."""
    # It is no part of the dev server, even if a page of it asked for the command.
    environment = {name: value for name, value in os.environ.items() if name != MARKER}
    child = subprocess.Popen(
        [*own_command(), *arguments, f"--project={root}"],
        cwd=root,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    keep_child(child)


def child_status(pid: int) -> int | None:
    """Return how a child ended, negative for a signal; None while it runs, or when another process is its parent."""
    child = _children.get(pid)
    return None if child is None else child.poll()
