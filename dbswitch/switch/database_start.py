"""Wait for a database, and start it first if it is down and the project has a command for it."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

from msgspec.structs import replace

from dbswitch.durable import read_regular_text
from dbswitch.errors import DatabaseNotReadyError, DatabaseRejectedError
from dbswitch.project import compose, marker
from dbswitch.switch import migration_check, read_only_session
from dbswitch.switch.events import Phase

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dbswitch.database.failures import Failure
    from dbswitch.database.probe import Ready
    from dbswitch.project.discovery import Project
    from dbswitch.project.targets import Target
    from dbswitch.switch.project_state import Destination
    from dbswitch.switch.reporter import Reporter

GLANCE = 1.5  # seconds; how long a database is tried before it is started
START_TIMEOUT = 300.0  # seconds; a first start may pull an image


def probe(
    destination: Destination,
    reporter: Reporter,
    phase: Phase,
    *,
    on_look: Callable[[], None] = lambda: None,
) -> Ready:
    """Wait until the destination answers; `on_look` is called between two attempts.

    Raises DatabaseNotReadyError or DatabaseRejectedError.
    """

    def retry(attempt: int, failure: Failure, pause: float) -> None:
        reporter.waiting(phase, attempt, failure.text, pause)
        on_look()

    with reporter.phase(phase) as note:
        ready = _ready(destination, phase, retry)
        note.detail = f"{destination.url.place}, PostgreSQL {ready.identity.server_version}"
        if destination.read_only:
            note.detail += ", read-only"
    for text in ready.notices if phase is Phase.PROBE else ():
        reporter.notice("database", text, "warning")
    return ready


def _ready(destination: Destination, phase: Phase, retry: Callable[[int, Failure, float], None]) -> Ready:
    from dbswitch.database.probe import wait_until_ready

    scripts = migration_check.scripts(destination) if phase is Phase.PROBE else None
    try:
        ready = wait_until_ready(destination.url, destination.limits, on_retry=retry, scripts=scripts)
    except DatabaseRejectedError as error:
        raise read_only_session.explained(destination, error) from None
    marker.require(
        ready.identity.environment,
        destination.name,
        destination.aliases,
        destination.url,
        destination.source,
    )
    return read_only_session.required(destination, ready)


def probe_or_start(
    project: Project, reporter: Reporter, goal: Destination, target: Target, *, on_look: Callable[[], None]
) -> Ready:
    """Wait until the target's database answers; start it if it is down and can be started.

    `on_look` is called between two attempts, and an exception from it ends the wait. Raises
    DatabaseNotReadyError or DatabaseRejectedError.
    """
    command = start_command(project, target)
    if not command:
        return probe(goal, reporter, Phase.PROBE, on_look=on_look)
    glance = replace(goal, limits=replace(goal.limits, deadline=min(GLANCE, goal.limits.deadline)))
    try:
        return probe(glance, reporter, Phase.PROBE, on_look=on_look)
    except DatabaseNotReadyError:
        _start(command, project.root, reporter)
    return probe(goal, reporter, Phase.PROBE, on_look=on_look)


def start_command(project: Project, target: Target) -> tuple[str, ...]:
    """Return the command that starts the target's database on this machine; empty where there is none."""
    if target.start:
        return target.start
    if not target.url.is_local or shutil.which("docker") is None:
        return ()
    for name in compose.FILE_NAMES:
        try:
            text = read_regular_text(project.root / name)
        except (OSError, ValueError):
            continue
        service = compose.postgres_service(text, target.url.port)
        if service is not None:
            return ("docker", "compose", "-f", name, "up", "-d", service)
    return ()


def _start(command: tuple[str, ...], root: Path, reporter: Reporter) -> None:
    shown = " ".join(command)
    reporter.notice("starting-database", f"the database is down; starting it: {shown}")
    try:
        done = subprocess.run(
            command,
            cwd=root,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=START_TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        reporter.notice(
            "database-not-started", f"{command[0]} could not start it ({type(error).__name__})", "warning"
        )
        return
    if done.returncode != 0:
        reporter.notice("database-not-started", f"{shown} ended with {done.returncode}", "warning")
