"""Small private files that survive a power cut: the state folder and how a file in it is replaced.

Rules: a file is written beside its final place, flushed to the disk, renamed, and its folder flushed
(rename(2) is atomic; fsync(2): the folder entry needs an fsync of its own).
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import stat
import sys
from pathlib import Path
from typing import Any, BinaryIO

PRIVATE_DIR = 0o700
PRIVATE_FILE = 0o600
LARGEST = 64 << 20  # bytes; what is larger is no configuration or state file
DRAFTS = ".*.draft-*"  # the temporary files of `replace_file`, which a killed process leaves behind


def fsync_fd(fd: int) -> None:
    """Flush one descriptor to the medium. On macOS plain fsync(2) stops at the drive's cache, F_FULLFSYNC does not."""
    if sys.platform == "darwin":
        try:
            fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
        except OSError:  # some network file systems refuse it
            os.fsync(fd)
    else:
        os.fsync(fd)


def fsync_dir(directory: Path) -> None:
    """Flush a folder's entries.

    Raises:
        OSError: the folder cannot be opened or flushed.
    """
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fsync_fd(fd)
    finally:
        os.close(fd)


def ensure_state_dir(directory: Path) -> Path:
    """Make the state folder (0700) with a `.gitignore` of its own, so that it can never be committed.

    Raises:
        OSError: it cannot be made.
    """
    ensure_own_dir(directory)
    ignore = directory / ".gitignore"
    if not ignore.exists():
        replace_file(ignore, b"*\n")
    return directory


def ensure_own_dir(directory: Path) -> None:
    """Make a folder (0700) or take the one that is there, closed to others.

    Raises:
        OSError: it cannot be made; or it is a symlink, which a cloned repository may bring along: whatever it leads to
            would be closed to others, and its files be taken for ours.
    """
    try:
        directory.mkdir(mode=PRIVATE_DIR)
        give_to_owner(directory)
    except FileExistsError:
        mode = directory.lstat().st_mode
        if not stat.S_ISDIR(mode):
            kind = "a symlink" if stat.S_ISLNK(mode) else "a file"
            raise NotADirectoryError(errno.ENOTDIR, f"it is {kind}, not a folder", str(directory)) from None
        if mode & 0o077:
            directory.chmod(PRIVATE_DIR)


def make_folders(directory: Path) -> None:
    """Make a folder and what is missing above it, each for whom the folder around it belongs to. Raises OSError."""
    missing = [one for one in (directory, *directory.parents) if not one.exists()]
    for one in reversed(missing):
        with contextlib.suppress(FileExistsError):
            one.mkdir()
            give_to_owner(one)


def open_private(path: Path, flags: int) -> int:
    """Return a descriptor of a file for its owner alone, never of one that a symlink leads to. Raises OSError."""
    # O_NONBLOCK: a FIFO that a checkout brings along must not make the caller wait for its other end.
    fd = os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, PRIVATE_FILE)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(errno.EINVAL, "it is not a regular file", str(path))
    if flags & os.O_CREAT:
        try:
            give_to_owner(path, fd)
        except OSError:
            os.close(fd)
            raise
    return fd


def give_to_owner(path: Path, fd: int | None = None) -> None:
    """Let what root made belong to whom the folder around it belongs to: as root in a person's project (a container).

    Raises:
        OSError: it cannot be looked at, or not be given.
    """
    if os.geteuid() != 0:
        return
    found, around = os.lstat(path) if fd is None else os.fstat(fd), path.parent.stat()
    if found.st_uid == 0 != around.st_uid:
        if fd is None:
            os.chown(path, around.st_uid, around.st_gid, follow_symlinks=False)
        else:
            os.fchown(fd, around.st_uid, around.st_gid)


def open_regular(path: Path) -> BinaryIO:
    """Open a file for reading; never wait for a FIFO's writer, which a checkout may bring in place of any file.

    Raises:
        OSError: it cannot be opened, or is not a regular file (EINVAL).
    """
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return os.fdopen(fd, "rb")


def read_regular(path: Path) -> bytes:
    """Return the content of a regular file of at most 64 MiB. Raises OSError as :func:`open_regular`, or EFBIG."""
    with open_regular(path) as stream:
        content = stream.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise OSError(errno.EFBIG, f"larger than {LARGEST >> 20} MiB", str(path))
    return content


def read_regular_text(path: Path, *, encoding: str = "utf-8", errors: str = "strict") -> str:
    """Return the text of a regular file with every line end as a single newline.

    Raises:
        OSError: as :func:`read_regular`.
        UnicodeDecodeError: it is not text in this encoding.
    """
    text = read_regular(path).decode(encoding, errors)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def replace_file(path: Path, content: bytes, *, mode: int = PRIVATE_FILE) -> None:
    """Replace `path` by `content`, all or nothing, also across a power cut.

    Raises:
        OSError: nothing was replaced, and no temporary file stays behind.
    """
    import tempfile

    fd, name = tempfile.mkstemp(prefix=f".{path.name}.draft-", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(fd, "wb") as stream:
            stream.write(content)
            stream.flush()
            give_to_owner(temporary, stream.fileno())
            os.fchmod(stream.fileno(), mode)
            fsync_fd(stream.fileno())
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    fsync_dir(path.parent)


def overwrite_file(path: Path, content: bytes) -> None:
    """Write `content` over a file of the same length, which needs no room on the disk; not safe against a power cut.

    Raises:
        OSError: it cannot be written; or it has another length, or is not a plain file, and is as it was.
    """
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode) or found.st_size != len(content):
            raise OSError(errno.EINVAL, "it is not the file that is to be written over", str(path))
        os.pwrite(fd, content, 0)
        fsync_fd(fd)
    finally:
        os.close(fd)


def write_json(path: Path, value: Any) -> None:
    """Replace `path` by `value` as JSON. Raises OSError as :func:`replace_file` does."""
    replace_file(path, json.dumps(value, sort_keys=True, separators=(",", ":")).encode() + b"\n")


def read_json(path: Path) -> Any:
    """Return what is in `path`, or None where there is no file or no whole JSON value in it."""
    try:
        return json.loads(read_regular(path))
    except (OSError, ValueError):
        return None
