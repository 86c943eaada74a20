"""`npm ci` once per machine and lock file, into the cache outside the tree."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from typing import TYPE_CHECKING

from dbswitch.demo.shop_app import NPM_CI
from tests.support import cache

if TYPE_CHECKING:
    from pathlib import Path

_FILES = ("package.json", "package-lock.json", ".npmrc")


def digest(folder: Path, names: tuple[str, ...] = _FILES) -> str:
    """Return the digest of the named files of `folder`, those that exist."""
    whole = hashlib.sha256()
    for name in names:
        if (folder / name).exists():
            content = (folder / name).read_bytes()
            whole.update(f"{name} {len(content)}\n".encode() + content)
    return whole.hexdigest()[:16]


def node_modules_for(lock_folder: Path) -> Path:
    """Return the `node_modules` made from the lock file in `lock_folder`; read it, link to it, never change it."""

    def install(unfinished: Path) -> None:
        for name in _FILES:
            if (lock_folder / name).exists():
                shutil.copyfile(lock_folder / name, unfinished / name)
        done = subprocess.run(
            [*NPM_CI, "--no-progress", "--prefer-offline"],
            cwd=unfinished,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=900,
        )
        if done.returncode != 0:
            raise RuntimeError(
                f"npm ci failed in {lock_folder}:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
            )

    return cache.once(cache.root() / "npm" / digest(lock_folder), install) / "node_modules"
