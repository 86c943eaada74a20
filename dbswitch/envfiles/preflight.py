"""Checks before a transaction writes its first byte, so that most failures happen while nothing has been changed."""
# A file is replaced by a new one, so what the new one must keep of the old one (owner, mode, links) is checked here.

from __future__ import annotations

import os
import re
import shlex
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from dbswitch import durable
from dbswitch.envfiles.atomic_replace import read_file
from dbswitch.envfiles.journal_format import JournalEntry, digest
from dbswitch.errors import EnvFileConflictError, EnvFileError

if TYPE_CHECKING:
    from dbswitch.envfiles.transaction import FileChange

# A checkout may contain a symlink to any file of the user; outside the project only env files are changed through one.
_ENV_NAME = re.compile(r"(^|[._-])env([._-]|$)", re.IGNORECASE)


def conflict(changed: Iterable[tuple[JournalEntry, bytes | None]]) -> EnvFileConflictError:
    """Return the error for files that another program changed, each with what was found."""
    return EnvFileConflictError(
        "an env file was changed by another program during the switch",
        facts=[f"{one.name}: expected {digest(one.old)}, found {digest(found)}" for one, found in changed],
        why="that change was kept, and every other env file is as it was",
        fix="save what you are editing, then switch again",
    )


def checked(changes: Iterable[FileChange]) -> tuple[JournalEntry, ...]:
    """Return an entry for every file that has not its new content yet. Raises EnvFileConflictError or EnvFileError."""
    entries: dict[str, JournalEntry] = {}
    changed: list[tuple[JournalEntry, bytes | None]] = []
    for change in changes:
        entry, found = _examine(str(change.path), change.old, change.new)
        twin = entries.get(entry.real)
        if twin is not None:
            if (twin.old, twin.new) != (entry.old, entry.new):
                raise EnvFileError(
                    f"{entry.name} and {twin.name} are the same file",
                    why="it cannot have two contents; nothing was written",
                    fix="replace the symlink with a separate file, or remove it",
                )
            continue
        if found == entry.new:
            continue
        if found != entry.old:
            changed.append((entry, found))
        entries[entry.real] = entry
    if changed:
        raise conflict(changed)
    return tuple(entries.values())


def _examine(path: str, old: bytes | None, new: bytes | None) -> tuple[JournalEntry, bytes | None]:
    try:
        real = os.path.realpath(path)
        folder = os.path.dirname(real)  # noqa: PTH120 - str in, str out
        owner = durable.owner_for_new_file(folder)
        os.stat(folder)  # noqa: PTH116 - as above
        _require_project_file(path, real)
        # access(2) asks for the real user id by default; not every system can ask for the effective one.
        effective = os.access in os.supports_effective_ids
        if not os.access(folder, os.W_OK | os.X_OK, effective_ids=effective):
            raise _refusal(path, "is in a read-only folder", fix=f"chmod u+wx {shlex.quote(folder)}")
        try:
            status = os.lstat(real)
        except FileNotFoundError:
            return JournalEntry(path, real, old, new, durable.PRIVATE_FILE, *owner), None
        _require_replaceable(path, status)
        found = read_file(real)
    except PermissionError as error:
        raise _refusal(path, "is not readable", fix=f"chmod u+r {shlex.quote(path)}") from error
    except OSError as error:
        raise _refusal(path, f"cannot be read: {error.strerror}") from error
    mode, owner = stat.S_IMODE(status.st_mode), (status.st_uid, status.st_gid)
    return JournalEntry(path, real, old, new, mode, *owner), found


def _require_project_file(path: str, real: str) -> None:
    parent = os.path.realpath(os.path.dirname(path))  # noqa: PTH120 - str in, str out
    if not Path(real).is_relative_to(parent) and _ENV_NAME.search(os.path.basename(real)) is None:  # noqa: PTH119
        raise _refusal(
            path,
            f"is a symlink to {real}, which is outside the project and does not have the name of an env file",
            fix=f"remove the symlink: rm {shlex.quote(path)}",
        )


def _require_replaceable(path: str, status: os.stat_result) -> None:
    typed, user, fix = shlex.quote(path), os.geteuid(), ""
    if stat.S_ISDIR(status.st_mode):
        reason = "is a folder"
    elif not stat.S_ISREG(status.st_mode):
        reason = "is not a regular file"
    elif status.st_nlink > 1:
        reason = "has a second hard link, which would keep the old content"
        fix = f"break the hard link: cp -p {typed} {typed}.copy && mv {typed}.copy {typed}"
    elif user not in {0, status.st_uid}:
        reason = f"belongs to another user (uid {status.st_uid}), and the new file could not"
        fix = f"sudo chown {user} {typed}"
    elif user != 0 and status.st_gid not in {os.getegid(), *os.getgroups()}:
        reason = f"belongs to a group that you are not a member of (gid {status.st_gid})"
        fix = f"sudo chgrp {os.getegid()} {typed}"
    elif user != 0 and not status.st_mode & stat.S_IWUSR:
        reason, fix = "is not writable", f"chmod u+w {typed}"
    else:
        return
    raise _refusal(path, reason, fix=fix)


def _refusal(path: str, reason: str, *, fix: str = "") -> EnvFileError:
    return EnvFileError(f"{os.path.basename(path)} {reason}", why="nothing was written", fix=fix)  # noqa: PTH119
