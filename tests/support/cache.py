"""The folder outside the tree where a machine keeps what is slow to make, and how it is filled once."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

VARIABLE = "DBSWITCH_TEST_CACHE"


def root() -> Path:
    named = os.environ.get(VARIABLE)
    return Path(named) if named else Path.home() / ".cache" / "dbswitch-tests"


@contextmanager
def locked(lock: Path) -> Iterator[None]:
    """Hold `lock` exclusively among all processes of this machine."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("ab") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def once(place: Path, make: Callable[[Path], object]) -> Path:
    """Return `place`, made by `make` the first time.

    `make` works in a folder beside it that is renamed into place when it is whole, so that a killed run leaves nothing
    that looks finished.
    """
    if place.exists():
        return place
    with locked(place.with_name(f"{place.name}.lock")):
        if place.exists():
            return place
        # Under the lock every unfinished folder is the remains of a run that was killed.
        for remains in place.parent.glob(f"{place.name}.unfinished-*"):
            shutil.rmtree(remains, ignore_errors=True)
        unfinished = Path(tempfile.mkdtemp(prefix=f"{place.name}.unfinished-", dir=place.parent))
        try:
            make(unfinished)
            unfinished.rename(place)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
    return place
