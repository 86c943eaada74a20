"""The server record `server.json` in the user's state folder: identifies the server that dbswitch started; no secrets."""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path

from msgspec import Struct

from dbswitch import durable, state_folder
from dbswitch.server.processes import ProcessId


class ServerRecord(Struct, frozen=True):
    """A server that dbswitch started: the leader of its session, its marker, port and address."""

    process: ProcessId
    marker: str
    port: int
    url: str
    began: float  # seconds since the epoch; also bounds the start time after the clock was set (`changed_since_start`)
    log_start: int = 0  # the byte of the log where its output begins

    @property
    def pid(self) -> int:
        """The pid of the session's leader; also its process group and session number."""
        return self.process.pid


def marker_prefix(root: Path) -> str:
    """Return the prefix of the markers of this project's servers, known even if the record is lost."""
    return hashlib.sha256(str(root.resolve()).encode(errors="surrogateescape")).hexdigest()[:16] + "."


def new_marker(root: Path) -> str:
    """Return a marker for one start."""
    return marker_prefix(root) + os.urandom(8).hex()


def read_record(path: Path) -> ServerRecord | None:
    """Return the record, or None if there is none in a known format."""
    return durable.load(path, ServerRecord)


def write_record(path: Path, record: ServerRecord, root: Path) -> None:
    """Write the record of the server of the project in `root` in one piece. Raises OSError."""
    state_folder.ensure(path.parent, root)
    durable.store(path, record)


def remove_record(path: Path) -> None:
    """Remove the record: the server it described was stopped."""
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
