"""The record of a running switch on a disk that does not take it."""

from __future__ import annotations

import errno
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest
from msgspec.structs import replace

from dbswitch import durable
from dbswitch.errors import ConfigError
from dbswitch.switch import recovery
from dbswitch.switch.recovery import SwitchRecord, read_record, write_record

if TYPE_CHECKING:
    from pathlib import Path

    from dbswitch.project.discovery import Project

FIRST = SwitchRecord("id", "prod", "local")


def test_a_switch_that_cannot_be_recorded_does_not_begin_and_leaves_an_earlier_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_path: Path, _content: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    write_record(tmp_path, FIRST)
    monkeypatch.setattr(durable, "replace_file", full)
    with pytest.raises(ConfigError, match="record of the switch") as caught:
        write_record(tmp_path, replace(FIRST, target="other"))
    assert caught.value.fix
    assert "No space left" in caught.value.facts[0]
    assert read_record(tmp_path, SwitchRecord) == FIRST


def test_a_record_that_was_never_written_is_removed_quietly(tmp_path: Path) -> None:
    recovery.remove_record(tmp_path / "nowhere")


def test_what_a_killed_switch_left_does_not_say_that_its_server_is_down(tmp_path: Path) -> None:
    """The record stays until the switch ends, so that server may run already."""
    write_record(tmp_path, replace(FIRST, server_down=True))
    left = recovery.unfinished(cast("Project", SimpleNamespace(private_dir=tmp_path, state_dir=tmp_path)))
    assert left is not None
    assert "was being restarted" in left
