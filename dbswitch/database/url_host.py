"""The host of a connection URL: what is allowed, and the form that every program reads in the same way. Pure."""

from __future__ import annotations

import re

from dbswitch.database.url_split import SOCKET_HOSTS
from dbswitch.errors import UrlError

# A host whose last label is a number is an IPv4 address (WHATWG URL Standard, "ends in a number").
_NUMBER = re.compile(r"(?:^|\.)(?:[0-9]+|0[xX][0-9A-Fa-f]*)\.?$")


def checked_host(host: str, written: str, name: str) -> str:
    """Return the host as every program writes it; `written` is what stood in front of the database.

    Raises:
        UrlError: not a host, or not one that node-postgres, Prisma and libpq all connect to.
    """
    if host.startswith("/"):
        if written not in {*SOCKET_HOSTS, host}:
            raise UrlError(
                f"{name} names both a host and a socket's folder.",
                why="programs differ in which of them they connect to",
                fix="write @localhost/DATABASE?host=/FOLDER",
            )
        return host
    if not host:
        raise UrlError(
            f"{name} names no host.",
            why="libpq would take a Unix socket, node-postgres localhost",
            fix="write localhost, or @localhost/DATABASE?host=/FOLDER for a Unix socket",
        )
    if "," in host:
        raise UrlError(
            f"{name} names several hosts.", why="node-postgres cannot use more than one", fix="name one host"
        )
    if "%" in host:
        raise UrlError(
            f"The address in {name} has a zone id.",
            why="node-postgres cannot connect to one",
            fix="use a global address or a host name",
        )
    if match := re.fullmatch(r"\[?([0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*)\]?", host):
        return _address(match[1], name)
    if not re.fullmatch(r"[A-Za-z0-9_.-]+", host):
        raise UrlError(
            f"The host in {name} has characters other than A-Z a-z 0-9 . _ -",
            why="programs translate such names differently",
            fix="write it in its ASCII form",
        )
    if _NUMBER.search(host):
        return _ipv4_address(host, name)
    return host


def is_this_machine(host: str) -> bool:
    """Return whether an address or `localhost` is this machine: loopback, unspecified, or either embedded in IPv6."""
    from ipaddress import ip_address

    host = host.lower().removesuffix(".")
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    address = getattr(address, "ipv4_mapped", None) or address
    return address.is_loopback or address.is_unspecified  # connect(2) to 0.0.0.0 or :: reaches this machine


def _ipv4_address(text: str, name: str) -> str:
    from ipaddress import IPv4Address

    try:
        return str(IPv4Address(text))
    except ValueError:
        raise UrlError(
            f"The IPv4 address in {name} is not four decimal numbers.",
            why="its other spellings (127.1, 0x7f000001, 0177.0.0.1) hide which machine it is",
            fix="write it like 192.0.2.1",
        ) from None


def _address(text: str, name: str) -> str:
    from ipaddress import IPv6Address

    try:
        # The canonical form, as URL parsers in Node write it; an address with an embedded IPv4 one is also legal.
        return str(IPv6Address(text))
    except ValueError:
        raise UrlError(
            f"The IPv6 address in {name} is not valid.",
            why="no program could connect to it",
            fix="write it like [2001:db8::1]:5432",
        ) from None
