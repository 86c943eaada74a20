"""Read the env files of a project from disk, and compute again from disk what every reader gets."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from dbswitch.envfiles.precedence import DEV_FILES, disagreements
from dbswitch.errors import EnvFileError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from dbswitch.envfiles.precedence import ReaderProfile

MAX_BYTES = 1 << 20
"""No real env file is near one mebibyte; a larger file is something else."""


def read_env_files(root: Path, names: Sequence[str] = DEV_FILES) -> dict[str, bytes]:
    """Return name and content of those `names` that exist below `root`.

    A symlink is followed; a dangling one is an error, since writing it would create a file somewhere else.

    Raises:
        EnvFileError: one is not a regular file, cannot be read, or is larger than `MAX_BYTES`.
    """
    found = {}
    for name in names:
        data = _read(root / name, name)
        if data is not None:
            found[name] = data
    return found


def verify_on_disk(
    root: Path,
    variables: Mapping[str, str],
    profiles: Sequence[ReaderProfile],
    absent: frozenset[str] = frozenset(),
) -> tuple[str, ...]:
    """Return one line per reader and variable whose effective value on disk is not the wanted one; () is agreement.

    `absent` are the variables that no file of these readers may bind any more.

    See :func:`dbswitch.envfiles.precedence.disagreements` for what counts as one.

    Raises:
        EnvFileError: a file cannot be read.
    """
    names = tuple(dict.fromkeys(name for profile in profiles for name in profile.files))
    files = read_env_files(root, names)
    return disagreements(files, variables, absent, profiles)


def _read(path: Path, name: str) -> bytes | None:
    try:
        # O_NONBLOCK: opening a FIFO must not wait for someone to write into it.
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        if path.is_symlink():
            raise EnvFileError(
                f"{name} is a dangling symlink.",
                facts=(f"it points to {path.readlink()}",),
                fix=f"Create the file it points to, or remove {name}.",
            ) from None
        return None
    except OSError as error:
        raise EnvFileError(
            f"{name} cannot be read.",
            facts=(error.strerror or type(error).__name__,),
            why="Without it dbswitch cannot determine which database the project is on.",
            fix=f"Make {name} readable.",
        ) from None
    try:
        with os.fdopen(fd, "rb") as stream:
            status = os.fstat(stream.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise _not_a_file(name, status.st_mode)
            data = stream.read(MAX_BYTES + 1)
    except IsADirectoryError:
        raise _not_a_file(name, stat.S_IFDIR) from None
    except OSError as error:
        raise EnvFileError(
            f"{name} cannot be read.", facts=(error.strerror or type(error).__name__,)
        ) from None
    if len(data) > MAX_BYTES:
        raise EnvFileError(
            f"{name} is larger than 1 MiB, so it is not read as an env file.",
            fix=f"Check the contents of {name}.",
        )
    return data


def _not_a_file(name: str, mode: int) -> EnvFileError:
    kinds = {
        stat.S_IFDIR: "a directory",
        stat.S_IFIFO: "a FIFO (a password manager may serve it)",
        stat.S_IFSOCK: "a socket",
    }
    return EnvFileError(
        f"{name} is not a regular file.",
        facts=(f"it is {kinds.get(stat.S_IFMT(mode), 'a device')}",),
        why="dbswitch can only edit and restore regular files.",
        fix=f"Replace {name} by a regular file.",
    )
