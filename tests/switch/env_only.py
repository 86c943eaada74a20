"""The env-file half of a switch, as `dbswitch.switch.run` does it, without databases and servers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbswitch.envfiles.effective_values import read_env_files, verify_on_disk
from dbswitch.project import reader_profiles, targets, written_values
from dbswitch.project.discovery import load
from dbswitch.switch import edits
from dbswitch.switch.session import prepare_private_dir

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from dbswitch.envfiles.placement import EditPlan


def switch(root: Path, name: str, ambient: Mapping[str, str] | None = None) -> EditPlan:
    """Plan the switch, remember it, write it, and read the result again."""
    project = load(root)
    environment = ambient or {}
    target = targets.resolve(project, name, ambient=environment)
    plan = edits.planned(
        project,
        target,
        files=read_env_files(root),
        written=written_values.load(project.private_dir),
        ambient=environment,
    )
    prepare_private_dir(project)
    edits.remember(project, target)
    for edit in plan.edits:
        (root / edit.name).write_bytes(edit.new)
    assert verify_on_disk(root, target.variables, reader_profiles.profiles(project), plan.gone) == ()
    return plan
