"""Which env files git tracks. The only place of this room that starts a program."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_TIMEOUT = 10.0  # seconds; git answers in milliseconds, a hung file system must not hang a switch


def tracked_files(root: Path, patterns: tuple[str, ...]) -> frozenset[str]:
    """Return the tracked files under `root` that match git pathspecs, as paths relative to `root`.

    No git, no repository, or a repository git refuses to read: none.
    """
    # Inside a hook GIT_DIR and friends point at the repository of the hook, which need not be this one.
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    try:
        done = subprocess.run(
            ["git", "-C", os.fspath(root), "ls-files", "-z", "--", *patterns],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=_TIMEOUT,
            env={**environment, "GIT_OPTIONAL_LOCKS": "0"},
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return frozenset()
    if done.returncode != 0:
        return frozenset()
    return frozenset(os.fsdecode(name) for name in done.stdout.split(b"\0") if name)
