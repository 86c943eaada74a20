"""Who listens on a port. Linux: `/proc/net/tcp{,6}` and descriptors; elsewhere psutil per process, then lsof.

Never lsof on Linux: it does not list Next.js at all (an unbalanced parenthesis in the process title breaks it). A port
that answers, or that cannot be bound, is not free whatever a table says.
"""

from __future__ import annotations

import contextlib
import errno
import os
import pwd
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from dbswitch.server.command_lines import masked_command
from dbswitch.server.processes import LINUX, ProcessId, look_at

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

_LISTEN = "0A"  # the state in /proc/net/tcp
_CONNECT = 0.3  # seconds; a local port answers or refuses at once
_LSOF = 5.0  # seconds


class Listener(Struct, frozen=True):
    """A process that listens. `process` is None if the system does not reveal it: another user, a container, a namespace."""

    port: int
    process: ProcessId | None
    command: str  # masked
    user: str
    folder: str | None

    @property
    def pid(self) -> int | None:
        """The pid, where it is known."""
        return self.process.pid if self.process is not None else None

    def describe(self) -> str:
        """Return one line for display: pid, command, user, folder."""
        if self.process is None:
            who = f" of {self.user}" if self.user else ""
            return f"port {self.port}: a process{who} that the system does not reveal (another user or a container)"
        where = f", in {self.folder}" if self.folder else ""
        return f"port {self.port}: pid {self.process.pid} ({self.command or 'unknown command'}), user {self.user}{where}"


def listeners(ports: Iterable[int], likely: Collection[int] = ()) -> dict[int, tuple[Listener, ...]]:
    """Return who listens on each port; a free port has an empty tuple.

    Args:
        ports: the ports to check.
        likely: pids to look at first; when they explain every socket, no other process is looked at (10 ms, not 80).
    """
    wanted = tuple(dict.fromkeys(ports))
    found = _linux(wanted, likely) if LINUX else _elsewhere(wanted, likely)
    for port in wanted:
        if not found[port] and not is_free(port):
            found[port] = (Listener(port, None, "", "", None),)
    return found


def listening_of(pids: Iterable[int]) -> dict[int, frozenset[int]]:
    """Return the TCP ports these processes listen on, each with those of the pids that hold the socket."""
    found: dict[int, set[int]] = {}
    if LINUX:
        sockets = {inode: port for port, _, inode in _listening_sockets(None)}
        for pid in pids:
            for inode in _socket_inodes(pid) & sockets.keys():
                found.setdefault(sockets[inode], set()).add(pid)
    else:
        for pid in pids:
            for port in _ports_psutil(pid):
                found.setdefault(port, set()).add(pid)
    return {port: frozenset(several) for port, several in found.items()}


def is_free(port: int) -> bool:
    """Say whether nothing answers on the port and it can be bound, on both address families.

    SO_REUSEADDR must be set: without it a connection in TIME_WAIT looks like a listener.
    """
    for family, host, everywhere in (
        (socket.AF_INET, "127.0.0.1", "0.0.0.0"),  # noqa: S104 - bound for an instant, never listened on
        (socket.AF_INET6, "::1", "::"),
    ):
        try:
            with socket.socket(family, socket.SOCK_STREAM) as asking:
                asking.settimeout(_CONNECT)
                if asking.connect_ex((host, port)) == 0 and asking.getsockname() != asking.getpeername():
                    return False
        except OSError:
            pass
        try:
            with socket.socket(family, socket.SOCK_STREAM) as binding:
                binding.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    binding.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                binding.bind((everywhere, port))
        except OSError as error:
            # Privileged ports and machines without IPv6 give other errors, which do not prove that the port is held.
            if error.errno == errno.EADDRINUSE:
                return False
    return True


def wait_free(ports: Iterable[int], seconds: float, *, look: float = 0.005) -> tuple[int, ...]:
    """Wait until the ports are free, at most `seconds`; return those that are not."""
    deadline = time.monotonic() + seconds
    held = [port for port in ports if not is_free(port)]
    while held and (left := deadline - time.monotonic()) > 0:
        time.sleep(min(look, left))
        look = min(look * 2, 0.1)
        held = [port for port in held if not is_free(port)]
    return tuple(held)


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _listener(port: int, pid: int) -> Listener | None:
    process = look_at(pid)
    if process is None:
        return None
    return Listener(port, process.id, masked_command(process.argv), _user(process.user), process.folder)


def _linux(ports: tuple[int, ...], likely: Collection[int]) -> dict[int, tuple[Listener, ...]]:
    sockets = {inode: (port, uid) for port, uid, inode in _listening_sockets(frozenset(ports))}
    found: dict[int, list[Listener]] = {port: [] for port in ports}
    unexplained = set(sockets)
    seen: set[tuple[int, int]] = set()
    for pid in _candidates(likely, lambda: bool(unexplained)):
        for inode in _socket_inodes(pid) & sockets.keys():
            port = sockets[inode][0]
            unexplained.discard(inode)
            if (port, pid) not in seen and (listener := _listener(port, pid)) is not None:
                seen.add((port, pid))
                found[port].append(listener)
    for inode in unexplained:
        port, uid = sockets[inode]
        if not found[port]:
            found[port].append(Listener(port, None, "", _user(uid), None))
    return {port: tuple(several) for port, several in found.items()}


def _candidates(likely: Collection[int], more: Callable[[], bool]) -> Iterator[int]:
    """Yield the likely pids, then, while sockets are unexplained, every other one."""
    yield from likely
    if not more():
        return
    for name in os.listdir("/proc"):  # noqa: PTH208 - names only, the cheapest way
        if name.isdecimal() and int(name) not in likely:
            yield int(name)


def _listening_sockets(ports: frozenset[int] | None) -> Iterator[tuple[int, int, int]]:
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError):
            for line in Path(table).read_text(encoding="ascii").splitlines()[1:]:
                fields = line.split()
                port = int(fields[1].rpartition(":")[2], 16)
                if fields[3] == _LISTEN and (ports is None or port in ports):
                    yield port, int(fields[7]), int(fields[9])


def _socket_inodes(pid: int) -> set[int]:
    inodes = set()
    base = f"/proc/{pid}/fd"
    with contextlib.suppress(OSError):
        for name in os.listdir(base):  # noqa: PTH208 - as above
            with contextlib.suppress(OSError):
                link = os.readlink(f"{base}/{name}")  # noqa: PTH115 - as above
                if link.startswith("socket:["):
                    inodes.add(int(link[8:-1]))
    return inodes


def _elsewhere(ports: tuple[int, ...], likely: Collection[int]) -> dict[int, tuple[Listener, ...]]:
    """Ask psutil process by process (asking for all sockets at once needs root on macOS), then lsof for the rest."""
    found: dict[int, list[Listener]] = {port: [] for port in ports}
    for pid in likely:
        for port in _ports_psutil(pid):
            if port in found:
                _add(found, port, pid)
    for port in ports:
        if not found[port]:
            for pid in _lsof(port):
                _add(found, port, pid)
    return {port: tuple(several) for port, several in found.items()}


def _ports_psutil(pid: int) -> frozenset[int]:
    import psutil

    with contextlib.suppress(psutil.Error, OSError):
        return frozenset(
            connection.laddr.port
            for connection in psutil.Process(pid).net_connections(kind="tcp")
            if connection.status == psutil.CONN_LISTEN
        )
    return frozenset()


def _add(found: dict[int, list[Listener]], port: int, pid: int) -> None:
    if (
        all(listener.pid != pid for listener in found[port])
        and (listener := _listener(port, pid)) is not None
    ):
        found[port].append(listener)


def _lsof(port: int) -> tuple[int, ...]:
    program = shutil.which("lsof") or "/usr/sbin/lsof"
    try:
        done = subprocess.run(
            [program, "-nP", f"-iTCP:{port}", "-sTCP:LISTEN", "-Fp"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_LSOF,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return ()
    return tuple(
        int(line[1:]) for line in done.stdout.splitlines() if line.startswith("p") and line[1:].isdecimal()
    )
