"""The network connections that the server's processes hold."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from msgspec import Struct

from dbswitch.server.command_lines import masked_command

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dbswitch.server.ownership import Owned


class Connection(Struct, frozen=True):
    """An established TCP connection of a process: from which port of this machine to which address and port."""

    pid: int
    command: str  # masked
    local_port: int
    host: str  # an address
    port: int


def established(processes: Iterable[Owned]) -> tuple[Connection, ...]:
    """Return the established TCP connections of these processes; a process that has ended has none."""
    return tuple(one for owned in processes for one in _of(owned))


def _of(owned: Owned) -> list[Connection]:
    import psutil

    try:
        # Asking for the connections of all processes at once needs root on macOS.
        held = psutil.Process(owned.process.pid).net_connections(kind="tcp")
    except (psutil.Error, OSError):
        return []
    command = masked_command(owned.process.argv, 60)
    return [
        Connection(owned.process.pid, command, one.laddr.port, canonical(one.raddr.ip), one.raddr.port)
        for one in held
        if one.status == psutil.CONN_ESTABLISHED and one.raddr
    ]


def canonical(address: str) -> str:
    """Return the one spelling of an IP address; an IPv4 address inside an IPv6 one counts as itself."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(parsed)
