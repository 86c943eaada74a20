"""Temporary files in memory: thousands of tests flush their files, and each flush waits for the disk that all share.

`TMPDIR=/tmp make test` keeps them on the disk. What needs packages (tests/support/nextapp.py) is on the disk anyway.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

MEMORY = Path("/dev/shm")
ENOUGH = 2 << 30  # bytes; a run of all tests has at most 1 GB there, most of it data folders of Postgres


def usable(place: Path) -> bool:
    """Return whether `place` is in memory, has space and lets programs be executed."""
    try:
        status = os.statvfs(place)
    except OSError:  # no such file system here
        return False
    may_execute = not status.f_flag & os.ST_NOEXEC
    return may_execute and os.access(place, os.W_OK) and status.f_bavail * status.f_frsize >= ENOUGH


def use() -> Path | None:
    """Make a folder in memory the temporary one of this process and its children, unless `TMPDIR` names one."""
    if "TMPDIR" in os.environ or not usable(MEMORY):
        return None
    folder = Path(tempfile.mkdtemp(prefix="dbswitch-tests-", dir=MEMORY))
    folder.chmod(0o711)  # the user of root's Postgres servers passes through
    os.environ["TMPDIR"] = str(folder)
    tempfile.tempdir = None  # what was found before
    return folder


def free(folder: Path) -> None:
    """Remove the folder that :func:`use` returned."""
    shutil.rmtree(folder, ignore_errors=True)
    if os.environ.get("TMPDIR") == str(folder):
        del os.environ["TMPDIR"]
    tempfile.tempdir = None
