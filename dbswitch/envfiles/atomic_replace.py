"""Replace one file atomically, and keep what another program saves to it at the same instant.

Comparing first and renaming then loses a save that falls between the two. So Linux exchanges the two names in one system
call (renameat2(2), RENAME_EXCHANGE) and the displaced file is compared *afterwards*; if it is not the expected one, it is
exchanged back. Other systems get the plain rename, with that gap.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

from dbswitch import durable

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_UNSUPPORTED = frozenset(
    {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EPERM, errno.EMLINK}
)


class ChangedError(Exception):
    """The file did not have the expected content and is left unchanged: `found` (None: no file)."""

    def __init__(self, found: bytes | None) -> None:
        super().__init__()
        self.found = found


def read_file(path: str) -> bytes | None:
    """Return a regular file's content, None if nothing is there; a symlink is not followed. Raises NotAFileError or OSError."""
    try:
        fd = durable.open_private(Path(path), os.O_RDONLY)
    except FileNotFoundError:
        return None
    with os.fdopen(fd, "rb", buffering=0) as stream:
        return stream.readall()


def replace(temporary: str, real: str, before: bytes | None, after: bytes | None) -> None:
    """Turn `real` from `before` into `after`, the content of `temporary`; None: no file. Raises ChangedError or OSError.

    ChangedError: `real` had another content, which stays. Where names can be exchanged, `temporary` is what `real` was before.
    """
    found = read_file(real)
    if found != before:
        raise ChangedError(found)
    if before is None:
        _create(temporary, real)
    elif after is None:
        _take_away(temporary, real, before)
    elif exchange(temporary, real):
        _require_displaced(temporary, real, before, after)
    else:
        os.rename(temporary, real)  # noqa: PTH104 - the power-cut model of the tests records calls of `os`


def discard(path: str) -> None:
    """Unlink `path` if it exists. Raises OSError."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)  # noqa: PTH108 - as above


def exchange(one: str, other: str) -> bool:
    """Exchange two existing names in one step; return False if the system cannot. Raises OSError."""
    renameat2 = _renameat2()
    if renameat2 is None:
        return False
    if renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0:
        return True
    import ctypes

    number = ctypes.get_errno()
    if number in _UNSUPPORTED:
        return False
    raise OSError(number, os.strerror(number), one, None, other)


def _require_displaced(temporary: str, real: str, before: bytes, after: bytes) -> None:
    """Undo an exchange that displaced anything but `before`; of several saves in a row the newest stays in place."""
    expected: bytes | None = before
    placed: bytes | None = after
    changed = False
    while (displaced := read_file(temporary)) != expected:
        exchange(temporary, real)
        expected, placed, changed = placed, displaced, True
    if changed:
        raise ChangedError(read_file(real))


def _create(temporary: str, real: str) -> None:
    # link(2) refuses an existing name, which rename(2) would overwrite.
    try:
        os.link(temporary, real, follow_symlinks=False)
    except FileExistsError:
        raise ChangedError(read_file(real)) from None
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
        os.rename(temporary, real)  # noqa: PTH104 - a file system without hard links
    else:
        discard(temporary)


def _take_away(temporary: str, real: str, before: bytes) -> None:
    discard(temporary)  # rename(2) between two links of one file does nothing
    os.rename(real, temporary)  # noqa: PTH104
    found = read_file(temporary)
    if found == before:
        return
    with contextlib.suppress(ChangedError):  # then an even newer save is there, and stays
        _create(temporary, real)
    raise ChangedError(found)


@cache
def _renameat2() -> Callable[..., int] | None:
    if sys.platform != "linux":
        return None
    import ctypes  # 2 ms that only a write needs

    function = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)  # missing in an old C library
    if function is not None:
        text, number = ctypes.c_char_p, ctypes.c_int
        function.argtypes = [number, text, number, text, ctypes.c_uint]
    return function
