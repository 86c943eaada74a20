"""`node_modules` for the apps of this process: a copy by hard links, used again by the next app when its app is removed.

A copy has 18,000 files: making one and removing it takes half a second of processor time and seconds of the disk's.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support import cache

if TYPE_CHECKING:
    from collections.abc import Iterable

_free: dict[Path, list[Path]] = {}
_folders: list[Path] = []


def copy(source: Path, target: Path) -> None:
    """Copy by hard links; nothing may be changed in place in either copy."""
    if sys.platform == "linux":
        subprocess.run(["cp", "-a", "-l", str(source), str(target)], check=True)
    else:  # other systems' cp has no such option; this takes about twice as long
        shutil.copytree(source, target, symlinks=True, copy_function=_link)


def _link(source: str, target: str) -> None:
    Path(target).hardlink_to(source)


def place(source: Path, target: Path) -> None:
    """Make `target` a copy of `source`: one that was given back, or a new one."""
    if kept := _free.get(source):
        kept.pop().rename(target)
    else:
        copy(source, target)


def give_back(source: Path, used: Path) -> None:
    """Keep `used`, a copy of `source`, for another app; leave it where something was added or removed."""
    if not used.is_dir() or _names(used) != _names(source):
        return
    if not _folders:
        place_of_apps = cache.root() / "apps"  # a rename does not reach another file system
        _folders.append(Path(tempfile.mkdtemp(prefix="packages-", dir=place_of_apps)))
    kept = Path(tempfile.mkdtemp(dir=_folders[0])) / "node_modules"
    used.rename(kept)
    _free.setdefault(source, []).append(kept)


def remove_all() -> None:
    """Remove what was given back."""
    _free.clear()
    while _folders:
        shutil.rmtree(_folders.pop())


def _names(modules: Path) -> set[str]:
    """Return what is installed, programs included: the places where a test or a tool adds something."""
    found = {path.name for path in modules.iterdir()}
    inner: Iterable[Path] = (modules / name for name in found if name.startswith("@") or name == ".bin")
    return found | {f"{folder.name}/{path.name}" for folder in inner for path in folder.iterdir()}
