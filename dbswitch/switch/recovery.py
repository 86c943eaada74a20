"""Finish what a killed run left behind; called under the lock before anything else is read."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from msgspec import Struct

from dbswitch import durable
from dbswitch.envfiles import transaction
from dbswitch.envfiles.precedence import DEV_FILES
from dbswitch.errors import EnvFileError, RollbackFailedError
from dbswitch.switch import switch_record
from dbswitch.switch.events import Phase

if TYPE_CHECKING:
    from pathlib import Path

    from dbswitch.project.discovery import Project
    from dbswitch.switch.reporter import Reporter
    from dbswitch.switch.switch_record import SwitchRecord


JOURNAL = "journal"


class Recovered(Struct, frozen=True):
    """What recovery found and did.

    Attributes:
        killed: the record of a switch that did not end, None where there was none.
        server_down: it had stopped a running server and not started it again.
    """

    killed: SwitchRecord | None
    server_down: bool


POOL_RECORD = (
    "pool.json"  # of `dbswitch.pools`, which only a run with `--pool` or one that finds this file imports
)


def pending(private_dir: Path) -> bool:
    """Return whether a killed run left anything; cheap, and true as well while another switch is running."""
    return any(os.path.exists(private_dir / name) for name in (JOURNAL, switch_record.FILE_NAME, POOL_RECORD))  # noqa: PTH110 - Path.exists raises for a folder that may not be entered


def unfinished(private_dir: Path) -> str | None:
    """Return in one sentence what a killed run left and which command finishes it; None where it left nothing.

    Reads only. The caller knows that no run holds the lock.
    """
    if not pending(private_dir):
        return None
    if os.path.exists(private_dir / POOL_RECORD):  # noqa: PTH110 - as above
        from dbswitch.switch import pool_recovery

        if (text := pool_recovery.unfinished(private_dir)) is not None:
            return text
    killed = switch_record.read(private_dir)
    where = "A switch" if killed is None else f"A switch to {killed.target}"
    left = []
    if os.path.exists(private_dir / JOURNAL):  # noqa: PTH110 - as above
        left.append("some env files may hold the old values and some the new ones")
    if killed is not None and killed.server_down:
        left.append("the dev server had been stopped and did not answer again yet")
    state = " and ".join(left) or "nothing is half changed"
    return f"{where} was killed: {state}. `dbswitch restart` finishes it."


def recover(project: Project, reporter: Reporter) -> Recovered:
    """Finish a half-done env transaction and say what a killed switch left. Raises RollbackFailedError."""
    private_dir = project.private_dir
    _sweep_drafts(private_dir)
    if os.path.exists(private_dir / POOL_RECORD):  # noqa: PTH110 - as above
        from dbswitch.switch import pool_recovery

        pool_recovery.recover(project, reporter)
    killed = switch_record.read(private_dir)
    with reporter.phase(Phase.RECOVER) as note:
        try:
            done = transaction.recover(
                private_dir / JOURNAL, only=[project.root / name for name in DEV_FILES]
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
            + ("; the dev server it had stopped did not answer again yet" if killed.server_down else ""),
            "warning",
        )
    return Recovered(killed, killed is not None and killed.server_down)


def _sweep_drafts(private_dir: Path) -> None:
    """Remove the temporary files of a run that was killed while it wrote one; the caller holds the lock."""
    with contextlib.suppress(OSError):
        for draft in private_dir.glob(durable.DRAFTS):
            with contextlib.suppress(OSError):
                draft.unlink()
