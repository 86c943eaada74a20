"""Where dbswitch keeps what makes it act: one private folder of the user for each project (docs/explanation/trust.md).

It is named after the project's real path and its inode, so another folder at the same path does not inherit it. The device
number is left out: it may change at a reboot, and the journal must be found after a power cut.
"""

from __future__ import annotations

import hashlib
import os
import pwd
import re
import stat
import sys
from pathlib import Path

from dbswitch import durable
from dbswitch.errors import ConfigError

# Files of a switch, which `switch/` writes and the doctor looks for: in `.dbswitch/` the lock, in the private folder the rest.
LOCK = "lock"
JOURNAL = "journal"
SWITCH_RECORD = "switch.json"
POOL_JOURNAL = "pool-journal"
POOL_RECORD = "pool.json"
# One of them is there after a killed switch; a pool's journal is never without its record.
UNFINISHED = (JOURNAL, SWITCH_RECORD, POOL_RECORD)

_ODD = re.compile(r"[^A-Za-z0-9._-]+")
_NAME_FILE = "project"  # holds the project's path, for people who look into the folder
_HEX_DIGITS = 16


def of_project(root: Path) -> Path:
    """Return the private folder for the project in `root`; it need not exist yet.

    Raises ConfigError: it exists and belongs to another user, or is a symlink; or the user has no home folder.
    """
    real = os.path.realpath(root)
    key = os.fsencode(real) + b"\0" + str(os.stat(real).st_ino).encode()  # noqa: PTH116 - str in, str out
    digest = hashlib.sha256(key).hexdigest()[:_HEX_DIGITS]
    name = _ODD.sub("-", os.path.basename(real)) or "project"  # noqa: PTH119 - as above
    folder = user_folder() / f"{name[:40]}-{digest}"
    for one in (folder.parent, folder):
        _require_own(one)
    return folder


def ensure(folder: Path, root: Path) -> Path:
    """Make the project's private folder (0700) and what is missing above it; return it. Raises OSError."""
    folder.parent.parent.mkdir(mode=durable.PRIVATE_DIR, parents=True, exist_ok=True)
    durable.ensure_own_dir(folder.parent)
    durable.ensure_own_dir(folder)
    name = folder / _NAME_FILE
    if not name.exists():
        durable.replace_file(name, os.fsencode(os.path.realpath(root)) + b"\n")
    return folder


def user_folder() -> Path:
    """Return the folder that holds all projects' folders. Raises ConfigError: the user has no home folder.

    A relative path is ignored (XDG Base Directory Specification).
    """
    configured = os.environ.get("XDG_STATE_HOME", "")
    if configured.startswith("/"):
        return Path(configured) / "dbswitch"
    inside = "Library/Application Support" if sys.platform == "darwin" else ".local/state"
    return _home() / inside / "dbswitch"


def _home() -> Path:
    user = os.geteuid()
    home = os.environ.get("HOME", "")  # with `sudo` perhaps still the other user's
    try:
        if home.startswith("/") and os.stat(home).st_uid == user:  # noqa: PTH116 - as above
            return Path(home)
        return Path(pwd.getpwuid(user).pw_dir)
    except (OSError, KeyError):
        raise ConfigError(
            "there is no folder for dbswitch's state",
            facts=(f"user id {user} has no home folder, and HOME does not name one",),
            why="the journal that makes a switch all or nothing is stored there, outside the project",
            fix="set XDG_STATE_HOME to a folder of yours",
        ) from None


def _require_own(folder: Path) -> None:
    try:
        found = folder.lstat()
    except OSError:  # missing, or in a folder that may not be entered: the writer reports it
        return
    if stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid():
        return
    what = f"it belongs to user id {found.st_uid}" if stat.S_ISDIR(found.st_mode) else "it is not a folder"
    raise ConfigError(
        "dbswitch's state folder cannot be used",
        facts=(f"{folder}: {what}",),
        why="dbswitch acts on what it finds there, so only this user may have written it",
        fix="remove it, or set XDG_STATE_HOME to a folder of yours",
    )


def store(path: Path, value: object, what: str, why: str, *facts: str) -> None:
    """Replace a private file by `value` as JSON. Raises ConfigError: `what`, its content, cannot be written."""
    try:
        durable.store(path, value)
    except OSError as error:
        raise ConfigError(
            f"{what} cannot be written",
            facts=(f"{error.filename or path}: {error.strerror}", *facts),
            why=why,
            fix=f"free disk space and make {path.parent} writable for you, then run the command again",
        ) from error
