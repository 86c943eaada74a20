"""Who listens on a port (from `/proc` on Linux, elsewhere by psutil), and the connections that processes hold.

A port that answers, or that cannot be bound, is not free whatever a table says.
"""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import os
import pwd
import socket
import time
from collections.abc import Collection, Iterable
from pathlib import Path

from msgspec import Struct

from dbswitch.server.command_lines import masked_command
from dbswitch.server.ownership import Owned
from dbswitch.server.processes import LINUX, Process, all_pids, look_at

_LISTEN = "0A"  # the state in /proc/net/tcp
Sockets = list[tuple[int, int, int]]
_CONNECT = 0.3  # seconds; a local port answers or refuses at once


class Listener(Struct, frozen=True):
    """A process that listens. `process` is None if the system does not reveal it: another user, a container, a namespace."""

    port: int
    process: Process | None
    user: str

    @property
    def pid(self) -> int | None:
        """The pid, where it is known."""
        return self.process.pid if self.process is not None else None

    def describe(self) -> str:
        """Return one line for display: pid, command (masked), user, folder."""
        if (one := self.process) is None:
            who = f" of {self.user}" if self.user else ""
            return f"port {self.port}: a process{who} that the system does not reveal (another user or a container)"
        where = f", in {one.folder}" if one.folder else ""
        command = masked_command(one.argv) or "unknown command"
        return f"port {self.port}: pid {one.pid} ({command}), user {self.user}{where}"


class Connection(Struct, frozen=True):
    """An established TCP connection of a process: from which port of this machine to which address and port."""

    pid: int
    command: str  # masked
    local_port: int
    host: str  # an address
    port: int


def listeners(
    ports: Iterable[int], likely: Collection[int] = (), sockets: Sockets | None = None
) -> dict[int, tuple[Listener, ...]]:
    """Return who listens on each port; a free port has an empty tuple."""
    # Where the `likely` pids explain every socket, no other process is looked at (10 ms, not 80).
    ports = tuple(dict.fromkeys(ports))
    if sockets is None and all(map(is_free, ports)):
        return dict.fromkeys(ports, ())
    sockets = listening_sockets() if sockets is None else sockets
    holders = listening_of(likely, sockets)
    everyone: dict[int, frozenset[int]] | None = None
    found: dict[int, tuple[Listener, ...]] = {}
    for port in ports:
        users = [user_name(user) for one, user, _ in sockets if one == port]
        pids = holders.get(port, frozenset())
        if len(users) > len(pids) or (not pids and not is_free(port)):
            # The tables anew: the server may have begun to listen since they were read.
            everyone = listening_of(all_pids()) if everyone is None else everyone
            pids |= everyone.get(port, frozenset())
            if not pids:
                found[port] = (Listener(port, None, next(iter(users), "")),)
                continue
        seen = (look_at(pid) for pid in sorted(pids))
        found[port] = tuple(Listener(port, one, user_name(one.user)) for one in seen if one is not None)
    return found


def listening_of(pids: Iterable[int], sockets: Sockets | None = None) -> dict[int, frozenset[int]]:
    """Return the TCP ports these processes listen on, each with those of the pids that hold the socket."""
    found: dict[int, set[int]] = {}
    if not (looked_at := list(pids)):
        return {}  # without reading the tables of all sockets
    inodes = {inode: port for port, _, inode in (listening_sockets() if sockets is None else sockets)}
    for pid in looked_at:
        for port in _ports_linux(pid, inodes) if LINUX else _ports_psutil(pid):
            found.setdefault(port, set()).add(pid)
    return {port: frozenset(several) for port, several in found.items()}


def is_free(port: int) -> bool:
    """Say whether nothing answers on the port and it can be bound, on both address families."""
    for family, host, everywhere in (
        (socket.AF_INET, "127.0.0.1", "0.0.0.0"),  # noqa: S104 - bound for an instant, never listened on
        (socket.AF_INET6, "::1", "::"),
    ):
        try:
            with socket.socket(family, socket.SOCK_STREAM) as binding:
                # Without it a connection in TIME_WAIT looks like a listener.
                binding.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    binding.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                binding.bind((everywhere, port))
        except OSError as error:
            # Privileged ports and machines without IPv6 give other errors, which do not prove that the port is held.
            if error.errno == errno.EADDRINUSE:
                return False
        with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_STREAM) as asking:
            asking.settimeout(_CONNECT)
            if asking.connect_ex((host, port)) == 0 and asking.getsockname() != asking.getpeername():
                return False
    return True


def wait_free(ports: Iterable[int], seconds: float) -> tuple[int, ...]:
    """Wait until the ports are free, at most `seconds`; return those that are not."""
    deadline, look = time.monotonic() + seconds, 0.005
    held = [port for port in ports if not is_free(port)]
    while held and (left := deadline - time.monotonic()) > 0:
        time.sleep(min(look, left))
        look = min(look * 2, 0.1)
        held = [port for port in held if not is_free(port)]
    return tuple(held)


def established(processes: Iterable[Owned]) -> tuple[Connection, ...]:
    """Return the established TCP connections of these processes; a process that has ended has none."""
    import psutil

    found = []
    for owned in processes:
        with contextlib.suppress(psutil.Error, OSError):
            # Process by process: asking for all connections at once needs root on macOS.
            found += [
                Connection(
                    pid=owned.process.pid,
                    command=masked_command(owned.process.argv, 60),
                    local_port=one.laddr.port,
                    host=canonical(one.raddr.ip),
                    port=one.raddr.port,
                )
                for one in psutil.Process(owned.process.pid).net_connections(kind="tcp")
                if one.status == psutil.CONN_ESTABLISHED and one.raddr
            ]
    return tuple(found)


def canonical(address: str) -> str:
    """Return the one spelling of an IP address; an IPv4 address inside an IPv6 one counts as itself."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    return str(getattr(parsed, "ipv4_mapped", None) or parsed)


def user_name(uid: int) -> str:
    """Return the name of a user, else the number."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def listening_sockets() -> Sockets:
    """Return port, user and inode of every listening socket; none on macOS. Reading the kernel's tables takes 8 ms."""
    found = []
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError):
            lines = Path(table).read_text(encoding="ascii").splitlines()
            rows = (line.split() for line in lines if f" {_LISTEN} " in line)
            found += [(int(row[1].rpartition(":")[2], 16), int(row[7]), int(row[9])) for row in rows]
    return found


def _ports_linux(pid: int, sockets: dict[int, int]) -> set[int]:
    ports = set()
    with contextlib.suppress(OSError), os.scandir(f"/proc/{pid}/fd") as descriptors:
        for one in descriptors:
            with contextlib.suppress(OSError):
                link = os.readlink(one.path)  # noqa: PTH115 - called for every descriptor of the machine
                if link.startswith("socket:[") and (port := sockets.get(int(link[8:-1]))) is not None:
                    ports.add(port)
    return ports


def _ports_psutil(pid: int) -> set[int]:
    import psutil

    with contextlib.suppress(psutil.Error, OSError):
        held = psutil.Process(pid).net_connections(kind="tcp")
        return {one.laddr.port for one in held if one.status == psutil.CONN_LISTEN}
    return set()
