"""`dbswitch demo`: a switch there and back on embedded databases and a real app, removed afterwards."""
# Everything is in one folder below the system's temporary folder. Every process is started with a marker in its environment,
# by which it is found whatever became of its parents.

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from dbswitch import state_folder
from dbswitch.demo import shop, shop_app
from dbswitch.demo.postgres import EmbeddedPostgres, find_binaries, free_port, open_to_all, server_user
from dbswitch.errors import ConfigError, ExitCode, ServerError
from dbswitch.server.processes import own_command
from dbswitch.switch.interrupts import Interrupts

if TYPE_CHECKING:
    import psutil
    from rich.console import Console

PREFIX: Final = "dbswitch-demo-"
MARKER: Final = "DBSWITCH_DEMO"  # its value is the demo's folder
_LOCK: Final = "lock"  # held while the demo runs
_KEPT: Final = "kept"
_END_SECONDS: Final = 10.0
_ROLL_BACK_SECONDS: Final = 60.0
# An exported variable would override the app's env files and lead to the user's own databases.
_NOT_INHERITED: Final = ("DATABASE_URL", "DIRECT_URL", "BLOB_BUCKET", "PORT", "NODE_", "npm_", "PG")


def run(*, keep: bool = False) -> int:
    """Show the demo; return the exit code. `keep` leaves the servers and the app running until :func:`stop`.

    Raises ConfigError (Node.js, the embedded PostgreSQL or the network is missing), DatabaseNotReadyError, ServerError, or
    InterruptedSwitchError; everything has been removed.
    """
    console = _console()
    with Interrupts(lambda: console.print("[dim]still cleaning up[/]")) as interrupts:
        shop_app.require_node()
        find_binaries()
        _remove_demos(kept=False)  # killed ones
        console.print("[bold]dbswitch demo[/]: two databases, one Next.js and Prisma app, two switches\n")
        demo: _Demo | None = None
        try:
            with interrupts.deferred():
                demo = _Demo(console)
            demo.set_up()
            demo.play()
            if keep:
                with interrupts.deferred():
                    demo.keep()
                    demo = None
                return ExitCode.OK
        finally:
            if demo is not None:
                with interrupts.rolling_back():
                    console.print()
                    with demo.step("stopped the app and both servers, removed the folder"):
                        _remove(demo.folder)
    console.print("\n[green]✓[/] [bold]Done.[/] Everything was stopped, and the folder was removed.")
    return ExitCode.OK


def stop() -> int:
    """End what `dbswitch demo --keep` left running; return the exit code."""
    removed = _remove_demos(kept=True)
    for folder in removed:
        _console().print(f"[green]✓[/] stopped and removed {folder}")
    if not removed:
        _console().print("no demo is running")
    return ExitCode.OK


def _console() -> Console:
    from rich.console import Console

    return Console(stderr=True, highlight=False)


class _Demo:
    """The folder with the app and the two servers."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=_base()))
        self.folder.chmod(0o711 if server_user() else 0o700)
        self._lock = (self.folder / _LOCK).open("wb")
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        os.environ[MARKER] = str(self.folder)  # inherited by everything that is started from here on
        self.app = self.folder / "app"
        self.port = free_port()
        contents = {"local": shop.LOCAL, "prod": shop.PROD}
        self.servers = {name: (EmbeddedPostgres(self.folder / name), one) for name, one in contents.items()}
        temporary = self.folder / "tmp"  # npm and Prisma leave files there
        temporary.mkdir()
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(_NOT_INHERITED)},
            "TMPDIR": str(temporary),
            "NEXT_TELEMETRY_DISABLED": "1",
            "CHECKPOINT_DISABLE": "1",
        }

    @contextlib.contextmanager
    def step(self, text: str) -> Iterator[None]:
        """Show a spinner while the block runs, then a tick with its time."""
        began = time.monotonic()
        with self.console.status(text):
            yield
        self.console.print(f"[green]✓[/] {text} [dim]{time.monotonic() - began:.1f} s[/]")

    def set_up(self) -> None:
        """Start the servers and prepare the app."""
        for name, (server, content) in self.servers.items():
            with self.step(f'PostgreSQL "{name}" on 127.0.0.1:{server.port}'):
                server.start()
                shop.fill(server, content)
        shop_app.copy_source(self.app)
        self._configure()
        with self.step("npm packages installed"):
            shop_app.install_packages(self.app, self.environment)
        with self.step("Prisma client generated"):
            shop_app.generate_client(self.app, self.environment)
        # With it the app itself can confirm its database.
        self._dbswitch("generate", "route", "--identity-only")

    def _configure(self) -> None:
        """Write what a real project has: the port in the dev script, and one env file with both databases."""
        manifest = self.app / "package.json"
        content = json.loads(manifest.read_text())
        content["scripts"]["dev"] = f"next dev -p {self.port}"
        manifest.write_text(json.dumps(content, indent=2) + "\n")
        local, prod = (content.url(server) for server, content in self.servers.values())
        env_file = self.app / ".env"
        env_file.touch(0o600)
        env_file.write_text(
            "# The database the app uses; `dbswitch TARGET` changes these two lines and nothing else.\n"
            f'DATABASE_URL="{local}"\n'
            'BLOB_BUCKET="uploads-local"\n'
            "\n"
            "# The targets: the same variables with a suffix.\n"
            f'DATABASE_URL_LOCAL="{local}"\n'
            'BLOB_BUCKET_LOCAL="uploads-local"\n'
            f'DATABASE_URL_PRODUCTION="{prod}"\n'
            'BLOB_BUCKET_PRODUCTION="uploads-production"\n'
        )

    def play(self) -> None:
        """Start the app, switch it there and back, and show its answers."""
        for arguments, expected in (
            (("dev", "--detach"), shop.LOCAL),
            (("prod", "--confirm", shop.PROD.database), shop.PROD),
            (("local",), shop.LOCAL),
        ):
            self._dbswitch(*arguments)
            with self.console.status("asking the app's page and route"):
                rows, answer = shop_app.page(self.port), shop_app.route(self.port)
            for path, text in (("/", " · ".join(rows)), ("/api/items", json.dumps(answer))):
                self.console.print(f"  [dim]GET http://localhost:{self.port}{path}[/]")
                self.console.print(f"      {text}", markup=False, soft_wrap=True)
            if (rows[:1], answer["database"]) != ([expected.name], expected.database):
                facts = (f"expected: {expected.name}",)
                raise ServerError("the demo app answers from the wrong database", facts=facts)

    def _dbswitch(self, *arguments: str) -> None:
        """Run a command of dbswitch, which prints to stderr. Ctrl-C makes it roll back. Raises ServerError: it failed."""
        shown = " ".join(("dbswitch", *arguments))
        self.console.print(f"\n[bold]$ {shown}[/]")
        process = subprocess.Popen(
            [*own_command(), *arguments],
            cwd=self.app,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,  # a Ctrl-C reaches it once, from here
        )
        try:
            code = process.wait()
        except BaseException:
            process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_ROLL_BACK_SECONDS)
            raise
        if code != 0:
            raise ServerError(f"`{shown}` failed in the demo (exit {code})", facts=("its output is above",))

    def keep(self) -> None:
        """Leave everything running and print what to try."""
        (self.folder / _KEPT).touch()
        self._lock.close()
        self.console.print("\n[bold]It is still running. Try:[/]")
        for command, why in (
            (f"cd {self.app}", "every command below runs in the app's folder"),
            ("dbswitch", "the current state"),
            ("dbswitch prod --confirm prod", "the same switch again; leave out --confirm to be asked"),
            ("dbswitch -", "back to the previous one"),
            ("dbswitch logs -f", "the dev server's log"),
            (f"curl http://localhost:{self.port}/api/items", "the app's answer"),
            ("dbswitch demo --stop", "stop it and remove its folder"),
        ):
            self.console.print(f"  {command:<60} [dim]# {why}[/]")


def _base() -> Path:
    """Return the temporary folder, or `/tmp` if the user who runs root's servers may not enter the first."""
    base = Path(tempfile.gettempdir())
    return base if not server_user() or open_to_all(base) else Path("/tmp")  # noqa: S108  a random name below it


def _remove_demos(*, kept: bool) -> list[Path]:
    """Remove the demos that were killed (`kill -9`, a crash of the machine) and, if `kept`, those of `--keep`."""
    removed = []
    for folder in sorted(_base().glob(f"{PREFIX}*")):
        with contextlib.suppress(OSError):
            if folder.lstat().st_uid != os.geteuid() or ((folder / _KEPT).exists() and not kept):
                continue
            with (folder / _LOCK).open("rb") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # held: that demo is running
                _remove(folder)
            removed.append(folder)
    return removed


def _remove(folder: Path) -> None:
    """End the demo's processes, then remove its folder and its state. Raises OSError."""
    import psutil

    os.environ.pop(MARKER, None)
    for number in (signal.SIGINT, signal.SIGKILL):  # on SIGINT, PostgreSQL gives its shared memory back
        for process in _processes(folder):
            with contextlib.suppress(psutil.Error):
                process.send_signal(number)  # psutil compares the start time first
        until = time.monotonic() + _END_SECONDS
        while _processes(folder) and time.monotonic() < until:
            time.sleep(0.05)
    with contextlib.suppress(OSError, ConfigError):
        shutil.rmtree(state_folder.of_project(folder / "app"))
    shutil.rmtree(folder)


def _processes(folder: Path) -> list[psutil.Process]:
    import psutil

    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get(MARKER) == str(folder) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found
