"""What a killed run left (the journal of the env files, the record of a switch or of a pool's), and how it is finished."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, TypeVar

from msgspec import Struct

from dbswitch import durable, state_folder
from dbswitch.envfiles import transaction
from dbswitch.envfiles.precedence import DEV_FILES
from dbswitch.errors import ConfigError, DbswitchError, EnvFileError, RollbackFailedError
from dbswitch.project.active_target import active
from dbswitch.switch import project_lock
from dbswitch.switch.events import Phase

if TYPE_CHECKING:
    from dbswitch.pools.config_files import PoolRecord
    from dbswitch.project.discovery import Project
    from dbswitch.switch.session import Reporter

JOURNAL = state_folder.JOURNAL


class SwitchRecord(Struct, frozen=True):
    """A switch that has begun and not ended; holds no value of an env file."""

    FILE: ClassVar = state_folder.SWITCH_RECORD
    id: str
    target: str
    previous: str | None  # the target that was active; None when it was none of the known ones
    server_down: bool = False  # a running server was going to be stopped; it may have been started again


Record = TypeVar("Record", SwitchRecord, "PoolRecord")


def write_record(private_dir: Path, record: SwitchRecord | PoolRecord) -> None:
    """Store the record of the running switch; call it before the step that it announces. Raises ConfigError."""
    why = "without it a later command could not finish a switch that was killed"
    state_folder.store(private_dir / record.FILE, record, "the record of the switch", why)


def remove_record(private_dir: Path, kind: type[SwitchRecord | PoolRecord] = SwitchRecord) -> None:
    """Remove the record: the switch has ended. If that fails, a later command checks once more."""
    with contextlib.suppress(OSError):
        (private_dir / kind.FILE).unlink()
        durable.fsync_dir(private_dir)


def read_record(private_dir: Path, kind: type[Record]) -> Record | None:
    """Return the record that a killed switch left, or None; a running switch has one as well."""
    return durable.load(private_dir / kind.FILE, kind)


def pending(private_dir: Path) -> bool:
    """Return whether a killed run left anything; cheap, and true as well while another switch is running."""
    return any(_exists(private_dir, name) for name in state_folder.UNFINISHED)


def _exists(private_dir: Path, name: str) -> bool:
    return os.path.exists(private_dir / name)  # noqa: PTH110 - Path.exists raises for a folder that may not be entered


def unfinished(project: Project) -> str | None:
    """Return in one sentence what a killed run left and what finishes it; None if nothing, or while a run holds the lock."""
    private_dir = project.private_dir
    if not pending(private_dir) or project_lock.peek(project.state_dir) is not None:
        return None
    if (text := unfinished_pool(project)) is not None:
        return text
    killed = read_record(private_dir, SwitchRecord)
    where = "A switch" if killed is None else f"A switch to {killed.target}"
    left = []
    if _exists(private_dir, JOURNAL):
        left.append("some env files may hold the old values and some the new ones")
    if killed is not None and killed.server_down:
        left.append("the dev server was being restarted")
    state = " and ".join(left) or "nothing was left half changed"
    return f"{where} was killed: {state}. `dbswitch restart` finishes it."


def unfinished_pool(project: Project) -> str | None:
    """As :func:`unfinished`, for a killed switch of a pool."""
    private_dir = project.private_dir
    if not _exists(private_dir, state_folder.POOL_RECORD) or project_lock.peek(project.state_dir) is not None:
        return None
    from dbswitch.pools.config_files import PoolRecord

    record = read_record(private_dir, PoolRecord)
    if record is None:
        return None
    return (
        f"A switch of the pool {record.pool} to {record.target} was killed: the pool may be paused. "
        f"`dbswitch {record.target} --pool {record.pool}`, or any command that switches, lifts the pause."
    )


def recover(project: Project, reporter: Reporter) -> bool:
    """Finish what a killed run left half done; return whether it owes a server. Raises RollbackFailedError."""
    # A pool that cannot be finished is a warning: commands that do not concern it go on.
    private_dir = project.private_dir
    with contextlib.suppress(OSError):  # the temporary files of a run that was killed while it wrote one
        for draft in private_dir.glob(durable.DRAFTS):
            with contextlib.suppress(OSError):
                draft.unlink()
    try:
        if done := _finish_pool(project):
            reporter.notice("recovered", done, "warning")
    except DbswitchError as error:
        reporter.notice("unfinished", f"{error.what}; {error.fix}" if error.fix else error.what, "warning")
    killed = read_record(private_dir, SwitchRecord)
    with reporter.phase(Phase.RECOVER) as note:
        try:
            files = [project.root / name for name in DEV_FILES]
            completed = transaction.recover(private_dir / JOURNAL, only=files)
        except EnvFileError as error:
            raise RollbackFailedError(error.what, facts=error.facts, why=error.why, fix=error.fix) from error
        if completed is not None:
            note.detail = completed.text
            reporter.notice("recovered", completed.text, "warning")
    if killed is None:
        return False
    text = f"an earlier switch to {killed.target} did not finish"
    with contextlib.suppress(DbswitchError):  # unreadable env files are reported when they are needed
        on = active(project, {}).nominal_target or "no known target"
        text += f"; the env files hold the values of {on}"
    if killed.server_down:
        text += "; it was restarting the dev server"
    reporter.notice("killed-switch", text, "warning")
    return killed.server_down


def require_pool_finished(project: Project, named: str) -> None:
    """Finish a killed switch of any pool for a command that names one. Raises RollbackFailedError."""
    try:
        _finish_pool(project, named)
    except DbswitchError as error:
        raise RollbackFailedError(
            error.what,
            facts=(*error.facts, f"the record is kept: {project.private_dir / state_folder.POOL_RECORD}"),
            why="the pool may still be paused, and its poolers may lead to two databases",
            fix=f"{error.fix}; then run the command again" if error.fix else "run the command again",
        ) from error


def _finish_pool(project: Project, named: str = "") -> str:
    """Finish the files, have every pooler reload them, and lift the pause; return what was done."""
    if not _exists(project.private_dir, state_folder.POOL_RECORD):
        return ""
    from dbswitch.pools.config_files import ConfigFiles, PoolRecord
    from dbswitch.pools.pooler import console
    from dbswitch.project import pool_config

    record = read_record(project.private_dir, PoolRecord)
    if record is None:
        return ""
    try:
        # A checkout must not make dbswitch run a command that the user has not asked for.
        if named != record.pool and pool_config.digest(project, record.pool) != record.table:
            raise ConfigError(
                f"[pools.{record.pool}] has changed since",
                fix=f"`dbswitch {record.target} --pool {record.pool}` finishes it",
            )
        said = [ConfigFiles(record.files).finish(project.private_dir / state_folder.POOL_JOURNAL)]
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
    remove_record(project.private_dir, PoolRecord)
    text = "; ".join(filter(None, said)) or "nothing was left half changed"
    return f"an earlier switch of the pool {record.pool} did not finish: {text}"
