"""The project's token is written once, privately, and never replaced."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from dbswitch.generate.scaffold import ensure_token

if TYPE_CHECKING:
    from pathlib import Path


def test_the_token_is_private_random_and_kept(tmp_path: Path) -> None:
    state = tmp_path / ".dbswitch"
    assert ensure_token(state)
    path = state / "token"
    first = path.read_text()
    assert len(first.strip()) >= 40
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert (state / ".gitignore").read_text() == "*\n"
    assert not ensure_token(state)
    assert path.read_text() == first
    assert ensure_token(tmp_path / "other")
    assert (tmp_path / "other" / "token").read_text() != first
