"""What the tests of this folder share: doors that are no Postgres, and Hypothesis without a stopwatch."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from dbswitch.database.url import DatabaseUrl
from tests.support.postgres import PostgresServer, template

# Two cores shared with servers: how long one example takes says nothing.
settings.register_profile("database", deadline=None)
settings.load_profile("database")

if TYPE_CHECKING:
    from pathlib import Path

Door = Callable[[socket.socket, int], None]


@contextmanager
def open_door(answer: Door, port: int = 0) -> Iterator[int]:
    """Listen on a port of 127.0.0.1 and let `answer` deal with each connection, given its number from 1."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen()
    threads: list[threading.Thread] = []

    def serve() -> None:
        number = 0
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            number += 1
            threads.append(threading.Thread(target=deal, args=(connection, number)))
            threads[-1].start()

    def deal(connection: socket.socket, number: int) -> None:
        with connection, suppress(OSError):
            connection.settimeout(10)
            answer(connection, number)

    server = threading.Thread(target=serve)
    server.start()
    try:
        yield listener.getsockname()[1]
    finally:
        with suppress(OSError):  # macOS says "not connected" and wakes accept() all the same
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        server.join()
        for thread in threads:
            thread.join()


@pytest.fixture
def door() -> Iterator[Callable[[Door], int]]:
    with ExitStack() as stack:
        yield lambda answer: stack.enter_context(open_door(answer))


def pump(source: socket.socket, sink: socket.socket) -> None:
    """Copy one direction of a connection until it ends."""
    with suppress(OSError):
        while part := source.recv(65536):
            sink.sendall(part)
        sink.shutdown(socket.SHUT_WR)


def url_for(
    server: PostgresServer,
    database: str = "shop",
    user: str = "app",
    password: str = "s3cret",
    query: str = "",
) -> DatabaseUrl:
    return DatabaseUrl.parse(server.url(database, user=user, password=password) + query)


@pytest.fixture(scope="session")
def server(postgres_home: Path) -> Iterator[PostgresServer]:
    """A server of this folder's own, with roles and databases that are refused in every way."""
    made = PostgresServer(postgres_home / f"probe-{os.getpid()}", template=template(3))
    made.start()
    for role in ("app", "full", "barred"):
        made.create_role(role, "s3cret")
    for database in ("shop", "closed", "private"):
        made.create_database(database)
    made.execute("ALTER ROLE full CONNECTION LIMIT 0")
    made.execute("ALTER ROLE barred NOLOGIN")
    made.execute("ALTER DATABASE closed ALLOW_CONNECTIONS false")
    made.execute("REVOKE CONNECT ON DATABASE private FROM PUBLIC")
    yield made
    made.remove()
