"""What the tests of this folder share: doors that are no Postgres, and Hypothesis without a stopwatch."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress

import pytest
from hypothesis import settings

# Two cores shared with servers: how long one example takes says nothing.
settings.register_profile("database", deadline=None)
settings.load_profile("database")

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
