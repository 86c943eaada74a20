"""What is looked at before a transaction writes its first byte, so that most failures happen while nothing has happened.

A file is replaced by a new one, so everything about the old one that must live on (owner, mode, links) is checked here.
"""

from __future__ import annotations

import os
import re
import shlex
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from dbswitch import durable
from dbswitch.envfiles.journal import Entry, digest
from dbswitch.envfiles.swapping import read_file
from dbswitch.errors import EnvFileConflictError, EnvFileError

if TYPE_CHECKING:
    from collections.abc import Iterable


# A checkout may bring a symlink to any file of the user's; outside the project only an env file is changed through one.
_ENV_NAME = re.compile(r"(^|[._-])env([._-]|$)", re.IGNORECASE)


def conflict(facts: Iterable[str]) -> EnvFileConflictError:
    """Return the error for files someone else changed; `facts` name each with both digests."""
    return EnvFileConflictError(
        "An env file was changed by someone else in the meantime.",
        facts=facts,
        why="It was left as it is, and so was every other env file.",
        fix="Save what you are editing, then switch again.",
    )


def checked(changes: Iterable[tuple[str, bytes | None, bytes | None]]) -> tuple[Entry, ...]:
    """Look at every file of a transaction, given as (path, old, new); leave out those that are new already.

    Raises:
        EnvFileConflictError: a file is neither in its old nor in its new state.
        EnvFileError: a file that cannot be replaced with its owner, mode and links kept.
    """
    entries: dict[str, Entry] = {}
    facts: list[str] = []
    for path, old, new in changes:
        entry = _entry(path, old, new)
        twin = entries.get(entry.real)
        if twin is not None:
            if (twin.old, twin.new) != (entry.old, entry.new):
                raise EnvFileError(
                    f"{entry.name} and {twin.name} are the same file.",
                    why="It cannot have two contents. Nothing was written.",
                    fix="Replace the symlink by a file of its own, or remove it.",
                )
            continue
        found = _found(entry)
        if found == entry.new:
            continue
        if found != entry.old:
            facts.append(f"{entry.name}: expected {digest(entry.old)}, found {digest(found)}")
        entries[entry.real] = entry
    if facts:
        raise conflict(facts)
    return tuple(entries.values())


def _found(entry: Entry) -> bytes | None:
    try:
        return read_file(entry.real)
    except OSError as error:
        raise _refusal(entry.path, f"cannot be read: {error.strerror}") from error


def _entry(path: str, old: bytes | None, new: bytes | None) -> Entry:
    try:
        real = os.path.realpath(path)
        folder = os.path.dirname(real)  # noqa: PTH120 - str in, str out
        around = os.stat(folder)  # noqa: PTH116 - as above
    except OSError as error:
        raise _refusal(path, f"cannot be reached: {error.strerror}") from error
    if not os.access(folder, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids):
        raise _refusal(path, "its folder is read-only", fix=f"chmod u+wx {shlex.quote(folder)}")
    name = os.path.basename(real)  # noqa: PTH119 - as above
    around_path = os.path.realpath(os.path.dirname(path))  # noqa: PTH120 - as above
    if not Path(real).is_relative_to(around_path) and _ENV_NAME.search(name) is None:
        raise _refusal(
            path,
            f"is a symlink to {real}, which is outside the project and not named like an env file",
            fix=f"Remove the symlink: rm {shlex.quote(path)}",
        )
    try:
        status = os.lstat(real)
    except FileNotFoundError:
        # As root in a person's project (a container), the file must stay theirs.
        uid, gid = (around.st_uid, around.st_gid) if os.geteuid() == 0 else (-1, -1)
        return Entry(path, real, old, new, durable.PRIVATE_FILE, uid, gid)
    except OSError as error:
        raise _refusal(path, f"cannot be reached: {error.strerror}") from error
    reason, fix = _unfit(path, real, status)
    if reason:
        raise _refusal(path, reason, fix=fix)
    mode = stat.S_IMODE(status.st_mode)
    return Entry(path, real, old, new, mode, status.st_uid, status.st_gid)


def _unfit(path: str, real: str, status: os.stat_result) -> tuple[str, str]:
    """Return why a file cannot be replaced and what helps, or two empty texts."""
    typed = shlex.quote(path)
    if stat.S_ISDIR(status.st_mode):
        return "is a folder", ""
    if not stat.S_ISREG(status.st_mode):
        return "is not a regular file", ""
    if status.st_nlink > 1:
        return (
            "has a second hard link, which replacing it would leave behind",
            f"Break the hard link: cp -p {typed} {typed}.copy && mv {typed}.copy {typed}",
        )
    user = os.geteuid()
    if user not in {0, status.st_uid}:
        return (
            f"belongs to another user (uid {status.st_uid}), who could not be kept",
            f"sudo chown {user} {typed}",
        )
    if user != 0 and status.st_gid not in {os.getegid(), *os.getgroups()}:
        return (
            f"belongs to a group you are not in (gid {status.st_gid})",
            f"sudo chgrp {os.getegid()} {typed}",
        )
    effective = os.access in os.supports_effective_ids
    if not os.access(real, os.R_OK, effective_ids=effective):
        return "is not readable", f"chmod u+r {typed}"
    if not os.access(real, os.W_OK, effective_ids=effective):
        return "is not writable", f"chmod u+w {typed}"
    return "", ""


def _refusal(path: str, reason: str, *, fix: str = "") -> EnvFileError:
    return EnvFileError(f"{os.path.basename(path)} {reason}.", why="Nothing was written.", fix=fix)  # noqa: PTH119
