"""The record of the running switch: lets the next command finish a killed one.

It holds names and states, never a value of an env file. Which files were written is told by the env transaction's own
journal; this record tells whether a server had been taken down and not yet been put back.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from dbswitch import durable
from dbswitch.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

FILE_NAME = "switch.json"
BLOCK = 512  # bytes; a disk writes these atomically


class SwitchRecord(Struct, frozen=True):
    """A switch that has begun and not ended.

    Attributes:
        previous: the target that was active; None when it was none of the known ones.
        server_down: a running server was being stopped and has not been started again yet.
        files_written: the env files hold the target's values.
    """

    id: str
    target: str
    previous: str | None
    server_down: bool = False
    files_written: bool = False


class RecordFile:
    """`switch.json` in the user's state folder while a switch runs; each change is durable before the step it announces."""

    def __init__(self, private_dir: Path) -> None:
        self._path = private_dir / FILE_NAME
        self._record: SwitchRecord | None = None
        self._began = False

    def begin(self, record: SwitchRecord) -> None:
        """Write the first state. Raises ConfigError."""
        began, self._began = self._began, True  # first: a signal may come in before the call has returned
        try:
            self._write(record)
        except OSError as error:
            self._began = began
            raise ConfigError(
                "the record of the switch cannot be written",
                facts=(f"{self._path}: {error.strerror}",),
                why="without it a later command could not finish a switch that was killed",
                fix=f"free disk space and make {self._path.parent} writable for you, then switch again",
            ) from error

    def announce(self) -> None:
        """Write that a server is going to be taken down: must be on the disk before it is. Raises as :meth:`begin`."""
        assert self._record is not None
        if not self._record.server_down:
            self.begin(replace(self._record, server_down=True))

    def note(self, *, server_down: bool | None = None, files_written: bool | None = None) -> None:
        """Write what has been done, if possible.

        An outdated record only makes the next command check once more; an error here would fail this one.
        """
        if self._record is None:  # the first state could not be written either
            return
        changed = replace(
            self._record,
            server_down=self._record.server_down if server_down is None else server_down,
            files_written=self._record.files_written if files_written is None else files_written,
        )
        if changed != self._record:
            with contextlib.suppress(OSError):
                try:
                    self._write(changed)
                except OSError:  # no disk space for a second file
                    durable.overwrite_file(self._path, _padded(changed))
                    self._record = changed

    def withdraw(self) -> None:
        """Remove the record if this run wrote it: the record of an earlier run is still needed."""
        if self._began:
            self.end()

    def end(self) -> None:
        """Remove the record: the switch has ended. If that fails, a later command checks once more."""
        self._record = None
        with contextlib.suppress(OSError):
            self._path.unlink()
            durable.fsync_dir(self._path.parent)

    def _write(self, record: SwitchRecord) -> None:
        durable.replace_file(self._path, _padded(record))
        self._record = record


def _padded(record: SwitchRecord) -> bytes:
    """Return the record, long enough that every later state of it fits in the same place on a full disk."""
    text = msgspec.json.encode(record)
    room = len(text) + len("false" * 2)
    return text.ljust((room // BLOCK + 1) * BLOCK - 1) + b"\n"


def read(private_dir: Path) -> SwitchRecord | None:
    """Return the record a killed switch left behind, or None. Call it under the lock only."""
    try:
        return msgspec.json.decode(durable.read_regular(private_dir / FILE_NAME), type=SwitchRecord)
    except (OSError, ValueError, RecursionError):
        return None
