"""Read the env files of a project from disk, and compute again from disk what every reader gets."""

from __future__ import annotations

import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

from dbswitch import durable
from dbswitch.envfiles.precedence import DEV_FILES, ReaderProfile, disagreements
from dbswitch.errors import EnvFileError

MAX_BYTES = 1 << 20  # no real env file is near one mebibyte
_KINDS = {
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a FIFO (a password manager may serve it)",
    stat.S_IFSOCK: "a socket",
}


def read_env_files(root: Path, names: Sequence[str] = DEV_FILES) -> dict[str, bytes]:
    """Return name and content of those `names` that exist below `root`. Raises EnvFileError."""
    # A symlink is followed; a dangling one is an error, since writing it would create a file somewhere else.
    found = {name: _read(root / name, name) for name in names}
    return {name: data for name, data in found.items() if data is not None}


def verify_on_disk(
    root: Path,
    variables: Mapping[str, str],
    profiles: Sequence[ReaderProfile],
    absent: frozenset[str] = frozenset(),
) -> tuple[str, ...]:
    """Return what :func:`dbswitch.envfiles.precedence.disagreements` finds in the files on disk. Raises EnvFileError."""
    names = tuple(dict.fromkeys(name for profile in profiles for name in profile.files))
    files = read_env_files(root, names)
    return disagreements(files, variables, absent, profiles)


def _read(path: Path, name: str) -> bytes | None:
    try:
        with durable.open_regular(path) as stream:
            data = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        if path.is_symlink():
            raise EnvFileError(
                f"{name} is a dangling symlink",
                facts=(f"it points to {path.readlink()}",),
                fix=f"create the file it points to, or remove {name}",
            ) from None
        return None
    except durable.NotAFileError:
        raise EnvFileError(
            f"{name} is not a regular file",
            facts=(f"it is {_KINDS.get(stat.S_IFMT(path.stat().st_mode), 'a device')}",),
            why="dbswitch can only edit and restore regular files",
            fix=f"replace {name} with a regular file",
        ) from None
    except OSError as error:
        raise EnvFileError(
            f"{name} cannot be read",
            facts=(error.strerror or type(error).__name__,),
            why="without it dbswitch cannot determine which database the project is on",
            fix=f"make {name} readable",
        ) from None
    if len(data) > MAX_BYTES:
        raise EnvFileError(
            f"{name} is larger than 1 MiB, so it is not read as an env file",
            fix=f"check the contents of {name}",
        )
    return data
