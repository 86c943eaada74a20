"""Finish what a killed switch of a pool left: configuration files half changed, and a pool that is paused."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from dbswitch import durable
from dbswitch.errors import ConfigError, DbswitchError, RollbackFailedError
from dbswitch.pools.config_files import ConfigChange, ConfigFiles
from dbswitch.pools.pooler import console
from dbswitch.project import pool_config

if TYPE_CHECKING:
    from pathlib import Path

    from dbswitch.project.discovery import Project
    from dbswitch.switch.reporter import Reporter

JOURNAL = "pool-journal"
RECORD = "pool.json"  # `recovery` looks for it without importing this module


class PoolRecord(Struct, frozen=True):
    """A switch of a pool that has begun and not ended."""

    pool: str
    target: str
    table: str  # the digest of its table in dbswitch.toml
    # With their content, which has passwords, from the moment in which files on other machines are changed.
    files: tuple[ConfigChange, ...]


def read(private_dir: Path) -> PoolRecord | None:
    """Return the record of a switch that did not end, or None."""
    try:
        return msgspec.json.decode(durable.read_regular(private_dir / RECORD), type=PoolRecord)
    except (OSError, ValueError, RecursionError):
        return None


def remove(private_dir: Path) -> None:
    """Remove the record: the switch has ended. If that fails, the next command checks once more."""
    with contextlib.suppress(OSError):
        (private_dir / RECORD).unlink()
        durable.fsync_dir(private_dir)


def unfinished(private_dir: Path) -> str | None:
    """Return in one sentence what a killed run left and what finishes it; None if it left nothing. Reads only."""
    record = read(private_dir)
    if record is None:
        return None
    return (
        f"A switch of the pool {record.pool} to {record.target} was killed: the pool may be paused. "
        f"`dbswitch {record.target} --pool {record.pool}`, or any command that switches, lifts the pause."
    )


def recover(project: Project, reporter: Reporter) -> None:
    """Finish a killed switch under the lock. A failure is a warning: commands that do not concern the pool go on."""
    try:
        done = _finish(project)
    except DbswitchError as error:
        reporter.notice("unfinished", f"{error.what}; {error.fix}" if error.fix else error.what, "warning")
    else:
        if done:
            reporter.notice("recovered", done, "warning")


def require_finished(project: Project, named: str) -> None:
    """Finish a killed switch of any pool for a command that names one. Raises RollbackFailedError."""
    try:
        _finish(project, named)
    except DbswitchError as error:
        raise RollbackFailedError(
            error.what,
            facts=(*error.facts, f"the record is kept: {project.private_dir / RECORD}"),
            why="the pool may still be paused, and its poolers may lead to two databases",
            fix=f"{error.fix}; then run the command again" if error.fix else "run the command again",
        ) from error


def _finish(project: Project, named: str = "") -> str:
    """Finish the files, have every pooler reload them, and lift the pause; return what was done."""
    record = read(project.private_dir)
    if record is None:
        return ""
    try:
        # A checkout must not make dbswitch run a command that the user has not asked for.
        if named != record.pool and pool_config.digest(project, record.pool) != record.table:
            raise ConfigError(
                f"[pools.{record.pool}] has changed since",
                fix=f"`dbswitch {record.target} --pool {record.pool}` finishes it",
            )
        said = [ConfigFiles(record.files).finish(project.private_dir / JOURNAL)]
        for pooler in pool_config.find(project, record.pool, os.environ).poolers:
            try:
                with console(pooler) as opened:
                    opened.reload()
                    said.append(f"the pause of {pooler.name} was lifted" if opened.resume() else "")
            except DbswitchError as error:
                if not getattr(error, "down", False):
                    raise
                said.append(f"PgBouncer at {pooler.name} is not running")
    except DbswitchError as error:
        error.what = f"a killed switch of the pool {record.pool} could not be finished: {error.what}"
        raise
    remove(project.private_dir)
    text = "; ".join(filter(None, said)) or "nothing was half changed"
    return f"an earlier switch of the pool {record.pool} did not finish: {text}"
