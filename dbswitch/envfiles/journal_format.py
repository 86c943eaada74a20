"""The redo journal: one small private file (0600) with the old and the new content of several env files.

Once it is in place and its folder is flushed, the transaction is committed: a later run can finish it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

import msgspec

from dbswitch import durable

TEMPORARY = ".dbswitch-"
_MAGIC = b"dbswitch-journal 1 "


@dataclass(frozen=True, slots=True, repr=False)
class JournalEntry:
    """One file of a transaction; contents are secrets, so there is no repr."""

    path: str
    real: str  # behind the symlinks of `path`
    old: bytes | None  # None: it is created
    new: bytes | None  # None: it is removed
    mode: int
    uid: int  # -1: the user's
    gid: int

    @property
    def name(self) -> str:
        """The file's name as it is shown."""
        return os.path.basename(self.path)  # noqa: PTH119 - str in, str out


@dataclass(frozen=True, slots=True, repr=False)
class Journal:
    """All entries in the order in which they are written; `id` is part of the names of the temporary files."""

    id: str
    entries: tuple[JournalEntry, ...]

    def temporary(self, entry: JournalEntry) -> str:
        """Return the name of its temporary file: in the same folder, and covered by the usual `.env*` ignore rule."""
        return f"{entry.real}{TEMPORARY}{self.id}"

    def second_temporary(self, entry: JournalEntry) -> str:
        """Return another name: recovery takes unknown content under the first for another program's save."""
        return f"{self.temporary(entry)}~"


def digest(content: bytes | None) -> str:
    """Return the short digest that messages show: eight hexadecimal digits of SHA-256, or `missing`."""
    return "missing" if content is None else hashlib.sha256(content).hexdigest()[:8]


def encode(journal: Journal) -> bytes:
    """Return a line with the checksum of the rest, then one JSON value."""
    # json, not msgspec.json: a path that is not UTF-8 holds lone surrogates.
    body = json.dumps(msgspec.to_builtins(journal)).encode()
    return _MAGIC + hashlib.sha256(body).hexdigest().encode() + b"\n" + body


def decode(content: bytes) -> Journal | None:
    """Return the journal in `content`, or None if it is damaged or has another format."""
    head, _, body = content.partition(b"\n")
    if head != _MAGIC + hashlib.sha256(body).hexdigest().encode():
        return None
    try:
        return msgspec.convert(json.loads(body), Journal)
    except (ValueError, RecursionError):
        return None  # a valid checksum but an unknown structure: not written by dbswitch


def commit(path: Path, journal: Journal) -> None:
    """Put the journal in place: the transaction will be completed whatever happens. Raises OSError: call :func:`retire`."""
    durable.replace_file(path, encode(journal))


def retire(path: Path) -> None:
    """Remove the journal and its drafts, durably. Raises OSError: it is still there, or may come back after a power cut."""
    for name in (*_drafts(path), path):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)  # noqa: PTH108 - the power-cut model of the tests records calls of `os`
    durable.fsync_dir(path.parent)


def has_remains(path: Path) -> bool:
    """Return whether a journal or a draft of one exists. Raises OSError."""
    return os.path.lexists(path) or bool(_drafts(path))


def _drafts(path: Path) -> list[Path]:
    try:
        names = os.listdir(path.parent)  # noqa: PTH208 - Path.glob() ignores a folder that cannot be read
    except FileNotFoundError:
        return []
    return [path.with_name(name) for name in names if name.startswith(f".{path.name}.draft-")]
