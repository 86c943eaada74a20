"""Where a URL leads, whatever user, password and parameters it carries: host, port and database.

A pooler and the database behind it are one place. Sources: Neon ("Connection pooling": `-pooler` behind the endpoint
id), Supabase ("Connect to your database": the project is in the user name of the shared pooler, transaction mode listens
on 6543), Prisma Postgres ("Direct connections": one host for all customers, the user tells them apart).
"""

from __future__ import annotations

import contextlib
import functools
import re
import socket
import threading
import time
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from dbswitch.database.failures import AttemptError, FailureKind
from dbswitch.database.url import DatabaseUrl
from dbswitch.database.url_parsing import DEFAULT_PORT
from dbswitch.errors import UrlError

if TYPE_CHECKING:
    from concurrent.futures import Future


_TRANSACTION_POOLER_PORT: Final = 6543
_SUPABASE_POOLER: Final = re.compile(r"(?:[\w-]+\.)+pooler\.supabase\.(?:com|co)")
_SUPABASE_DIRECT: Final = re.compile(r"db\.(?P<project>[a-z0-9]+)\.supabase\.(?:com|co)")
_POOLER_LABEL: Final = re.compile(r"^(?P<endpoint>[^.]+)-pooler(?=\.)")
_OWN_NAME: Final = 0.2  # seconds; /etc/hosts has the machine's own name, and no DNS server is waited for
_SHARED_HOSTS: Final = {"db.prisma.io": "db.prisma.io", "pooled.db.prisma.io": "db.prisma.io"}


class Place(Struct, frozen=True):
    """One database on one server."""

    host: str
    port: int
    database: str

    @property
    def text(self) -> str:
        """For people: `host:port/database`."""
        return f"{self.host}:{self.port}/{self.database}"

    def beside(self, other: Place) -> bool:
        """Return whether only the port differs, as between a database and a pooler on the same host."""
        return (self.host, self.database) == (other.host, other.database)


def place_of(url: DatabaseUrl) -> Place:
    """Return where `url` leads; this machine's own name and all addresses of its loopback interface count as one."""
    host, port = url.host, url.port
    if url.is_socket:
        return Place(host, port, url.database)
    host = host.lower().rstrip(".")
    role, _, project = url.user.rpartition(".")
    direct = _SUPABASE_DIRECT.fullmatch(host)
    if url.is_local or _is_own_name(host):
        host = "localhost"
    elif host in _SHARED_HOSTS:
        host = f"{url.user}.{_SHARED_HOSTS[host]}"
    elif direct is not None or (role and project and _SUPABASE_POOLER.fullmatch(host)):
        host = f"db.{project if direct is None else direct['project']}.supabase.co"
        port = DEFAULT_PORT if port == _TRANSACTION_POOLER_PORT else port
    else:
        host = _POOLER_LABEL.sub(r"\g<endpoint>", host)
    return Place(host, port, url.database)


@functools.cache
def _is_own_name(host: str) -> bool:
    """Return whether this is the name of this machine, and leads to it."""
    if host != socket.gethostname().lower():
        return False
    try:
        found = addresses(host, time.monotonic() + _OWN_NAME)
    except AttemptError:
        return False
    for address in found:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as bound:
            bound.bind((address, 0))  # refused for an address that is not this machine's
            return True
    return False


def place_in(value: str) -> Place | None:
    """Return where a variable's value leads; None where it is not a Postgres URL that can be used."""
    try:
        return place_of(DatabaseUrl.parse(value)) if "://" in value else None
    except UrlError:
        return None


_UNKNOWN: Final = {getattr(socket, name, None) for name in ("EAI_NONAME", "EAI_NODATA")}
_under_way: dict[str, Future[tuple[str, ...]]] = {}


def addresses(host: str, until: float) -> tuple[str, ...]:
    """Return the host's addresses in the system's order; give up at `until` (`time.monotonic()`). Raises AttemptError."""
    from concurrent.futures import Future  # it imports logging

    future = _under_way.get(host)
    if future is None:
        future = _under_way[host] = Future()
        threading.Thread(target=_look_up, args=(host, future), name="dbswitch-resolve", daemon=True).start()
    try:
        return future.result(max(0.0, until - time.monotonic()))
    except TimeoutError:
        raise AttemptError(FailureKind.NAME_LOOKUP) from None
    except OSError as error:
        kind = FailureKind.NAME_UNKNOWN if error.errno in _UNKNOWN else FailureKind.NAME_LOOKUP
        raise AttemptError(kind, str(error.args[-1])) from None
    except UnicodeError as error:
        # A label that is too long or empty does not even reach the system's resolver.
        raise AttemptError(FailureKind.NAME_UNKNOWN, str(error.args[-1])) from None
    finally:
        if future.done():
            _under_way.pop(host, None)


def _look_up(host: str, future: Future[tuple[str, ...]]) -> None:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        if not found:
            raise socket.gaierror(socket.EAI_NONAME, "no addresses")
    except (OSError, UnicodeError) as error:
        future.set_exception(error)
    else:
        future.set_result(tuple(dict.fromkeys(str(entry[4][0]) for entry in found)))
