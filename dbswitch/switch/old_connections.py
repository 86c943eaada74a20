"""After a hot switch: does a process of the server still hold a connection to the old database?

A connection is told by the address it goes to. Where old and new database have the same address, or a Unix socket, which
has none, Postgres is asked which database the session of each connection is on. What is not told is not taken for gone.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable

from dbswitch.database import catalogue
from dbswitch.database.catalogue import ServerSession
from dbswitch.database.place import place_of
from dbswitch.database.url import DatabaseUrl
from dbswitch.server import ports
from dbswitch.server.ownership import Owned
from dbswitch.server.ports import Connection

LOOK = 0.05  # seconds between the first two checks of the connections, doubled up to LONGEST_LOOK
LONGEST_LOOK = 0.5
ASK_TIMEOUT = 3.0  # seconds for one query, and for a host lookup
HTTPS = 443  # the serverless driver of Neon speaks to the database's host through a WebSocket

Address = tuple[str, int]


def remaining(
    find: Callable[[], Iterable[Owned]],
    old: Iterable[DatabaseUrl],
    new: Iterable[DatabaseUrl],
    *,
    grace: float,
) -> str | None:
    """Return why the server may still be connected to the old database, None where it provably is not.

    `find` returns the processes of the server; `grace`: seconds that work which ends on the old database may take.
    """
    kept = tuple(new)
    places = {(place_of(url), url.user) for url in kept}
    left = tuple(url for url in old if (place_of(url), url.user) not in places)
    if not left:
        return None
    old_addresses: set[Address] = set()
    for url in left:
        found = catalogue.addresses(url, ASK_TIMEOUT)
        if found is None:
            return f"the host of {url.place} cannot be looked up, so connections to it cannot be recognised"
        old_addresses |= _reach(url, found)
    new_addresses: set[Address] = set()
    for url in kept:
        new_addresses |= _reach(url, catalogue.addresses(url, ASK_TIMEOUT) or ())
    sockets = tuple(url for url in left if url.is_socket)
    until = time.monotonic() + grace
    pause = LOOK
    while True:
        held = ports.established(find())
        to_old = [one for one in held if (one.host, one.port) in old_addresses]
        shared = [one for one in to_old if (one.host, one.port) in new_addresses]
        staying = [one for one in to_old if one not in shared]
        unsure = _ask_postgres(shared, left, kept) if not staying and (shared or sockets) else None
        if not staying and unsure is None:
            return None
        if time.monotonic() >= until:
            return _describe(staying, left, grace) if staying else unsure
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_LOOK)


def _reach(url: DatabaseUrl, found: Iterable[str]) -> set[Address]:
    numbers = {url.port} if url.is_local else {url.port, HTTPS}
    return {(ports.canonical(address), port) for address in found for port in numbers}


def _ask_postgres(
    shared: list[Connection], left: tuple[DatabaseUrl, ...], kept: tuple[DatabaseUrl, ...]
) -> str | None:
    """Return why a connection to the shared address may be one to the old database; None where none is."""
    roles = {url.user for url in left}
    ports = {one.local_port: one for one in shared}
    elsewhere: set[int] = set()  # ports whose session is another role's, or not on the old database
    suspects: dict[DatabaseUrl, int] = {}
    for url in left:
        found = catalogue.sessions(url, ASK_TIMEOUT)
        if found is None:
            return f"{url.place} does not report who is connected to it, and the new database has the same address"
        mine = [one for one in found if one.here and (not roles - {""} or one.role in roles)]
        for one in mine:
            if one.port in ports:
                return _describe([ports[one.port]], left, None)
        suspects[url] = len(mine)
        elsewhere |= _ports(found) - _ports(mine)
    if not any(suspects.values()):
        return None
    for url in kept:
        elsewhere |= _ports(one for one in catalogue.sessions(url, ASK_TIMEOUT) or () if one.here)
    sockets = any(url.is_socket and count for url, count in suspects.items())
    if not sockets and ports.keys() <= elsewhere:
        return None
    url, count = next((url, count) for url, count in suspects.items() if count)
    return (
        f"{_times(count, 'session')} on {url.place} may be the app's: the new database has the same address, "
        "and the database server does not report whose they are"
    )


def _ports(found: Iterable[ServerSession]) -> set[int]:
    return {one.port for one in found if one.port is not None}


def _describe(staying: list[Connection], left: tuple[DatabaseUrl, ...], grace: float | None) -> str:
    places = ", ".join(dict.fromkeys(url.place for url in left))
    by_process = Counter(f"pid {one.pid} ({one.command})" for one in staying)
    each = "; ".join(f"{who} holds {_times(count, 'connection')}" for who, count in by_process.items())
    after = f" {grace:g} s after the switch" if grace is not None else ""
    return f"the app still uses the old database ({places}){after}: {each}"


def _times(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
