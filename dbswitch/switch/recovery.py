"""Finish what a killed run left behind; called under the lock before anything else is looked at."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from msgspec import Struct

from dbswitch.envfiles import transaction
from dbswitch.envfiles.precedence import DEV_FILES
from dbswitch.errors import EnvFileError, RollbackFailedError
from dbswitch.switch import record
from dbswitch.switch.events import Phase
from dbswitch.switch.work import JOURNAL

if TYPE_CHECKING:
    from pathlib import Path

    from dbswitch.switch.record import SwitchRecord
    from dbswitch.switch.reporter import Reporter


class Recovered(Struct, frozen=True):
    """What was found and done.

    Attributes:
        killed: the record of a switch that did not end, None where there was none.
        server_down: it had taken a running server down and not put it back.
    """

    killed: SwitchRecord | None
    server_down: bool


def pending(state_dir: Path) -> bool:
    """Return whether a killed run left anything; cheap, and true as well while another switch is running.

    In a state folder of another user nothing can be seen, so nothing is pending: what only looks must go on working.
    """
    return any(os.path.exists(state_dir / name) for name in (JOURNAL, record.FILE_NAME))  # noqa: PTH110 - Path.exists raises for a folder that may not be entered


def recover(state_dir: Path, reporter: Reporter) -> Recovered:
    """Finish a half-done env transaction and say what a killed switch left.

    Raises:
        RollbackFailedError: an env file cannot be written; the journal is kept for the next run.
    """
    killed = record.read(state_dir)
    with reporter.phase(Phase.RECOVER) as note:
        try:
            done = transaction.recover(
                state_dir / JOURNAL, only=[state_dir.parent / name for name in DEV_FILES]
            )
        except EnvFileError as error:
            raise RollbackFailedError(error.what, facts=error.facts, why=error.why, fix=error.fix) from error
        if done is not None:
            note.detail = done.text
            reporter.notice("recovered", done.text, "warning")
    if killed is not None:
        files = "new" if killed.files_written or done is not None else "previous"
        reporter.notice(
            "killed-switch",
            f"an earlier switch to {killed.target} did not finish; the env files hold the {files} values"
            + (" and the dev server it had stopped will be started again" if killed.server_down else ""),
            "warning",
        )
    return Recovered(killed, killed is not None and killed.server_down)
