"""Hold the lock of the project for a run, and finish what a killed run left before it begins."""

from __future__ import annotations

import errno
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from dbswitch import state_folder
from dbswitch.durable import ensure_state_dir
from dbswitch.errors import ConfigError
from dbswitch.switch import lock_file, recovery
from dbswitch.switch.events import Phase
from dbswitch.switch.lock_deadline import lock_deadline

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dbswitch.project.discovery import Project
    from dbswitch.switch.lock_file import Lease
    from dbswitch.switch.recovery import Recovered
    from dbswitch.switch.reporter import Reporter
    from dbswitch.switch.tickets import Holder


@contextmanager
def hold(project: Project, reporter: Reporter, *, target: str) -> Iterator[tuple[Lease, Recovered]]:
    """Hold the project's lock for the body; `target` is shown to other runs.

    Raises:
        BusyError: another run held it for longer than the deadline.
        OvertakenError: a newer request came in while this one waited.
        ConfigError: a state folder cannot be made.
        RollbackFailedError: a killed run's env files cannot be finished.
    """
    with ExitStack() as stack:
        prepare_private_dir(project)
        try:
            lease = _enter(stack, project, reporter, target)
        except OSError as error:
            raise unusable(project.state_dir, error) from error
        yield lease, recovery.recover(project, reporter)


@contextmanager
def hold_if_free(project: Project, reporter: Reporter, *, target: str) -> Iterator[Recovered | None]:
    """Hold the lock for the body unless another run does (then None), and finish what a killed run left.

    Raises:
        ConfigError: a state folder cannot be used.
        RollbackFailedError: a killed run's env files cannot be finished.
    """
    with ExitStack() as stack:
        prepare_private_dir(project)
        try:
            ours = stack.enter_context(lock_file.acquire_if_free(project.state_dir, target=target))
        except OSError as error:
            raise unusable(project.state_dir, error) from error
        yield recovery.recover(project, reporter) if ours else None


def prepare_private_dir(project: Project) -> Path:
    """Make the user's state folder for the project and return it.

    Raises:
        ConfigError: it cannot be made.
    """
    folder = project.private_dir
    try:
        return state_folder.ensure(folder, project.root)
    except OSError as error:
        raise ConfigError(
            "dbswitch's state folder cannot be used",
            facts=(f"{error.filename or folder}: {error.strerror}",),
            why="the journal and the records needed to recover a killed switch are stored there, outside the project",
            fix="make it writable for you, or set XDG_STATE_HOME to a folder that you own",
        ) from error


def _enter(stack: ExitStack, project: Project, reporter: Reporter, target: str) -> Lease:
    def told(holder: Holder) -> None:
        reporter.waiting(Phase.LOCK, 1, f"waiting for {holder.text}", 0.0)

    ensure_state_dir(project.state_dir)
    with reporter.phase(Phase.LOCK):
        return stack.enter_context(
            lock_file.acquire(project.state_dir, target=target, deadline=lock_deadline(project), on_wait=told)
        )


def unusable(
    state_dir: Path, error: OSError, why: str = "the lock that prevents two switches at once is stored there"
) -> ConfigError:
    """Return the error for a state folder in which nothing can be written."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        fix = "free some space there"
    elif error.errno in {errno.ENOTDIR, errno.ELOOP, errno.EEXIST, errno.EISDIR}:
        fix = f"remove {error.filename or state_dir}; dbswitch creates what it needs"
    else:
        fix = f"make {state_dir.parent} writable for you, or remove {state_dir.name} if another user owns it"
    return ConfigError(
        f"the folder {state_dir.name} cannot be used",
        facts=(f"{error.filename or state_dir}: {error.strerror}",),
        why=why,
        fix=fix,
    )
