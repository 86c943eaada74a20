"""Finish what a killed switch of a pool left: configuration files half changed, and a pool that is paused."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from dbswitch.errors import DbswitchError, RollbackFailedError
from dbswitch.pools import config_files, pool_record
from dbswitch.pools.pooler import console
from dbswitch.project import pool_config

if TYPE_CHECKING:
    from pathlib import Path

    from dbswitch.project.discovery import Project
    from dbswitch.switch.reporter import Reporter


def unfinished(private_dir: Path) -> str | None:
    """Return in one sentence what a killed run left and what finishes it; None if it left nothing. Reads only."""
    record = pool_record.read(private_dir)
    if record is None:
        return None
    return (
        f"A switch of the pool {record.pool} to {record.target} was killed: the pool may be paused. "
        f"`dbswitch {record.target} --pool {record.pool}`, or any command that switches, lifts the pause."
    )


def recover(project: Project, reporter: Reporter) -> None:
    """Finish the change of the files, have every pooler reload them, and lift the pause; the caller holds the lock.

    A failure is reported as a warning and the record is kept: commands that do not concern the pool go on.
    """
    private_dir = project.private_dir
    record = pool_record.read(private_dir)
    if record is None:
        return
    try:
        done = config_files.finish(record.files, private_dir / pool_record.JOURNAL)
        pool = pool_config.find(project, record.pool, os.environ)
        said = []
        for pooler in pool.poolers:
            try:
                with console(pooler) as opened:
                    opened.reload()
                    if opened.resume():
                        said.append(f"the pause of {pooler.database} on {pooler.name} was lifted")
            except DbswitchError as error:
                if not getattr(error, "down", False):
                    raise
                said.append(f"PgBouncer at {pooler.name} is not running")
    except DbswitchError as error:
        text = f"a killed switch of the pool {record.pool} could not be finished: {error.what}"
        reporter.notice("unfinished", f"{text}; {error.fix}" if error.fix else text, "warning")
        return
    pool_record.remove(private_dir)
    text = "; ".join([done, *said] if done else said) or "nothing was half changed"
    reporter.notice(
        "recovered", f"an earlier switch of the pool {record.pool} did not finish: {text}", "warning"
    )


def require_finished(project: Project) -> None:
    """Make sure that recovery succeeded.

    Raises:
        RollbackFailedError: it did not; the record is still there.
    """
    record = pool_record.read(project.private_dir)
    if record is not None:
        raise RollbackFailedError(
            f"a killed switch of the pool {record.pool} could not be finished",
            facts=(
                "the warning above says why",
                f"the record is kept: {project.private_dir / pool_record.FILE_NAME}",
            ),
            why="the pool may still be paused, and its poolers may lead to two databases",
            fix="fix the cause, then run the command again",
        )
