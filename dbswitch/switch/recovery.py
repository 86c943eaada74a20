"""What a killed run left, and how it is finished; called under the lock before anything else is read.

The journal of the env transaction tells which files were written, the record of the switch whether a server had been taken down.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from dbswitch import durable
from dbswitch.envfiles import transaction
from dbswitch.envfiles.precedence import DEV_FILES
from dbswitch.errors import ConfigError, DbswitchError, EnvFileError, RollbackFailedError
from dbswitch.project.active_target import active
from dbswitch.switch.events import Phase

if TYPE_CHECKING:
    from pathlib import Path

    from dbswitch.project.discovery import Project
    from dbswitch.switch.reporter import Reporter

JOURNAL = "journal"
RECORD = "switch.json"
POOL_RECORD = "pool.json"  # of `pool_recovery`, which only a run with `--pool` or one that finds it imports


class SwitchRecord(Struct, frozen=True):
    """A switch that has begun and not ended; holds no value of an env file."""

    id: str
    target: str
    previous: str | None  # the target that was active; None when it was none of the known ones
    server_down: bool = False  # a running server was going to be stopped; it may have been started again


def write_record(private_dir: Path, record: Struct, name: str = RECORD) -> None:
    """Store the record of the running switch; call it before the step that it announces. Raises ConfigError."""
    path = private_dir / name
    try:
        durable.replace_file(path, msgspec.json.encode(record))
    except OSError as error:
        raise ConfigError(
            "the record of the switch cannot be written",
            facts=(f"{path}: {error.strerror}",),
            why="without it a later command could not finish a switch that was killed",
            fix=f"free disk space and make {private_dir} writable for you, then switch again",
        ) from error


def remove_record(private_dir: Path) -> None:
    """Remove the record: the switch has ended. If that fails, a later command checks once more."""
    with contextlib.suppress(OSError):
        (private_dir / RECORD).unlink()
        durable.fsync_dir(private_dir)


def read_record(private_dir: Path) -> SwitchRecord | None:
    """Return the record that a killed switch left, or None. The caller knows that no run holds the lock."""
    try:
        return msgspec.json.decode(durable.read_regular(private_dir / RECORD), type=SwitchRecord)
    except (OSError, ValueError, RecursionError):
        return None


def pending(private_dir: Path) -> bool:
    """Return whether a killed run left anything; cheap, and true as well while another switch is running."""
    return any(os.path.exists(private_dir / name) for name in (JOURNAL, RECORD, POOL_RECORD))  # noqa: PTH110 - Path.exists raises for a folder that may not be entered


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
    killed = read_record(private_dir)
    where = "A switch" if killed is None else f"A switch to {killed.target}"
    left = []
    if os.path.exists(private_dir / JOURNAL):  # noqa: PTH110 - as above
        left.append("some env files may hold the old values and some the new ones")
    if killed is not None and killed.server_down:
        left.append("the dev server was being restarted")
    state = " and ".join(left) or "nothing is half changed"
    return f"{where} was killed: {state}. `dbswitch restart` finishes it."


def recover(project: Project, reporter: Reporter) -> bool:
    """Finish a half-done env transaction; return whether a killed switch owes a server. Raises RollbackFailedError."""
    private_dir = project.private_dir
    _sweep_drafts(private_dir)
    if os.path.exists(private_dir / POOL_RECORD):  # noqa: PTH110 - as above
        from dbswitch.switch import pool_recovery

        pool_recovery.recover(project, reporter)
    killed = read_record(private_dir)
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
    if killed is None:
        return False
    text = f"an earlier switch to {killed.target} did not finish"
    with contextlib.suppress(
        DbswitchError
    ):  # env files that cannot be read are reported when they are needed
        text += (
            f"; the env files hold the values of {active(project, {}).nominal_target or 'no known target'}"
        )
    if killed.server_down:
        text += "; it was restarting the dev server"
    reporter.notice("killed-switch", text, "warning")
    return killed.server_down


def _sweep_drafts(private_dir: Path) -> None:
    """Remove the temporary files of a run that was killed while it wrote one; the caller holds the lock."""
    with contextlib.suppress(OSError):
        for draft in private_dir.glob(durable.DRAFTS):
            with contextlib.suppress(OSError):
                draft.unlink()
