"""A PgBouncer of Debian in transaction mode in front of a test's server."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit, urlunsplit

import pytest

from dbswitch.demo.postgres import free_port, server_user

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PROGRAM = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
DROPS_OPTIONS = "options"  # `ignore_startup_parameters`, what PgBouncer accepts and throws away


@pytest.fixture
def pooled(postgres_home: Path) -> Iterator[Callable[..., str]]:
    """Return the URL of a database behind a pooler; `ignored` are the startup parameters that it throws away."""
    if PROGRAM is None:
        pytest.fail("pgbouncer is not installed (apt-get install pgbouncer)")
    started: list[subprocess.Popen[bytes]] = []

    def start(url: str, *, ignored: str = "") -> str:
        parts = urlsplit(url)
        port = free_port()
        home = postgres_home / f"pgbouncer-{port}"
        home.mkdir()
        home.chmod(0o755)
        database = parts.path[1:]
        quoted = [unquote(text or "").replace("'", "''") for text in (parts.username, parts.password)]
        (home / "users.txt").write_text("")
        (home / "pgbouncer.ini").write_text(
            "[databases]\n"
            f"{database} = host=127.0.0.1 port={parts.port} dbname={database} user='{quoted[0]}' password='{quoted[1]}'\n"
            "[pgbouncer]\nlisten_addr = 127.0.0.1\nunix_socket_dir =\nauth_type = any\npool_mode = transaction\n"
            f"listen_port = {port}\nauth_file = {home / 'users.txt'}\nignore_startup_parameters = {ignored}\n"
        )
        process = subprocess.Popen(
            [PROGRAM, str(home / "pgbouncer.ini")],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=home,
            **server_user(),
        )
        started.append(process)
        until = time.monotonic() + 60
        while True:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            assert process.poll() is None, "pgbouncer ended"
            assert time.monotonic() < until, "pgbouncer does not listen"
            time.sleep(0.02)
        return urlunsplit(parts._replace(netloc=f"{parts.netloc.rpartition(':')[0]}:{port}"))

    yield start
    for process in started:
        process.terminate()
        process.wait(10)
