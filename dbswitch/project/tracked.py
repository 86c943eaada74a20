"""Which files git tracks and which it ignores. The only place of this room that starts a program."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from dbswitch.project.git_owner import ANY_OWNER

if TYPE_CHECKING:
    from pathlib import Path

_TIMEOUT = 10.0  # seconds; git answers in milliseconds, a hung file system must not hang a switch


def tracked_files(root: Path, patterns: tuple[str, ...]) -> frozenset[str]:
    """Return the tracked files under `root` that match git pathspecs, as paths relative to `root`.

    No git, no repository, or a repository git refuses to read: none.
    """
    done = _git(root, ("ls-files", "-z", "--", *patterns))
    if done is None or done.returncode != 0:
        return frozenset()
    return _names(done.stdout)


def ignored_files(root: Path, names: tuple[str, ...]) -> frozenset[str] | None:
    """Return those of `names` that git would ignore, whether they exist or not; None where there is no repository."""
    done = _git(root, ("check-ignore", "-z", "--no-index", "--stdin"), "\0".join((*names, "")))
    if done is None or done.returncode not in {0, 1}:  # 1: none of them
        return None
    return _names(done.stdout)


def _git(root: Path, words: tuple[str, ...], given: str = "") -> subprocess.CompletedProcess[bytes] | None:
    # Inside a hook GIT_DIR and friends point at the repository of the hook, which need not be this one.
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    try:
        return subprocess.run(
            ["git", "-C", os.fspath(root), *ANY_OWNER, *words],
            capture_output=True,
            input=os.fsencode(given),
            timeout=_TIMEOUT,
            env={**environment, "GIT_OPTIONAL_LOCKS": "0"},
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None


def _names(output: bytes) -> frozenset[str]:
    return frozenset(os.fsdecode(name) for name in output.split(b"\0") if name)
