"""The record of the running switch: what lets the next command finish the work of one that was killed.

It holds names and states, never a value of an env file. Which files were written is told by the env transaction's own
journal; this record tells whether a server had been taken down and not yet been put back.
"""

from __future__ import annotations

import contextlib
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from dbswitch import durable

if TYPE_CHECKING:
    from pathlib import Path

FILE_NAME = "switch.json"


@dataclass(frozen=True, slots=True)
class SwitchRecord:
    """A switch that has begun and not ended.

    Attributes:
        id: the run's id.
        target: where it was going.
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
    """`.dbswitch/switch.json` while a switch runs; every change is on the disk before the step it announces."""

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / FILE_NAME
        self._record: SwitchRecord | None = None

    def begin(self, record: SwitchRecord) -> None:
        """Write the first state. Raises OSError when it cannot be kept."""
        self._record = record
        durable.write_json(self._path, asdict(record))

    def note(self, *, server_down: bool | None = None, files_written: bool | None = None) -> None:
        """Write what has changed. Raises OSError when it cannot be kept."""
        assert self._record is not None
        changed = replace(
            self._record,
            server_down=self._record.server_down if server_down is None else server_down,
            files_written=self._record.files_written if files_written is None else files_written,
        )
        if changed != self._record:
            self.begin(changed)

    def end(self) -> None:
        """Remove the record: the switch has ended, one way or the other."""
        self._record = None
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()
            durable.fsync_dir(self._path.parent)


def read(state_dir: Path) -> SwitchRecord | None:
    """Return the record a killed switch left behind, or None. Call it under the lock only."""
    found = durable.read_json(state_dir / FILE_NAME)
    if not isinstance(found, dict):
        return None
    try:
        return SwitchRecord(
            id=str(found["id"]),
            target=str(found["target"]),
            previous=None if found["previous"] is None else str(found["previous"]),
            server_down=bool(found["server_down"]),
            files_written=bool(found["files_written"]),
        )
    except KeyError:
        return None
