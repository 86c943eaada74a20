"""The record of a running switch on a disk that does not take it."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from dbswitch import durable
from dbswitch.errors import ConfigError
from dbswitch.switch import recovery, switch_record
from dbswitch.switch.switch_record import RecordFile, SwitchRecord

if TYPE_CHECKING:
    from pathlib import Path

FIRST = SwitchRecord("id", "prod", "local")


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> dict[str, bool]:
    """A switch for the disk: full or not."""
    state = {"full": False}
    write = durable.replace_file

    def replace_file(path: Path, content: bytes) -> None:
        if state["full"]:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(path, content)

    monkeypatch.setattr(durable, "replace_file", replace_file)
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
    found = switch_record.read(tmp_path)
    assert found is not None
    assert found.server_down


@pytest.mark.parametrize("target", ["prod", "p" * 400, "p" * 512])
def test_what_has_been_done_is_noted_in_the_same_place_on_a_full_disk(
    tmp_path: Path, disk: dict[str, bool], target: str
) -> None:
    file = RecordFile(tmp_path)
    file.begin(replace(FIRST, target=target))
    disk["full"] = True
    for server_down, files_written in ((True, False), (True, True), (False, True), (True, True)):
        file.note(server_down=server_down, files_written=files_written)
        found = switch_record.read(tmp_path)
        assert found == SwitchRecord("id", target, "local", server_down, files_written)


def test_a_record_that_cannot_be_written_over_either_costs_the_run_nothing(
    tmp_path: Path, disk: dict[str, bool]
) -> None:
    file = RecordFile(tmp_path)
    file.begin(FIRST)
    (tmp_path / switch_record.FILE_NAME).unlink()
    disk["full"] = True
    file.note(server_down=True)
    assert switch_record.read(tmp_path) is None


def test_a_run_that_could_not_begin_leaves_the_record_of_an_earlier_one(
    tmp_path: Path, disk: dict[str, bool]
) -> None:
    RecordFile(tmp_path).begin(FIRST)
    disk["full"] = True
    file = RecordFile(tmp_path)
    with pytest.raises(ConfigError):
        file.begin(replace(FIRST, target="other"))
    file.withdraw()
    assert switch_record.read(tmp_path) == FIRST


def test_a_record_that_was_never_written_takes_no_notes_and_ends_quietly(
    tmp_path: Path, disk: dict[str, bool]
) -> None:
    file = RecordFile(tmp_path / "nowhere")
    disk["full"] = True
    with pytest.raises(ConfigError):
        file.begin(FIRST)
    file.note(server_down=True)
    file.end()


def test_what_a_killed_switch_left_does_not_say_that_its_server_is_down(tmp_path: Path) -> None:
    """The record is written until the new server answers, so that server may run already."""
    RecordFile(tmp_path).begin(replace(FIRST, server_down=True))
    left = recovery.unfinished(tmp_path)
    assert left is not None
    assert "had been stopped and did not answer again yet" in left
    assert "was stopped" not in left
