# Plain names, as the transaction uses them.
# ruff: noqa: PTH115, PTH208, PTH211
"""The folders the crash sweep works on, and what counts as all-old, all-new and clean."""

from __future__ import annotations

import itertools
import os
from typing import TYPE_CHECKING

from dbswitch.envfiles import atomic_replace
from dbswitch.envfiles.transaction import FileChange

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

OLD = b"# mine\nDATABASE_URL='postgres://old'\n"
NEW = b"# mine\nDATABASE_URL='postgres://new-and-longer'\n"

# What a transaction starts from and leads to, by scenario; None is "no file".
SCENARIOS = {
    "edits": {
        ".env": (OLD, NEW),
        ".env.development": (OLD + b"A=1\n", NEW + b"A=1\n"),
        ".env.local": (OLD, NEW),
    },
    "portable": {".env": (OLD, NEW), ".env.development": (None, NEW), ".env.local": (OLD, NEW)},
    "mixture": {".env": (OLD, NEW), ".env.development": (None, NEW), ".env.local": (OLD, None)},
}


def build(scenario: str, folder: Path) -> None:
    """Lay out the old state; `.env` is a symlink into another folder."""
    (folder / "state").mkdir()
    (folder / "shared").mkdir()
    os.symlink("shared/env", folder / ".env")
    for name, (old, _new) in SCENARIOS[scenario].items():
        if old is not None:
            (folder / name).write_bytes(old)
            (folder / name).chmod(0o640)


def changes(scenario: str, folder: Path) -> list[FileChange]:
    return [FileChange(folder / name, old, new) for name, (old, new) in SCENARIOS[scenario].items()]


def outcome(scenario: str, folder: Path) -> str:
    """Return `old`, `new` or what is mixed."""
    found = {n: (folder / n).read_bytes() if (folder / n).exists() else None for n in SCENARIOS[scenario]}
    for word, index in (("old", 0), ("new", 1)):
        if found == {name: pair[index] for name, pair in SCENARIOS[scenario].items()}:
            return word
    return f"MIXED {found}"


def blemishes(scenario: str, folder: Path) -> list[str]:
    """Return what is wrong apart from the contents: left-over files, modes, the symlink."""
    expected = {".env", "shared", "state", *SCENARIOS[scenario]}
    found = [f"left behind: {p}" for p in sorted(os.listdir(folder)) if p not in expected]
    found += [f"left behind: state/{p}" for p in os.listdir(folder / "state")]
    found += [f"left behind: shared/{p}" for p in os.listdir(folder / "shared") if p != "env"]
    if os.readlink(folder / ".env") != "shared/env":
        found.append("symlink lost")
    for name, (old, _new) in SCENARIOS[scenario].items():
        path = folder / name
        mode = 0o640 if old is not None else 0o600
        if path.exists() and path.stat().st_mode & 0o7777 != mode:
            found.append(f"{name}: mode {path.stat().st_mode:o}")
    return found


EFFECTS = (
    "open", "close", "read", "write", "fsync", "fstat", "lstat", "stat", "fchmod", "fchown", "ftruncate",
    "rename", "link", "unlink", "access", "utime", "listxattr", "readlink",
)  # fmt: skip


def count_effects(before: Callable[[int], object], names: Sequence[str] = EFFECTS) -> None:
    """Have `before` called with a running number before each call of this process that touches a file."""
    numbers = itertools.count(1)

    def wrap(call):
        def counted(*args, **kwargs):
            before(next(numbers))
            return call(*args, **kwargs)

        return counted

    for name in names:
        if hasattr(os, name):
            setattr(os, name, wrap(getattr(os, name)))
    atomic_replace.exchange = wrap(atomic_replace.exchange)
