"""Replace one file so that a save made by someone else in the same instant is noticed and kept.

Where the system can exchange two names at once (Linux, renameat2(2) RENAME_EXCHANGE), the file that was displaced stays
at hand and is looked at *after* the exchange: no save by rename can be lost between a check and a rename. Elsewhere a
hard link does the same, with a gap of two system calls.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
from typing import TYPE_CHECKING

from dbswitch import durable
from dbswitch.envfiles.journal import read_all, write_all

if TYPE_CHECKING:
    from collections.abc import Callable

    from dbswitch.envfiles.journal import Entry

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_UNSUPPORTED = frozenset(
    {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EPERM, errno.EMLINK}
)
_ROUNDS = 100  # an editor that saves a hundred times within a millisecond is none


class ChangedError(Exception):
    """The file was neither what was expected nor touched; `found` is what is there (None: no file)."""

    def __init__(self, found: bytes | None) -> None:
        super().__init__()
        self.found = found


class NotAFileError(OSError):
    """A folder, a FIFO, a device or a symlink where a regular file was expected."""


def read_file(path: str) -> bytes | None:
    """Return the content of a regular file, None where there is nothing.

    Never blocks on a FIFO and never follows a symlink.

    Raises:
        NotAFileError: something that is no regular file is there.
        OSError: it cannot be read.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno in {errno.ELOOP, errno.ENXIO}:
            raise NotAFileError(error.errno, "not a regular file") from error
        raise
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise NotAFileError(errno.EINVAL, "not a regular file")
        return read_all(fd)
    finally:
        os.close(fd)


def stage(path: str, content: bytes, entry: Entry, *, like: str | None) -> None:
    """Write a new file at `path` with the owner and mode of `entry`, flushed to the medium.

    `like` is a file whose extended attributes (ACLs among them) are taken over where the system allows it.

    Raises:
        OSError: a part of it may be left at `path`.
    """
    fd = os.open(
        path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, durable.PRIVATE_FILE
    )
    try:
        write_all(fd, content)
        made = os.fstat(fd)
        uid = -1 if entry.uid == made.st_uid else entry.uid
        gid = -1 if entry.gid == made.st_gid else entry.gid
        if (uid, gid) != (-1, -1):
            os.fchown(fd, uid, gid)
        os.fchmod(fd, entry.mode)  # after fchown, which clears bits
        if like is not None:
            _copy_attributes(like, fd)
        durable.fsync_fd(fd)
    finally:
        os.close(fd)


def put(staged: str, real: str, before: bytes | None, after: bytes | None) -> None:
    """Turn `real` from `before` into `after`, whose bytes are at `staged`; None means no file.

    Afterwards `staged` holds `before` (or is gone, where `before` is None), so the same call with the contents exchanged
    takes it back without needing a byte of disk space.

    Raises:
        ChangedError: somebody else's content is at `real`, and stays there.
        OSError: nothing was changed, or not known to be; look at the files.
    """
    found = read_file(real)
    if found != before:
        raise ChangedError(found)
    if before is None:
        _create(staged, real)
    elif after is None:
        _take_away(staged, real, before)
    else:
        _replace(staged, real, before, after)


def give_back(staged: str, real: str, before: bytes | None, foreign: bytes) -> None:
    """Put a file of somebody else's, displaced to `staged` by a run that was killed, back in place of `before`.

    Raises:
        ChangedError: always; `found` is what is now in place.
        OSError: as :func:`put`.
    """
    with contextlib.suppress(ChangedError):
        put(staged, real, before, foreign)
    raise ChangedError(read_file(real))


def settle(staged: str) -> None:
    """Finish an exchange by link that stopped halfway, so that the displaced file is at `staged`. Raises OSError."""
    spare = aside(staged)
    if os.path.lexists(spare) and not os.path.lexists(staged):
        os.rename(spare, staged)  # noqa: PTH104
    else:
        discard(spare)


def discard(path: str) -> None:
    """Unlink `path` where it exists. Raises OSError."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)  # noqa: PTH108 - the simulator of power cuts records os.* calls


def touch(path: str) -> None:
    """Give a file the present as its mtime, since watchers overlook a rename that brings an old one back."""
    with contextlib.suppress(OSError):
        os.utime(path, follow_symlinks=False)


def aside(staged: str) -> str:
    """Return the second temporary name, used only where names cannot be exchanged."""
    return staged + "~"


def _create(staged: str, real: str) -> None:
    # link(2) refuses an existing name, which rename(2) would overwrite.
    try:
        os.link(staged, real, follow_symlinks=False)
    except FileExistsError:
        raise ChangedError(read_file(real)) from None
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
        os.rename(staged, real)  # noqa: PTH104 - a file system without hard links
    else:
        discard(staged)


def _take_away(staged: str, real: str, before: bytes) -> None:
    discard(staged)  # rename(2) between two links of one file does nothing
    os.rename(real, staged)  # noqa: PTH104
    found = read_file(staged)
    if found == before:
        return
    with contextlib.suppress(ChangedError):  # then an even newer one is there, and wins
        _create(staged, real)
    raise ChangedError(found)


def _replace(staged: str, real: str, before: bytes, after: bytes) -> None:
    exchange(staged, real)
    displaced = read_file(staged)
    if displaced == before:
        return
    # Someone saved between the look and the exchange: theirs goes back, and the newest of several.
    ours: bytes | None = after
    for _ in range(_ROUNDS):
        theirs = displaced
        exchange(staged, real)
        displaced = read_file(staged)
        if displaced == ours:
            break
        ours = theirs
    raise ChangedError(read_file(real))


def exchange(one: str, other: str) -> None:
    """Let two existing names change places. Raises OSError."""
    swap = _native()
    if swap is not None:
        number = swap(os.fsencode(one), os.fsencode(other))
        if number == 0:
            return
        if number not in _UNSUPPORTED:
            raise OSError(number, os.strerror(number), one, None, other)
    _exchange_by_link(one, other)


def _exchange_by_link(staged: str, real: str) -> None:
    spare = aside(staged)
    discard(spare)
    try:
        os.link(real, spare, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
        _copy(real, spare)
    os.rename(staged, real)  # noqa: PTH104
    os.rename(spare, staged)  # noqa: PTH104


def _copy(source: str, destination: str) -> None:
    fd = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        content = read_all(fd)
        found = os.fstat(fd)
    finally:
        os.close(fd)
    fd = os.open(
        destination, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, durable.PRIVATE_FILE
    )
    try:
        write_all(fd, content)
        with contextlib.suppress(OSError):  # file systems without hard links often have no owners either
            os.fchown(fd, found.st_uid, found.st_gid)
        os.fchmod(fd, stat.S_IMODE(found.st_mode))
        durable.fsync_fd(fd)
    finally:
        os.close(fd)


def _copy_attributes(source: str, fd: int) -> None:
    if sys.platform != "linux":
        return
    with contextlib.suppress(OSError):
        for name in os.listxattr(source, follow_symlinks=False):
            with contextlib.suppress(OSError):
                os.setxattr(fd, name, os.getxattr(source, name, follow_symlinks=False))


_cached: list[Callable[[bytes, bytes], int] | None] = []


def _native() -> Callable[[bytes, bytes], int] | None:
    """Return the system's exchange of two names (0 or an errno), or None where it has none."""
    if not _cached:
        _cached.append(_load())
    return _cached[0]


def _load() -> Callable[[bytes, bytes], int] | None:
    if sys.platform != "linux":
        return None
    try:
        import ctypes

        function = ctypes.CDLL(None, use_errno=True).renameat2
    except (ImportError, OSError, AttributeError):  # an old C library
        return None
    function.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint]

    def swap(one: bytes, other: bytes) -> int:
        if function(_AT_FDCWD, one, _AT_FDCWD, other, _RENAME_EXCHANGE) == 0:
            return 0
        return ctypes.get_errno()

    return swap
