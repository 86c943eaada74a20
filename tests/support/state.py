"""Where the program under test keeps the private state of a project; the whole run has a state folder of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbswitch import state_folder

if TYPE_CHECKING:
    from pathlib import Path


def private_dir(root: Path) -> Path:
    """Return the private folder of the project in `root`, made where it is missing."""
    return state_folder.ensure(state_folder.of_project(root), root)
