"""Hold the lock of the project for a run, and finish what a killed run left before it begins."""

from __future__ import annotations

import errno
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from dbswitch import state_folder
from dbswitch.errors import ConfigError
from dbswitch.server.stopping import PORT_GRACE, ROUNDS
from dbswitch.switch import lock_file, recovery
from dbswitch.switch.app_identity import AGAIN_DEADLINE
from dbswitch.switch.database_start import COMPOSE_FILES, GLANCE, START_TIMEOUT
from dbswitch.switch.events import Phase

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dbswitch.project.discovery import Project
    from dbswitch.switch.lock_file import Holder, Lease
    from dbswitch.switch.reporter import Reporter

_MARGIN = 10.0  # seconds; for process tables, files, a busy machine


@contextmanager
def hold(project: Project, reporter: Reporter, *, target: str) -> Iterator[tuple[Lease, bool]]:
    """Hold the project's lock for the block, as the newest request; `target` is shown to other runs.

    Yields also whether a killed run owes a server.

    Raises BusyError, OvertakenError, ConfigError or RollbackFailedError.
    """

    def told(holder: Holder) -> None:
        reporter.waiting(Phase.LOCK, 1, f"waiting for {holder.text}", 0.0)

    with ExitStack() as stack:
        prepare_private_dir(project)
        with reporter.phase(Phase.LOCK), _usable(project):
            lease = stack.enter_context(
                lock_file.acquire(
                    project.state_dir,
                    target=target,
                    deadline=lock_deadline(project),
                    run=reporter.run_id,
                    on_wait=told,
                )
            )
        yield lease, recovery.recover(project, reporter)


@contextmanager
def hold_if_free(project: Project, reporter: Reporter, *, target: str) -> Iterator[bool | None]:
    """Hold the lock for the block unless another run does (then None). Raises as :func:`hold`."""
    with ExitStack() as stack:
        prepare_private_dir(project)
        with _usable(project):
            ours = stack.enter_context(lock_file.acquire_if_free(project.state_dir, target=target))
        yield recovery.recover(project, reporter) if ours else None


def lock_deadline(project: Project) -> float:
    """Return the seconds of the longest run that the project's configuration allows, including its rollback.

    A `--timeout` of the holder's that exceeds the configured deadlines is not known here and not counted.
    """
    server, database, verify = project.config.server, project.config.database, project.config.verify
    stop = ROUNDS * (server.term_timeout + server.kill_timeout + PORT_GRACE) + PORT_GRACE
    probe = max(database.start_deadline, database.restart_deadline)
    configured = project.config.targets.values()
    command = max((one.command_timeout for one in configured if one.command), default=0.0)
    starts = any(one.start for one in configured) or any(
        (project.root / name).exists() for name in COMPOSE_FILES
    )
    ready = command + (GLANCE + START_TIMEOUT if starts else 0.0) + 4 * probe
    forward = stop + server.ready_timeout + 2 * (verify.hot_deadline + verify.restart_deadline)
    forward += project.config.switch.drain_timeout
    back = 2 * stop + server.ready_timeout + AGAIN_DEADLINE + verify.restart_deadline
    return ready + forward + back + _MARGIN


def prepare_private_dir(project: Project) -> Path:
    """Make the user's state folder for the project and return it. Raises ConfigError: it cannot be made."""
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


@contextmanager
def _usable(project: Project) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise unusable(project.state_dir, error) from error
