"""Signs of a server's start are seen without connecting to it."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from dbswitch.database import listening
from dbswitch.database.listening import listeners, listening_inodes
from dbswitch.database.signs import Signs
from dbswitch.database.url import DatabaseUrl
from dbswitch.demo.postgres import free_port

linux = pytest.mark.skipif(sys.platform != "linux", reason="there is no /proc elsewhere, and no signs")

TABLE = """\
   0: 0100007F:1538 00000000:0000 0A 00000000:00000000 00:00000000 00000000   999        0 11111 1 0000000000000000 100 0 0 10 0
   1: 00000000:1538 00000000:0000 0A 00000000:00000000 00:00000000 00000000   999        0 22222 1 0000000000000000 100 0 0 10 0
   2: 0100007F:1538 0100007F:E2A0 01 00000000:00000000 00:00000000 00000000   999        0 33333 1 0000000000000000 100 0 0 10 0
   3: 0100007F:1539 00000000:0000 0A 00000000:00000000 00:00000000 00000000   999        0 44444 1 0000000000000000 100 0 0 10 0
   4: 0202000A:1538 00000000:0000 0A 00000000:00000000 00:00000000 00000000   999        0 55555 1 0000000000000000 100 0 0 10 0
   5: 00000000000000000000000001000000:1538 00000000000000000000000000000000:0000 0A 0:0 00:0 0   999        0 66666 1 0
   6: 00000000000000000000000000000000:1538 00000000000000000000000000000000:0000 0A 0:0 00:0 0   999        0 77777 1 0
   7: 0000000000000000FFFF00000100007F:1538 00000000000000000000000000000000:0000 0A 0:0 00:0 0   999        0 88888 1 0
"""


@pytest.mark.skipif(sys.byteorder != "little", reason="the table above is from a little-endian machine")
def test_listeners_on_the_port_and_a_local_address_are_found_in_the_kernels_table():
    assert listening_inodes(TABLE.splitlines(), 0x1538) == {"11111", "22222", "66666", "77777", "88888"}


@linux
@pytest.mark.parametrize(
    ("family", "host"),
    [
        (socket.AF_INET, "127.0.0.1"),
        (socket.AF_INET, "0.0.0.0"),
        (socket.AF_INET6, "::1"),
        (socket.AF_INET6, "::"),
    ],
)
def test_both_ways_of_asking_the_kernel_see_the_same_listener(monkeypatch, family, host):
    with socket.socket(family) as listener, socket.socket(family) as connected:
        try:
            listener.bind((host, 0))
        except OSError:
            pytest.skip("this machine has no IPv6")
        port = listener.getsockname()[1]
        assert listeners(port) == frozenset()
        listener.listen()
        connected.connect(("127.0.0.1" if family == socket.AF_INET else "::1", port))
        found = listeners(port)
        assert len(found) == 1
        monkeypatch.setattr(listening, "_asked", refused)
        assert listeners(port) == found


def refused(family, port):
    raise PermissionError


def listen_later(port: int, delay: float) -> tuple[threading.Thread, socket.socket]:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))

    def listen() -> None:
        threading.Event().wait(delay)
        listener.listen()

    thread = threading.Thread(target=listen)
    thread.start()
    return thread, listener


@linux
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_new_listener_ends_the_sleep(host):
    port = free_port()
    signs = Signs(DatabaseUrl.parse(f"postgresql://u@{host}:{port}/d"))
    signs.look()
    thread, listener = listen_later(port, 0.1)
    began = time.monotonic()
    assert signs.sleep(20)
    assert time.monotonic() - began < 10
    thread.join()
    signs.look()
    assert not signs.sleep(0.1), "a listener that was there before is no news"
    listener.close()


def test_a_new_socket_file_ends_the_sleep(tmp_path):
    signs = Signs(DatabaseUrl.parse(f"postgresql://u@localhost:7/d?host={tmp_path}"))
    signs.look()
    timer = threading.Timer(0.1, (tmp_path / ".s.PGSQL.7").touch)
    timer.start()
    assert signs.sleep(20)
    timer.join()
    signs.look()
    assert not signs.sleep(0.05)


def test_there_are_no_signs_of_a_remote_server():
    signs = Signs(DatabaseUrl.parse("postgresql://u@db.example.com/d"))
    assert not signs.visible
    assert not signs.sleep(0.01, starting=True)


@linux
def test_the_end_of_a_servers_start_up_process_ends_the_sleep(tmp_path):
    title = "postgres: startup recovering 000000010000000000000001"
    program = Path(sys.executable)
    # Any program may call itself so; it is the title that Postgres shows.
    process = subprocess.Popen(
        [title, "-c", "import sys; sys.stdin.read()"], executable=program, stdin=subprocess.PIPE
    )
    try:
        signs = Signs(DatabaseUrl.parse(f"postgresql://u@127.0.0.1:{free_port()}/d"))
        signs.look()
        assert not signs.sleep(0.05, starting=True)

        def end() -> None:
            process.communicate(timeout=20)

        timer = threading.Timer(0.1, end)
        timer.start()
        assert signs.sleep(20, starting=True)
        timer.join()
    finally:
        process.kill()
        process.wait()
