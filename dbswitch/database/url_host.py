"""The host of a connection URL: what is allowed, and the form that every program reads in the same way. Pure."""

from __future__ import annotations

import re

from dbswitch.database.url_problems import UrlProblem
from dbswitch.database.url_split import SOCKET_HOSTS

# A host whose last label is a number is an IPv4 address (WHATWG URL Standard, "ends in a number").
_NUMBER = re.compile(r"(?:^|\.)(?:[0-9]+|0[xX][0-9A-Fa-f]*)\.?$")


def checked_host(host: str, written: str, name: str) -> str:
    """Return the host as every program writes it; `written` is what stood in front of the database.

    Raises:
        UrlError: not a host, or not one that node-postgres, Prisma and libpq all connect to.
    """
    if host.startswith("/"):
        if written not in {*SOCKET_HOSTS, host}:
            raise UrlProblem.HOST_AND_SOCKET.error(name)
        return host
    if not host:
        raise UrlProblem.NO_HOST.error(name)
    if "," in host:
        raise UrlProblem.SEVERAL_HOSTS.error(name)
    if "%" in host:
        raise UrlProblem.ZONE_ID.error(name)
    if match := re.fullmatch(r"\[?([0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*)\]?", host):
        return _address(match[1], name)
    if not re.fullmatch(r"[A-Za-z0-9_.-]+", host):
        raise UrlProblem.HOST_CHARACTERS.error(name)
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
        raise UrlProblem.IPV4_SPELLING.error(name) from None


def _address(text: str, name: str) -> str:
    from ipaddress import IPv6Address

    try:
        # The canonical form, as URL parsers in Node write it; an address with an embedded IPv4 one is also legal.
        return str(IPv6Address(text))
    except ValueError:
        raise UrlProblem.BAD_IPV6.error(name) from None
