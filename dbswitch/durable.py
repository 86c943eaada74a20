"""Files that survive a power cut, and the private folders they are kept in."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import stat
import sys
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import msgspec

Stored = TypeVar("Stored")

PRIVATE_DIR = 0o700
PRIVATE_FILE = 0o600
LARGEST = 64 << 20  # bytes; no configuration or state file is larger
DRAFTS = ".*.draft-*"  # the temporary files of `replace_file`, which a killed process leaves behind


class NotAFileError(OSError):
    """A folder, a FIFO, a device or a symlink where a regular file was expected."""


def fsync_fd(fd: int) -> None:
    """Flush one file to the disk. On macOS fsync(2) stops at the drive's cache, and F_FULLFSYNC does not."""
    if sys.platform == "darwin":
        try:
            fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
        except OSError:  # some network file systems refuse it
            os.fsync(fd)
    else:
        os.fsync(fd)


def fsync_dir(directory: Path) -> None:
    """Flush a folder's entries. Raises OSError."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fsync_fd(fd)
    finally:
        os.close(fd)


def ensure_state_dir(directory: Path) -> Path:
    """Create the state folder (0700) with a `.gitignore` in it, so that it is never committed. Raises OSError."""
    ensure_own_dir(directory)
    ignore = directory / ".gitignore"
    if not ignore.exists():
        replace_file(ignore, b"*\n")
    return directory


def ensure_own_dir(directory: Path) -> None:
    """Create a folder (0700), or make an existing one private. Raises OSError, also for a symlink."""
    # A cloned repository may contain one: the folder that it leads to would be made private and its files believed.
    try:
        directory.mkdir(mode=PRIVATE_DIR)
        _give_folder_to_owner(directory)
    except FileExistsError:
        mode = directory.lstat().st_mode
        if not stat.S_ISDIR(mode):
            kind = "a symlink" if stat.S_ISLNK(mode) else "a file"
            raise NotADirectoryError(errno.ENOTDIR, f"it is {kind}, not a folder", str(directory)) from None
        if mode & 0o077:
            directory.chmod(PRIVATE_DIR)


def make_folders(directory: Path) -> None:
    """Create a folder and its missing parents; root creates them for the owner of the parent. Raises OSError."""
    missing = [one for one in (directory, *directory.parents) if not one.exists()]
    for one in reversed(missing):
        with contextlib.suppress(FileExistsError):
            one.mkdir()
            _give_folder_to_owner(one)


def open_private(path: Path, flags: int) -> int:
    """Open a regular file, or create it for its owner only; follow no symlink. Raises NotAFileError, OSError."""
    # Root gives a file that it creates to the owner of the folder, and no other: the owner could have put a hard link to one
    # of root's own files there. For the same reason a file with several hard links is not opened for writing.
    try:
        fd, created = _open_or_create(path, (flags & ~os.O_TRUNC) | os.O_NOFOLLOW)
    except OSError as error:
        if error.errno in {errno.ELOOP, errno.ENXIO}:  # a symlink, a socket
            raise NotAFileError(error.errno, "not a regular file", str(path)) from error
        raise
    try:
        if flags & os.O_ACCMODE != os.O_RDONLY and os.fstat(fd).st_nlink > 1:
            raise NotAFileError(errno.EMLINK, "it has several hard links", str(path))
        if created:
            _give_to_owner(path, fd)
        elif flags & os.O_TRUNC:
            os.ftruncate(fd, 0)
    except OSError:
        os.close(fd)
        raise
    return fd


def _open_or_create(path: Path, flags: int) -> tuple[int, bool]:
    """Return the descriptor, and whether this call created the file."""
    while True:
        if flags & os.O_CREAT:
            with contextlib.suppress(FileExistsError):
                return _open_regular(path, flags | os.O_EXCL), True
        try:
            return _open_regular(path, flags & ~os.O_CREAT), False
        except FileNotFoundError:  # removed since
            if not flags & os.O_CREAT:
                raise


def owner_for_new_file(folder: str | Path) -> tuple[int, int]:
    """Return user and group id for what is created in `folder`; -1 for those that the kernel chooses. Raises OSError."""
    # Root in a project of another user (a container) creates files for the owner of the folder.
    if os.geteuid() != 0:
        return -1, -1
    parent = os.stat(folder)  # noqa: PTH116 - `str` or `Path`
    return (parent.st_uid, parent.st_gid) if parent.st_uid != 0 else (-1, -1)


def _give_to_owner(path: Path, fd: int) -> None:
    """Give what root created at `path`, open as `fd`, to the owner of the parent directory. Raises OSError."""
    owner = owner_for_new_file(path.parent)
    if owner != (-1, -1) and os.fstat(fd).st_uid == 0:
        os.fchown(fd, *owner)


def _give_folder_to_owner(directory: Path) -> None:
    if owner_for_new_file(directory.parent) == (-1, -1):
        return
    # Through a descriptor: the owner of the parent could replace the new folder before a chown of its path.
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        _give_to_owner(directory, fd)
    finally:
        os.close(fd)


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file for reading. Raises NotAFileError (it is not one) or OSError."""
    return os.fdopen(_open_regular(path, os.O_RDONLY), "rb")


def _open_regular(path: Path, flags: int) -> int:
    # O_NONBLOCK: a FIFO, which a checkout may contain in place of any file, must not make the caller wait for its writer.
    fd = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC, PRIVATE_FILE)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise NotAFileError(errno.EINVAL, "not a regular file", str(path))
    return fd


def read_regular(path: Path) -> bytes:
    """Return the content of a regular file. Raises OSError as :func:`open_regular`, or EFBIG over 64 MiB."""
    with open_regular(path) as stream:
        # Not `read(LARGEST + 1)`: that allocates 64 MiB for each file, 30 us.
        if os.fstat(stream.fileno()).st_size > LARGEST:
            raise OSError(errno.EFBIG, f"larger than {LARGEST >> 20} MiB", str(path))
        return stream.read()


def read_regular_text(path: Path, *, encoding: str = "utf-8", errors: str = "strict") -> str:
    """Return the text of a regular file with every line end as one LF. Raises OSError or UnicodeDecodeError."""
    text = read_regular(path).decode(encoding, errors)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def text_or_empty(path: Path) -> str:
    """Return the text of a file of the project, to be searched; empty where it cannot be read."""
    try:
        return read_regular_text(path, errors="replace")
    except OSError:
        return ""


def write_new_file(
    path: str | Path,
    content: bytes,
    *,
    mode: int = PRIVATE_FILE,
    owner: tuple[int, int] = (-1, -1),
    attributes_of: str | Path | None = None,
) -> None:
    """Create `path`, which must not exist, and flush it to the disk. Raises OSError: a partial file may be left there.

    `mode` counts whatever the umask is; an `owner` of -1 is the kernel's choice. The extended attributes (ACLs among them)
    of the file `attributes_of` are copied where the system allows it.
    """
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, PRIVATE_FILE)
    try:
        remaining = memoryview(content)
        while remaining:  # write(2) may write fewer bytes than it was given
            remaining = remaining[os.write(fd, remaining) :]
        created = os.fstat(fd)
        uid, gid = (
            -1 if wanted == found else wanted
            for wanted, found in zip(owner, (created.st_uid, created.st_gid), strict=True)
        )
        if (uid, gid) != (-1, -1):
            os.fchown(fd, uid, gid)
        os.fchmod(fd, mode)  # after fchown, which clears the set-id bits
        if attributes_of is not None:
            _copy_attributes(attributes_of, fd)
        fsync_fd(fd)
    finally:
        os.close(fd)


def replace_file(path: Path, content: bytes, *, mode: int = PRIVATE_FILE) -> None:
    """Replace `path` by `content`, all or nothing, also across a power cut; no temporary file stays behind. Raises OSError."""
    draft = path.with_name(f".{path.name}.draft-{os.urandom(4).hex()}")
    try:
        write_new_file(draft, content, mode=mode, owner=owner_for_new_file(path.parent))
        os.rename(draft, path)  # noqa: PTH104 - the power-cut model of the tests records calls of `os`
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(draft)  # noqa: PTH108 - as above
        raise
    fsync_dir(path.parent)  # rename(2) is atomic, but the folder's entry needs an fsync(2) of its own


def _copy_attributes(source: str | Path, fd: int) -> None:
    if sys.platform != "linux":
        return
    with contextlib.suppress(OSError):
        for name in os.listxattr(source, follow_symlinks=False):
            with contextlib.suppress(OSError):
                os.setxattr(fd, name, os.getxattr(source, name, follow_symlinks=False))


def real_path_inside(root: Path, name: str | Path) -> Path | None:
    """Return the real path of a file or folder of the project, None if it is outside of the project's root."""
    real = Path(os.path.realpath(root / name))  # Path.resolve raises RuntimeError for a loop of symlinks
    return real if real.is_relative_to(os.path.realpath(root)) else None


def store(path: Path, value: object) -> None:
    """Replace `path` by `value` as JSON. Raises OSError as :func:`replace_file` does."""
    replace_file(path, msgspec.json.encode(value) + b"\n")


def load(path: Path, kind: type[Stored]) -> Stored | None:
    """Return what :func:`store` wrote to `path`, or None if there is no file or no complete value of that kind in it."""
    try:
        return msgspec.json.decode(read_regular(path), type=kind)
    except (OSError, ValueError, RecursionError):
        return None


def read_json(path: Path) -> Any:
    """Return the JSON value in `path`, or None if there is no file or no complete value in it."""
    try:
        return parse_json(read_regular(path))
    except (OSError, ValueError):
        return None


def read_object(path: Path) -> dict[str, Any]:
    """Return the JSON object in `path`; empty if there is none."""
    value = read_json(path)
    return value if isinstance(value, dict) else {}


def parse_json(text: str | bytes) -> Any:
    """Return the value of a JSON text. Raises UnicodeDecodeError or JSONDecodeError, also for one nested too deeply."""
    try:
        return json.loads(text)
    except RecursionError:
        raise json.JSONDecodeError("nested too deeply", "", 0) from None
