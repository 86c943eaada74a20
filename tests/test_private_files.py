"""What `durable.open_private` opens, creates and refuses."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from dbswitch import durable

if TYPE_CHECKING:
    from pathlib import Path

APPEND = os.O_WRONLY | os.O_APPEND | os.O_CREAT
REPLACE = os.O_WRONLY | os.O_TRUNC | os.O_CREAT
OTHER = 65534


def test_a_file_is_created_for_its_owner_only(tmp_path: Path) -> None:
    os.close(durable.open_private(tmp_path / "log", APPEND))
    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("flags", [APPEND, REPLACE, os.O_RDWR, os.O_RDWR | os.O_CREAT])
def test_a_file_with_another_hard_link_is_not_opened_for_writing(tmp_path: Path, flags: int) -> None:
    victim = tmp_path / "victim"
    victim.write_text("content")
    (tmp_path / "log").hardlink_to(victim)
    with pytest.raises(durable.NotAFileError, match="hard link"):
        durable.open_private(tmp_path / "log", flags)
    assert victim.read_text() == "content"


def test_a_file_with_another_hard_link_is_opened_for_reading(tmp_path: Path) -> None:
    (tmp_path / "victim").touch()
    (tmp_path / "log").hardlink_to(tmp_path / "victim")
    os.close(durable.open_private(tmp_path / "log", os.O_RDONLY))


def test_a_truncating_open_empties_an_existing_file(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("content")
    os.close(durable.open_private(tmp_path / "log", REPLACE))
    assert (tmp_path / "log").read_text() == ""


@pytest.mark.parametrize("flags", [APPEND, REPLACE])
def test_a_symlink_is_refused_and_what_it_names_is_not_created(tmp_path: Path, flags: int) -> None:
    (tmp_path / "log").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(durable.NotAFileError):
        durable.open_private(tmp_path / "log", flags)
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.root
def test_root_gives_a_file_that_it_created_to_the_owner_of_the_folder(tmp_path: Path) -> None:
    os.chown(tmp_path, OTHER, OTHER)
    os.close(durable.open_private(tmp_path / "log", APPEND))
    found = (tmp_path / "log").stat()
    assert (found.st_uid, found.st_gid) == (OTHER, OTHER)


@pytest.mark.root
@pytest.mark.parametrize("flags", [APPEND, REPLACE])
def test_root_does_not_give_away_a_file_that_was_there(tmp_path: Path, flags: int) -> None:
    (tmp_path / "log").touch()
    os.chown(tmp_path, OTHER, OTHER)
    os.close(durable.open_private(tmp_path / "log", flags))
    assert (tmp_path / "log").stat().st_uid == 0


@pytest.mark.root
def test_root_does_not_give_away_a_folder_that_was_there(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    os.chown(tmp_path, OTHER, OTHER)
    durable.ensure_own_dir(tmp_path / "state")
    durable.ensure_own_dir(tmp_path / "new")
    assert [(tmp_path / name).stat().st_uid for name in ("state", "new")] == [0, OTHER]
