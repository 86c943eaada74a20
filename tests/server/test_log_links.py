"""A log that is a symlink is never written through: it may have come with a cloned repository."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dbswitch.server import log

if TYPE_CHECKING:
    from pathlib import Path


def test_output_does_not_go_where_a_link_leads(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("mine")
    path = tmp_path / "server.log"
    path.symlink_to(precious)
    with pytest.raises(OSError, match="not a regular file"):
        log.open_for_append(path)
    assert not log.rotate(path, limit=1)
    assert precious.read_text() == "mine"


def test_the_previous_part_is_not_written_through_a_link_either(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("mine")
    (tmp_path / "server.log").write_text("long enough")
    (tmp_path / "server.log.1").symlink_to(precious)
    assert not log.rotate(tmp_path / "server.log", limit=1)
    assert precious.read_text() == "mine"
