"""Wait for a database, and start it first if it is down and the project has a command for it."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from dbswitch.errors import DatabaseNotReadyError, DatabaseRejectedError
from dbswitch.project import marker
from dbswitch.switch import migration_check, read_only_session
from dbswitch.switch.events import Phase

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dbswitch.database.failures import Failure
    from dbswitch.database.probe import Ready
    from dbswitch.database.url import DatabaseUrl
    from dbswitch.project.discovery import Project
    from dbswitch.project.targets import Target
    from dbswitch.switch.project_state import Destination
    from dbswitch.switch.reporter import Reporter

GLANCE = 1.5  # seconds; how long a database is tried before it is started
START_TIMEOUT = 300.0  # seconds; a first start may pull an image
COMPOSE_FILES = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
_COMPOSE_TIMEOUT = 10.0  # seconds, for reading the file


class _Port(Struct):
    published: str | int = ""


class _Service(Struct):
    ports: list[_Port] = []


class _ComposeFile(Struct):
    """What `docker compose config --format json` prints."""

    services: dict[str, _Service] = {}


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
        reporter.waiting(phase, attempt, failure.kind.text, pause)
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
    file = next((name for name in COMPOSE_FILES if (project.root / name).is_file()), "")
    composed = file and target.url.is_local and shutil.which("docker") is not None
    if not target.start and not composed:
        return probe(goal, reporter, Phase.PROBE, on_look=on_look)
    glance = replace(goal, limits=replace(goal.limits, deadline=min(GLANCE, goal.limits.deadline)))
    try:
        return probe(glance, reporter, Phase.PROBE, on_look=on_look)
    except DatabaseNotReadyError:
        command = target.start or _compose_command(project.root, file, target.url)
        if command:
            _start(command, project.root, reporter)
    return probe(goal, reporter, Phase.PROBE, on_look=on_look)


def _compose_command(root: Path, file: str, url: DatabaseUrl) -> tuple[str, ...]:
    """Return the command that starts the service which publishes the URL's port, as docker reads the compose file."""
    try:
        done = subprocess.run(
            ("docker", "compose", "-f", file, "config", "--format", "json"),
            cwd=root,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_COMPOSE_TIMEOUT,
            check=False,
        )
        services = msgspec.json.decode(done.stdout, type=_ComposeFile).services
    except (
        OSError,
        subprocess.TimeoutExpired,
        ValueError,
    ):  # no docker, no compose plugin, a file it refuses
        return ()
    for name, service in services.items():
        if any(str(port.published) == str(url.port) for port in service.ports):
            return ("docker", "compose", "-f", file, "up", "-d", name)
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
