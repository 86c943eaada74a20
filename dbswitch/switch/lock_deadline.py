"""How long to wait for the lock: longer than the longest run that this project's configuration allows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbswitch.project import compose
from dbswitch.server.stopping import PORT_GRACE, ROUNDS
from dbswitch.switch.app_identity import AGAIN_DEADLINE
from dbswitch.switch.database_start import GLANCE, START_TIMEOUT

if TYPE_CHECKING:
    from dbswitch.project.discovery import Project

MARGIN = 10.0  # seconds; for process tables, files, a busy machine


def lock_deadline(project: Project) -> float:
    """Return the seconds of the longest run, including its rollback.

    A `--timeout` of the holder's that exceeds the configured deadlines is not known here and not counted.
    """
    server, database, verify = project.config.server, project.config.database, project.config.verify
    stop = ROUNDS * (server.term_timeout + server.kill_timeout + PORT_GRACE) + PORT_GRACE
    probe = max(database.start_deadline, database.restart_deadline)
    command = max(
        (target.command_timeout for target in project.config.targets.values() if target.command), default=0.0
    )
    ready = command + _start_of_a_database(project) + 4 * probe
    forward = stop + server.ready_timeout + 2 * (verify.hot_deadline + verify.restart_deadline)
    forward += project.config.switch.drain_timeout
    back = 2 * stop + server.ready_timeout + AGAIN_DEADLINE + verify.restart_deadline
    return ready + forward + back + MARGIN


def _start_of_a_database(project: Project) -> float:
    configured = any(target.start for target in project.config.targets.values())
    if configured or any((project.root / name).exists() for name in compose.FILE_NAMES):
        return GLANCE + START_TIMEOUT
    return 0.0
