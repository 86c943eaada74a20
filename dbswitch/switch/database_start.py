"""Wait for a target's database; start it first if it is down and the project has a command for it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from dbswitch.database.catalogue import role_sql
from dbswitch.database.failures import Failure
from dbswitch.database.identity import Identity
from dbswitch.database.migrations import MigrationState, read_scripts
from dbswitch.database.probe import ProbeLimits, Ready, wait_until_ready
from dbswitch.database.url import DatabaseUrl
from dbswitch.errors import ConfigError, DatabaseNotReadyError, DatabaseRejectedError, ProtectedError
from dbswitch.project import environment_mark
from dbswitch.project.discovery import Project
from dbswitch.project.prisma import migrations_folder
from dbswitch.project.targets import Target
from dbswitch.server.command_lines import masked_command
from dbswitch.switch.events import Phase

if TYPE_CHECKING:
    from dbswitch.switch.session import Reporter

GLANCE = 1.5  # seconds; how long a database is tried before it is started
START_TIMEOUT = 300.0  # seconds; a first start may pull an image
COMPOSE_FILES = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
_COMPOSE_TIMEOUT = 10.0  # seconds, for reading the file
_BAD_PARAMETER = "P1013"


class _Service(Struct):
    ports: list[dict[str, object]] = []


class _ComposeFile(Struct):
    """What `docker compose config --format json` prints."""

    services: dict[str, _Service] = {}


class Destination(Struct, frozen=True):
    """Where a run goes. `migrations` is the project's folder of them, to be compared with the database."""

    target: Target
    limits: ProbeLimits
    migrations: Path | None = None


def destination(
    project: Project, target: Target, *, timeout: float | None, first_start: bool = False
) -> Destination:
    """Return where a run to `target` goes; `timeout` in seconds replaces the configured deadline."""
    database = project.config.database
    configured = database.start_deadline if first_start else database.restart_deadline
    deadline = configured if timeout is None else timeout
    limits = ProbeLimits(deadline, database.attempt_timeout)
    return Destination(target, limits, migrations_folder(project.root, project.prisma))


def probe(
    goal: Destination, reporter: Reporter, phase: Phase, *, on_look: Callable[[], None] = lambda: None
) -> Ready:
    """Wait until the database answers; `on_look` is called between two attempts.

    Raises DatabaseNotReadyError, DatabaseRejectedError or ProtectedError.
    """

    def retry(attempt: int, failure: Failure, pause: float) -> None:
        reporter.waiting(phase, attempt, failure.kind.text, pause)
        on_look()

    target = goal.target
    with reporter.phase(phase) as note:
        scripts = None
        if phase is Phase.PROBE and goal.migrations is not None:
            with suppress(ConfigError):  # one of them cannot be read
                scripts = read_scripts(goal.migrations) or None
        try:
            ready = wait_until_ready(target.url, goal.limits, on_retry=retry, scripts=scripts)
        except DatabaseRejectedError as error:
            if target.read_only and error.prisma_code == _BAD_PARAMETER:
                raise _not_read_only(target, "refuses `options`", error.facts[1:], None) from None
            raise
        environment_mark.require(ready.identity.environment, target)
        if target.read_only and not ready.identity.read_only:
            fact = "SHOW transaction_read_only returned off, although the URL asks for read-only sessions by `options`"
            raise _not_read_only(target, "drops `options`", (fact,), ready.identity)
        read_only = ", read-only" if target.read_only else ""
        note.detail = f"{target.url.place}, {ready.identity.product}{read_only}"
    for text in ready.notices if phase is Phase.PROBE else ():
        reporter.notice("database", text, "warning")
    return ready


def _not_read_only(
    target: Target, does: str, facts: tuple[str, ...], identity: Identity | None
) -> DatabaseRejectedError:
    return DatabaseRejectedError(
        f"{target.name} cannot be used read-only: what answers at {target.url.address} {does}",
        facts=(str(target.url), *facts),
        why="the app could write although you asked for read-only access; transaction poolers do this",
        fix="use the direct URL instead of the pooler's, or give this target a role that can only read and leave out --read-only: "
        + role_sql(identity, target.url.database),
    )


def report_migrations(reporter: Reporter, target: Target, state: MigrationState | Failure | None) -> None:
    """Say how database and migrations differ. Raises ProtectedError: they do, or may, and the target has `require_migrated`."""
    names: tuple[str, ...] = ()
    if state is None:
        told = "the migrations were not compared: the project has none that can be read"
    elif isinstance(state, Failure):
        told = f"the migrations of {target.name} could not be read: {state.said or state.kind.text}"
    else:
        told = state.describe(target.name)
        names = (*state.failed, *state.pending, *state.edited, *state.missing)
    if told and target.settings.require_migrated:
        raise ProtectedError(
            told,
            facts=(*names[:5], *(("...",) if len(names) > 5 else ()), "nothing was changed"),
            why=f"`require_migrated` of {target.name} refuses a database whose migrations do not match this branch",
            fix="`dbswitch doctor` says what to do for each of them",
        )
    if told and state is not None:
        reporter.notice("migrations", told, "warning")


def probe_or_start(
    project: Project, reporter: Reporter, goal: Destination, *, on_look: Callable[[], None]
) -> Ready:
    """As :func:`probe`; the database is started if it is down and can be started."""
    target = goal.target
    file = next((name for name in COMPOSE_FILES if (project.root / name).is_file()), "")
    composed = file and target.url.is_local and shutil.which("docker") is not None
    if not target.settings.start and not composed:
        return probe(goal, reporter, Phase.PROBE, on_look=on_look)
    glance = replace(goal, limits=replace(goal.limits, deadline=min(GLANCE, goal.limits.deadline)))
    try:
        return probe(glance, reporter, Phase.PROBE, on_look=on_look)
    except DatabaseNotReadyError:
        command = target.settings.start or _compose_command(project.root, file, target.url)
        if command:
            _start(command, project.root, reporter)
    return probe(goal, reporter, Phase.PROBE, on_look=on_look)


def _compose_command(root: Path, file: str, url: DatabaseUrl) -> tuple[str, ...]:
    """Return the command that starts the service which publishes the URL's port, as docker reads the compose file."""
    try:
        done = _run(("docker", "compose", "-f", file, "config", "--format", "json"), root, _COMPOSE_TIMEOUT)
        services = msgspec.json.decode(done.stdout, type=_ComposeFile).services
    except (OSError, subprocess.TimeoutExpired, ValueError):
        return ()  # no docker, no compose plugin, a file it refuses
    for name, service in services.items():
        if any(str(port.get("published")) == str(url.port) for port in service.ports):
            return ("docker", "compose", "-f", file, "up", "-d", name)
    return ()


def _start(command: tuple[str, ...], root: Path, reporter: Reporter) -> None:
    shown = masked_command(command)
    reporter.notice("starting-database", f"the database is down; starting it: {shown}")
    try:
        code = _run(command, root, START_TIMEOUT).returncode
        failure = f"{shown} ended with {code}" if code else ""
    except (OSError, subprocess.TimeoutExpired) as error:
        failure = f"{masked_command(command[:1])} could not start it ({type(error).__name__})"
    if failure:
        reporter.notice("database-not-started", failure, "warning")


def _run(command: tuple[str, ...], root: Path, seconds: float) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        command, cwd=root, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds, check=False
    )
