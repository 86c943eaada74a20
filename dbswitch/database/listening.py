"""Which sockets listen on a TCP port of this machine, on Linux, without privileges and without connecting.

The kernel is asked through sock_diag(7), which looks at listeners only (0.1 ms); where that is not to be had (some containers
and sandboxes), `/proc/net/tcp{,6}` is read, for which the kernel walks through every connection it has (5 to 10 ms).
"""

from __future__ import annotations

import ipaddress
import socket
import struct
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_PROC: Final = Path("/proc/net")
_LISTENING: Final = "0A"

# <linux/netlink.h>, <linux/sock_diag.h>, <linux/inet_diag.h>
_NETLINK_SOCK_DIAG: Final = 4
_SOCK_DIAG_BY_FAMILY: Final = 20
_REQUEST_AND_DUMP: Final = 0x301
_NLMSG_ERROR: Final = 2
_NLMSG_DONE: Final = 3
_HEADER: Final = struct.Struct("=IHHII")  # length, type, flags, sequence, port id
_QUESTION: Final = struct.Struct("=BBBBI48s")  # family, protocol, extensions, -, states, socket
_ONLY_LISTENERS: Final = 1 << 10
_ANY_SOCKET: Final = bytes(40) + b"\xff" * 8  # the last eight bytes: no cookie
_ANSWER: Final = struct.Struct("=BBBB2s2s16s28s16sI")  # family, state, -, -, port, -, address, -, -, inode


def listeners(port: int) -> frozenset[str]:
    """Return the sockets (as inode numbers) that listen on `port` of the loopback or of every address."""
    try:
        return frozenset(
            inode for family in (socket.AF_INET, socket.AF_INET6) for inode in _asked(family, port)
        )
    except (OSError, struct.error, AttributeError):
        return frozenset(
            inode for table in ("tcp", "tcp6") for inode in listening_inodes(_lines(_PROC / table), port)
        )


def _asked(family: int, port: int) -> Iterator[str]:
    question = _QUESTION.pack(family, socket.IPPROTO_TCP, 0, 0, _ONLY_LISTENERS, _ANY_SOCKET)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, _NETLINK_SOCK_DIAG) as kernel:
        kernel.settimeout(1)
        length = _HEADER.size + len(question)
        kernel.send(_HEADER.pack(length, _SOCK_DIAG_BY_FAMILY, _REQUEST_AND_DUMP, 1, 0) + question)
        while True:
            answer = kernel.recv(1 << 16)
            start = 0
            while start < len(answer):
                length, kind, *_ = _HEADER.unpack_from(answer, start)
                if kind == _NLMSG_DONE:
                    return
                if kind == _NLMSG_ERROR or length < _HEADER.size:
                    raise OSError("sock_diag is not to be had")
                *_, sport, _dport, raw, _rest, _counters, inode = _ANSWER.unpack_from(
                    answer, start + _HEADER.size
                )
                if int.from_bytes(sport, "big") == port and _is_ours(
                    raw[:4] if family == socket.AF_INET else raw
                ):
                    yield str(inode)
                start += (length + 3) & ~3


def listening_inodes(lines: Iterable[str], port: int) -> frozenset[str]:
    """Return the same from the lines of `/proc/net/tcp` or `tcp6` (proc(5))."""
    suffix = f":{port:04X}"
    found = set()
    for line in lines:
        fields = line.split(maxsplit=10)
        if len(fields) > 9 and fields[3] == _LISTENING and fields[1].endswith(suffix):
            hexadecimal = fields[1].partition(":")[0]
            # Each group of four bytes stands in the machine's own order.
            groups = (hexadecimal[start : start + 8] for start in range(0, len(hexadecimal), 8))
            if _is_ours(b"".join(int(group, 16).to_bytes(4, sys.byteorder) for group in groups)):
                found.add(fields[9])
    return frozenset(found)


def _is_ours(raw: bytes) -> bool:
    address = ipaddress.ip_address(raw)
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address.is_loopback or address.is_unspecified


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii").splitlines()[1:]
    except (OSError, UnicodeError):
        return []
