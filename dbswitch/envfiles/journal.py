"""The redo journal: the one small file that turns a change of several env files into a single one.

The journal holds both contents of every file. It is written under another name, flushed, renamed to its own name, and
its folder is flushed: that instant is the commit point. Before it nothing has happened; after it a later run can always
finish. It is private (0600), and it is gone when the transaction is.
"""

from __future__ import annotations

import binascii
import contextlib
import hashlib
import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dbswitch import durable

if TYPE_CHECKING:
    from pathlib import Path

_MAGIC = b"dbswitch-journal 1 "
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True, repr=False)
class Entry:
    """One file of a transaction.

    `path` is what the caller named, `real` the file behind its symlinks. `old` None: the file is created; `new` None: it
    is removed. `uid` and `gid` are -1 where the new file simply gets the writer's. Contents are secrets: no repr.
    """

    path: str
    real: str
    old: bytes | None
    new: bytes | None
    mode: int
    uid: int
    gid: int

    @property
    def name(self) -> str:
        """The file's name as people are shown it."""
        return os.path.basename(self.path)  # noqa: PTH119 - str in, str out


@dataclass(frozen=True, slots=True, repr=False)
class Journal:
    """All entries in their order of writing; `id` is part of the names of the temporary files."""

    id: str
    entries: tuple[Entry, ...]


def digest(content: bytes | None) -> str:
    """Return the short digest people are shown: eight hexadecimal digits of SHA-256, or `missing`."""
    return "missing" if content is None else hashlib.sha256(content).hexdigest()[:8]


def encode(journal: Journal) -> bytes:
    """Return the journal's bytes: a line with the checksum of the rest, then one JSON value."""
    entries = [
        [e.path, e.real, _to_text(e.old), _to_text(e.new), e.mode, e.uid, e.gid] for e in journal.entries
    ]
    body = json.dumps({"id": journal.id, "entries": entries}).encode()
    return _MAGIC + hashlib.sha256(body).hexdigest().encode() + b"\n" + body


def decode(content: bytes) -> Journal | None:
    """Return the journal in `content`, or None where it is not a whole one: then it was never committed."""
    head, _, body = content.partition(b"\n")
    if head != _MAGIC + hashlib.sha256(body).hexdigest().encode():
        return None
    try:
        value: dict[str, Any] = json.loads(body)
        return Journal(
            str(value["id"]),
            tuple(
                Entry(str(path), str(real), _to_bytes(old), _to_bytes(new), int(mode), int(uid), int(gid))
                for path, real, old, new, mode, uid, gid in value["entries"]
            ),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None  # its checksum is right and its shape is not: no dbswitch wrote it


def commit(path: Path, journal: Journal) -> None:
    """Put the journal in place; when this returns, the transaction will happen whatever happens next.

    Raises:
        OSError: it is not committed. A file may be left behind: :func:`retire` removes it.
    """
    draft = _draft(path)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(draft)  # noqa: PTH108 - the simulator of power cuts records os.* calls
    fd = os.open(draft, _CREATE, durable.PRIVATE_FILE)
    try:
        os.fchmod(fd, durable.PRIVATE_FILE)
        write_all(fd, encode(journal))
        durable.fsync_fd(fd)
    finally:
        os.close(fd)
    os.rename(draft, path)  # noqa: PTH104 - as above
    durable.fsync_dir(path.parent)


def read(path: Path) -> Journal | None:
    """Return the committed journal at `path`, or None where there is none.

    Raises:
        OSError: there is one and it cannot be read.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        return decode(read_all(fd))
    finally:
        os.close(fd)


def retire(path: Path) -> None:
    """Remove the journal and its draft, and make that durable; one that cannot be unlinked is emptied.

    Raises:
        OSError: the journal is still there, or may come back after a power cut.
    """
    for name in (_draft(path), path):
        try:
            os.unlink(name)  # noqa: PTH108 - as above
        except FileNotFoundError:
            continue
        except OSError:
            _empty(name)
            os.unlink(name)  # noqa: PTH108 - as above
    durable.fsync_dir(path.parent)


def write_all(fd: int, content: bytes) -> None:
    """Write every byte of `content`; write(2) may write fewer. Raises OSError."""
    view = memoryview(content)
    while view:
        view = view[os.write(fd, view) :]


def read_all(fd: int) -> bytes:
    """Return what is left to read from `fd`. Raises OSError."""
    parts = []
    while part := os.read(fd, 1 << 16):
        parts.append(part)
    return b"".join(parts)


def _draft(path: Path) -> Path:
    # A fixed name: the switch holds the lock, and what a kill leaves behind is found again.
    return path.with_name(path.name + ".draft")


def _empty(path: Path) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.ftruncate(fd, 0)
        durable.fsync_fd(fd)
    finally:
        os.close(fd)


def _to_text(content: bytes | None) -> str | None:
    return None if content is None else binascii.b2a_base64(content, newline=False).decode()


def _to_bytes(text: str | None) -> bytes | None:
    return None if text is None else binascii.a2b_base64(text)


def has_remains(path: Path) -> bool:
    """Tell cheaply whether a journal or a draft of one is there."""
    return os.path.lexists(path) or os.path.lexists(_draft(path))
