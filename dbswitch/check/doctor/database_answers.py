"""Ask databases once each, at the same time, within one short deadline."""

from __future__ import annotations

import shlex
import time
from typing import TYPE_CHECKING, Final, NoReturn

from dbswitch.check.doctor.doctor_facts import Answer, TargetFacts, Trouble
from dbswitch.errors import DbswitchError, UrlError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from dbswitch.database.failures import Failure
    from dbswitch.database.migrations import MigrationState
    from dbswitch.database.url import DatabaseUrl
    from dbswitch.project.discovery import Project
    from dbswitch.project.targets import Target, TargetRef

DEADLINE: Final = 3.0  # seconds; a serverless Postgres may need most of it to wake
_AT_LEAST: Final = 0.5  # seconds for the migrations of a database that answered late
# Programs that forward a local port to a remote database.
_TUNNELS: Final = frozenset(
    {"ssh", "autossh", "sshd", "kubectl", "cloud_sql_proxy", "cloud-sql-proxy", "flyctl", "fly", "pscale", "socat", "tsh"}
)  # fmt: skip


class _FailedError(Exception):
    def __init__(self, found: Failure) -> None:
        super().__init__(found.text)
        self.failure = found


def ask(url: DatabaseUrl, seconds: float = DEADLINE) -> Answer | Trouble:
    """Log in and query the identity, in one attempt of at most `seconds`."""
    from dbswitch.database.failures import explain
    from dbswitch.database.probe import ProbeLimits, wait_until_ready

    def once(_attempt: int, found: Failure, _wait: float) -> NoReturn:
        # Doctor reports the current state; `dbswitch wait` waits.
        raise _FailedError(found)

    limits = ProbeLimits(deadline=seconds, attempt_timeout=seconds, successes=1)
    try:
        ready = wait_until_ready(url, limits, on_retry=once)
    except _FailedError as error:
        told = explain(error.failure, str(url))
        return Trouble(_short(error.failure), told.facts, told.fix)
    except DbswitchError as error:
        return Trouble.of(error)
    return Answer(ready.identity, ready.latency * 1000, ready.encrypted, ready.notices)


def _short(found: Failure) -> str:
    return f"{found.text} ({found.prisma_code})"


def ask_both(
    url: DatabaseUrl, migrations: Path | None
) -> tuple[Answer | Trouble, MigrationState | Trouble | None]:
    """Query the identity, then compare the migrations if a folder is given."""
    began = time.monotonic()
    answer = ask(url)
    if migrations is None or isinstance(answer, Trouble):
        return answer, None
    from dbswitch.database.migrations import migration_state

    left = max(_AT_LEAST, DEADLINE - (time.monotonic() - began))
    try:
        return answer, migration_state(url, migrations, timeout=left)
    except DbswitchError as error:
        return answer, Trouble.of(error)


def resolve(
    project: Project, ref: TargetRef, ambient: Mapping[str, str], *, run_commands: bool
) -> tuple[Target | None, TargetFacts]:
    """Return a target with its values and what is known about it so far; a `command` runs only on request."""
    from dbswitch.project.targets import resolve_ref

    if ref.runs_command and not run_commands:
        return None, TargetFacts(ref.name, ref.protected, ref.source, skipped=True)
    try:
        target = resolve_ref(project, ref, ambient=ambient)
    except DbswitchError as error:
        return None, TargetFacts(ref.name, ref.protected, ref.source, trouble=Trouble.of(error))
    return target, TargetFacts(
        name=target.name,
        protected=target.protected,
        source=target.source,
        urls=_urls(project, target),
        notes=_notes(target),
        start=_start(target),
    )


def _start(target: Target) -> str:
    from dbswitch.server.command_lines import masked_text

    return masked_text(shlex.join(target.start))


def _urls(project: Project, target: Target) -> tuple[tuple[str, DatabaseUrl], ...]:
    from dbswitch.database.url import DatabaseUrl

    found = {target.primary: target.url}
    for key in project.url_variables:
        # A shadow database exists while `prisma migrate dev` runs, and only then.
        if key in target.variables and key not in found and key not in project.shadow_variables:
            try:
                found[key] = DatabaseUrl.parse(target.variables[key], name=key)
            except UrlError:
                continue
    return tuple(found.items())


def _notes(target: Target) -> tuple[str, ...]:
    from dbswitch.database.tls import advice

    told = set(advice(target.url))
    return tuple(text for text in target.url.warnings() if text not in told)


def tunnel_at(port: int) -> str | None:
    """Return a line about the program at a local port, if it forwards to another machine."""
    from dbswitch.server.ports import listeners

    for one in listeners((port,))[port]:
        program = one.command.partition(" ")[0].rpartition("/")[2].rstrip(":")
        if program in _TUNNELS:
            return one.describe()
    return None
