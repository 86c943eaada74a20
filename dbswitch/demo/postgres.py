"""A private PostgreSQL server: TCP on 127.0.0.1, a free port, password authentication, a folder that can be deleted.

The wheel that carries the programs has a Python API of its own; it is not used because it offers a Unix socket only and
adds a user to the machine when run as root.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from typing import TYPE_CHECKING, Any, Final, LiteralString
from urllib.parse import quote

from dbswitch.demo.programs import Account, account, find_binaries, readable_binaries
from dbswitch.errors import DatabaseNotReadyError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import psutil
    import psycopg

SUPERUSER: Final = "postgres"
HOST: Final = "127.0.0.1"
# Below the range from which Linux (32768) and macOS (49152) take the source ports of outgoing connections: the port of a
# server that is stopped for a while must not be taken by an outgoing connection.
_PORTS: Final = range(15_000, 32_000)
_INITDB: Final = (
    f"--username={SUPERUSER}",
    "--auth=scram-sha-256",
    "--encoding=UTF8",
    "--locale=C",
    "--no-sync",
)
_SETTINGS: Final = (
    "shared_buffers=16MB",
    "max_connections=100",
    # The data is thrown away; fsync protects from power cuts only, a killed server recovers without it.
    "fsync=off",
    "full_page_writes=off",
    "unix_socket_directories=",
    f"listen_addresses={HOST}",
    "password_encryption=scram-sha-256",
    "logging_collector=off",
)


class EmbeddedPostgres:
    """One server with its own data folder.

    Args:
        home: a folder that is, or will be made, for this server alone; its parents must be open to the server's user.
        port: the port to use; None chooses a free one. It stays the same across stop and start.
        template: a data folder made by :func:`make_template`, copied instead of running `initdb`.
    """

    def __init__(self, home: Path, *, port: int | None = None, template: Path | None = None) -> None:
        self.home = home
        self.data = home / "data"
        self.log = home / "postgres.log"
        self.port = free_port() if port is None else port
        self._port_may_move = port is None
        self._template = template
        self._account = account()
        self._process: subprocess.Popen[bytes] | None = None
        self._password = ""
        self._binaries: Path | None = None

    def __repr__(self) -> str:
        return f"EmbeddedPostgres({str(self.home)!r}, port={self.port})"

    @property
    def pid(self) -> int | None:
        """The postmaster's process id while it runs."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def create(self) -> None:
        """Make the data folder; takes about 0.8 s, 0.15 s from a template.

        Raises:
            ConfigError: the PostgreSQL programs are missing.
            DatabaseNotReadyError: `initdb` failed.
            OSError: the folder cannot be made.
        """
        self.home.mkdir(parents=True, exist_ok=True)
        if self._account.uid is not None:
            self.home.chmod(0o711)
        self._binaries = readable_binaries(find_binaries(), self.home)
        if self._template is not None:
            self._password = (self._template / "password").read_text()
            subprocess.run(["cp", "-a", str(self._template / "data"), str(self.data)], check=True)
        else:
            self._password = secrets.token_hex(12)
            _initdb(self._binaries, self.data, self._password, self._account)

    def start(self, deadline: float = 30.0) -> None:
        """Start the server and wait until it answers.

        Args:
            deadline: seconds.

        Raises:
            DatabaseNotReadyError: it ended or did not answer in time; it is not left running.
        """
        if self.pid is not None:
            return
        if self._binaries is None:
            self.create()
        until = time.monotonic() + deadline
        while True:
            self._spawn()
            try:
                self.wait(until - time.monotonic())
            except DatabaseNotReadyError as error:
                if self._port_may_move and any("could not bind" in fact for fact in error.facts):
                    self.port = free_port()  # it was taken between the check and the start
                    continue
                raise
            except BaseException:
                self.kill()
                raise
            self._port_may_move = False
            return

    def _spawn(self) -> None:
        assert self._binaries is not None
        settings = [part for setting in _SETTINGS for part in ("-c", setting)]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [str(self._binaries / "postgres"), "-D", str(self.data), "-p", str(self.port), *settings],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.home,
                env=_environment(),
                start_new_session=True,  # a Ctrl-C in the terminal must not reach the database
                **self._account.popen(),
            )

    def wait(self, deadline: float = 30.0) -> None:
        """Wait until the server answers a query.

        Args:
            deadline: seconds.

        Raises:
            DatabaseNotReadyError: it ended or did not answer in time; it is not left running.
        """
        import psycopg

        until = time.monotonic() + deadline
        while True:
            ended = self._process is None or self._process.poll() is not None
            with contextlib.suppress(psycopg.OperationalError):
                # Asked only while our own process lives: another server may sit on the port.
                if not ended:
                    with self.connect(timeout=2):
                        return
            if ended or time.monotonic() >= until:
                self.kill()
                raise DatabaseNotReadyError(
                    "The embedded PostgreSQL ended right after its start."
                    if ended
                    else f"The embedded PostgreSQL did not answer within {deadline:.0f} s.",
                    facts=self._last_lines(),
                )
            time.sleep(0.02)

    def stop(self, deadline: float = 15.0) -> None:
        """Shut down and wait for it; what does not end within `deadline` seconds is killed."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGINT)  # "fast": open sessions are cut, the data is written
        try:
            self._process.wait(deadline)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process = None

    def kill(self) -> None:
        """End the server as a crash would (SIGKILL to it and to every backend) and wait until all are dead."""
        import psutil

        if self._process is None:
            return
        family: list[psutil.Process] = []
        with contextlib.suppress(psutil.Error):
            # Each backend is a session leader of its own: a signal to the group would miss them.
            family = psutil.Process(self._process.pid).children(recursive=True)
        self._process.kill()
        self._process.wait()
        for process in family:
            with contextlib.suppress(psutil.Error):
                process.kill()
        until = time.monotonic() + 5
        while any(_is_alive(process) for process in family) and time.monotonic() < until:
            time.sleep(0.005)
        self._process = None

    def remove(self) -> None:
        """Stop the server without saving its data and delete its folder."""
        if self._process is not None and self._process.poll() is None:
            # "Immediate": as quick as a kill, but the server gives its shared memory back.
            self._process.send_signal(signal.SIGQUIT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(5)
        self.kill()
        give_back_shared_memory(self.data)
        shutil.rmtree(self.home, ignore_errors=True)

    def connect(
        self, database: str = "postgres", *, timeout: float = 5
    ) -> psycopg.Connection[tuple[Any, ...]]:
        """Return an autocommit connection of the superuser. Raises psycopg.OperationalError."""
        import psycopg

        return psycopg.connect(
            host=HOST,
            port=self.port,
            user=SUPERUSER,
            password=self._password,
            dbname=database,
            connect_timeout=max(1, round(timeout)),
            autocommit=True,
        )

    def execute(
        self, sql: LiteralString, parameters: Sequence[object] = (), *, database: str = "postgres"
    ) -> list[tuple[Any, ...]]:
        """Run one statement as the superuser and return its rows. Raises psycopg.Error."""
        with self.connect(database) as connection:
            cursor = connection.execute(sql, parameters or None)
            return cursor.fetchall() if cursor.description else []

    def create_role(self, name: str, password: str) -> None:
        """Make a role that may log in, or give it a new password. Raises psycopg.Error."""
        from psycopg import sql

        exists = bool(self.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (name,)))
        statement = sql.SQL("{} ROLE {} LOGIN PASSWORD {}").format(
            sql.SQL("ALTER" if exists else "CREATE"), sql.Identifier(name), sql.Literal(password)
        )
        with self.connect() as connection:
            connection.execute(statement)

    def create_database(self, name: str, *, owner: str = SUPERUSER) -> None:
        """Make a database. Raises psycopg.Error."""
        from psycopg import sql

        with self.connect() as connection:
            connection.execute(
                sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(name), sql.Identifier(owner))
            )

    def url(self, database: str = "postgres", *, user: str = SUPERUSER, password: str | None = None) -> str:
        """Return the connection URL, secret included, percent-encoded."""
        secret = self._password if password is None else password
        return f"postgresql://{quote(user, safe='')}:{quote(secret, safe='')}@{HOST}:{self.port}/{database}"

    def _last_lines(self, count: int = 5) -> tuple[str, ...]:
        with contextlib.suppress(OSError):
            return tuple(self.log.read_text(errors="replace").strip().splitlines()[-count:])
        return ()


def make_template(place: Path) -> Path:
    """Make a data folder to be copied: `place/data` and `place/password`. Return `place`.

    Two servers copied from one template share their system identifier, as a base backup does; give servers that must
    differ templates of their own.

    Raises:
        ConfigError: the PostgreSQL programs are missing.
        DatabaseNotReadyError: `initdb` failed.
        OSError: the folder cannot be made.
    """
    server = EmbeddedPostgres(place)
    server.create()
    password = place / "password"
    password.touch(0o600)
    password.write_text(server._password)  # noqa: SLF001 (this module's own class)
    shutil.rmtree(place / "programs", ignore_errors=True)
    return place


def give_back_shared_memory(data: Path) -> None:
    """Free the System V segment of a server that was killed and will not start again.

    Only a next start on the same folder would free it, and macOS allows only 32 of them. A server that ended in order
    has removed the file read here (its seventh line is `key id`: PostgreSQL's `miscadmin.h`, LOCK_FILE_LINE_SHMEM_KEY).
    """
    with contextlib.suppress(OSError, IndexError):
        segment = (data / "postmaster.pid").read_text().splitlines()[6].split()[1]
        subprocess.run(["ipcrm", "-m", segment], capture_output=True, check=False)


def _initdb(binaries: Path, data: Path, password: str, user: Account) -> None:
    data.mkdir(mode=0o700)
    user.own(data)
    secret = data.with_name("initdb-password")
    secret.touch(0o600)
    user.own(secret)
    secret.write_text(password + "\n")
    try:
        done = subprocess.run(
            [str(binaries / "initdb"), "-D", str(data), f"--pwfile={secret}", *_INITDB],
            capture_output=True,
            cwd=data.parent,
            env=_environment(),
            check=False,
            **user.popen(),
        )
    finally:
        secret.unlink()
    if done.returncode != 0:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        raise DatabaseNotReadyError("`initdb` could not make a database folder.", facts=lines[-5:])


def _is_alive(process: psutil.Process) -> bool:
    import psutil

    with contextlib.suppress(psutil.NoSuchProcess):
        # A backend that lost its parent stays a zombie until PID 1 collects it, which a container's may do late or never.
        return process.status() != psutil.STATUS_ZOMBIE
    return False


def _environment() -> dict[str, str]:
    """Return the server's environment: no `PG*` variable of the person, but the marker by which it can be found."""
    kept = {key: value for key, value in os.environ.items() if key.startswith("DBSWITCH_")}
    return {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C", "TZ": "UTC", **kept}


def free_port() -> int:
    """Return a port of 127.0.0.1 and of all addresses on which nothing listens, outside the range of outgoing connections."""
    while True:
        port = secrets.choice(_PORTS)
        with socket.socket() as probe:
            # Without it a port whose last connections are in TIME_WAIT looks taken.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("", port))
            except OSError:
                continue
            return port
