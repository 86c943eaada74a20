"""Everything the demo creates on the machine, and its removal.

One folder below the system's temporary folder holds the servers' data and the app. Every process is started with the
marker variable, by which the last of them is found whatever became of its parents.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from dbswitch.demo import commands
from dbswitch.demo.postgres import EmbeddedPostgres, free_port, give_back_shared_memory
from dbswitch.demo.programs import account, open_to_all

if TYPE_CHECKING:
    import psutil

PREFIX: Final = "dbswitch-demo-"
MARKER: Final = "DBSWITCH_DEMO"
_KEPT: Final = "kept"
_VALUE: Final = "marker"
_LOCK: Final = "lock"
_END_SECONDS: Final = 10.0


class Stage:
    """The demo's folder, open while the demo runs. Raises OSError when it cannot be made."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=_base()))
        self.folder.chmod(0o711 if os.geteuid() == 0 else 0o700)  # root's servers run as another user
        self._lock = (self.folder / _LOCK).open("wb")
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self._token = secrets.token_hex(8)
        (self.folder / _VALUE).write_text(self._token)
        os.environ[MARKER] = self._token  # inherited by everything that is started from here on
        self.app = self.folder / "app"
        self.port = free_port()
        self.local = EmbeddedPostgres(self.folder / "local")
        self.prod = EmbeddedPostgres(self.folder / "prod")
        temporary = self.folder / "tmp"
        temporary.mkdir()
        # npm and Prisma forget files in the temporary folder; this one goes away with the rest.
        self.environment = commands.environment() | {"TMPDIR": str(temporary)}

    def keep(self) -> None:
        """Leave everything running; :func:`remove_kept` ends it."""
        (self.folder / _KEPT).touch()
        self._lock.close()
        os.environ.pop(MARKER, None)

    def close(self) -> None:
        """End everything and delete the folder."""
        if (self.app / ".dbswitch").is_dir():
            commands.perform("stop", folder=self.app, env=self.environment)
        _end_marked(self._token, spare=frozenset({self.local.pid, self.prod.pid}))
        self.local.remove()
        self.prod.remove()
        _end_marked(self._token)
        self._lock.close()
        os.environ.pop(MARKER, None)
        _delete(self.folder)


def _base() -> Path:
    """Return the temporary folder, or `/tmp` where the first is closed to the user who runs root's servers."""
    base = Path(tempfile.gettempdir())
    return base if account().uid is None or open_to_all(base) else Path("/tmp")  # noqa: S108 (a random name below it)


def remove_kept() -> tuple[Path, ...]:
    """End every demo that was kept, and the remains of those that were killed; return their folders."""
    return tuple(_removed(kept=True))


def remove_remains() -> tuple[Path, ...]:
    """Clean up after demos that were killed (`kill -9`, a crash of the machine); return their folders."""
    return tuple(_removed(kept=False))


def _removed(*, kept: bool) -> list[Path]:
    done = []
    for folder in sorted(_base().glob(f"{PREFIX}*")):
        with contextlib.suppress(OSError):
            if folder.lstat().st_uid != os.geteuid() or ((folder / _KEPT).exists() and not kept):
                continue
            with (folder / _LOCK).open("rb") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # held: that demo is running
                _end_marked((folder / _VALUE).read_text())
                for name in ("local", "prod"):
                    give_back_shared_memory(folder / name / "data")
                _delete(folder)
            done.append(folder)
    return done


def _delete(folder: Path) -> None:
    until = time.monotonic() + _END_SECONDS
    while True:
        try:
            shutil.rmtree(folder)
        except OSError:
            # A database process that just lost its parent may still write its last file.
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
        else:
            return


def _end_marked(token: str, spare: frozenset[int | None] = frozenset()) -> None:
    until = time.monotonic() + _END_SECONDS
    while (
        left := [process for process in _marked(token) if not _spared(process, spare)]
    ) and time.monotonic() < until:
        import psutil

        for process in left:
            with contextlib.suppress(psutil.Error):
                process.kill()  # psutil compares the start time first
        time.sleep(0.02)


def _spared(process: psutil.Process, spare: frozenset[int | None]) -> bool:
    import psutil

    with contextlib.suppress(psutil.Error):
        return process.pid in spare or process.ppid() in spare
    return True


def _marked(token: str) -> list[psutil.Process]:
    import psutil

    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            ours = process.environ().get(MARKER) == token and process.pid != os.getpid()
            if ours and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found
