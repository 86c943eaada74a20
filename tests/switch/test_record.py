"""The record of a running switch on a disk that does not take it."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

import pytest

from dbswitch import durable
from dbswitch.errors import ConfigError
from dbswitch.switch import record
from dbswitch.switch.record import RecordFile, SwitchRecord

if TYPE_CHECKING:
    from pathlib import Path

FIRST = SwitchRecord("id", "prod", "local")


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> dict[str, bool]:
    """A switch for the disk: full or not."""
    state = {"full": False}
    write = durable.write_json

    def write_json(path: Path, value: Any) -> None:
        if state["full"]:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(path, value)

    monkeypatch.setattr(durable, "write_json", write_json)
    return state


def test_a_switch_that_cannot_be_recorded_does_not_begin(tmp_path: Path, disk: dict[str, bool]) -> None:
    disk["full"] = True
    with pytest.raises(ConfigError, match="record of the switch") as caught:
        RecordFile(tmp_path).begin(FIRST)
    assert caught.value.fix
    assert "No space left" in caught.value.facts[0]


def test_no_server_is_taken_down_that_the_record_does_not_name(tmp_path: Path, disk: dict[str, bool]) -> None:
    file = RecordFile(tmp_path)
    file.begin(FIRST)
    disk["full"] = True
    with pytest.raises(ConfigError):
        file.announce()
    disk["full"] = False
    file.announce()
    found = record.read(tmp_path)
    assert found is not None
    assert found.server_down


def test_what_has_been_done_is_noted_again_when_there_is_room(tmp_path: Path, disk: dict[str, bool]) -> None:
    file = RecordFile(tmp_path)
    file.begin(FIRST)
    disk["full"] = True
    file.note(files_written=True)
    disk["full"] = False
    found = record.read(tmp_path)
    assert found is not None
    assert not found.files_written
    file.note(files_written=True)
    found = record.read(tmp_path)
    assert found is not None
    assert found.files_written


def test_a_record_that_was_never_written_takes_no_notes_and_ends_quietly(
    tmp_path: Path, disk: dict[str, bool]
) -> None:
    file = RecordFile(tmp_path / "nowhere")
    disk["full"] = True
    with pytest.raises(ConfigError):
        file.begin(FIRST)
    file.note(server_down=True)
    file.end()
