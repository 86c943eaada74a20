"""`dbswitch wait [TARGET]`: ask a target's database until it is ready; nothing is changed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from dbswitch.cli.server_commands import tell_unfinished
from dbswitch.errors import ConfigError

if TYPE_CHECKING:
    from dbswitch.cli.command_context import CommandContext
    from dbswitch.project.discovery import Project
    from dbswitch.project.targets import Target


def wait(context: CommandContext, name: str | None, *, timeout: float | None) -> int:
    """Wait; return the exit code.

    Raises:
        UsageError: no such target. ConfigError: none is active, or its source cannot be used.
        DatabaseNotReadyError: not before the deadline. DatabaseRejectedError: it will keep saying no.
    """
    project = context.find_project()
    tell_unfinished(project, context.renderer)
    from dbswitch.database.probe import ProbeLimits, wait_until_ready
    from dbswitch.switch import run_event_files
    from dbswitch.switch.events import Outcome, Phase, Result, Started
    from dbswitch.switch.reporter import Reporter

    target = _target(project, name)
    run_id = run_event_files.new_id()
    reporter = Reporter(context.renderer.emit, run_id)
    settings = project.config.database
    limits = ProbeLimits(
        deadline=settings.start_deadline if timeout is None else timeout,
        attempt_timeout=settings.attempt_timeout,
    )
    reporter.emit(Started(run_id, target.name, run_event_files.now()))
    with reporter.phase(Phase.PROBE) as note:
        ready = wait_until_ready(
            target.url,
            limits,
            on_retry=lambda attempt, failure, pause: reporter.waiting(
                Phase.PROBE, attempt, failure.text, pause
            ),
        )
        note.detail = f"{ready.attempts} attempts" if ready.attempts > 1 else ""
    for text in ready.notices:
        reporter.notice("database", text)
    result = Result(
        id=run_id,
        outcome=Outcome.READY,
        exit=0,
        target=target.name,
        previous=None,
        mode="none",
        seconds=reporter.seconds,
        identity=ready.identity.to_json(),
    )
    reporter.emit(result)
    return result.exit


def _target(project: Project, name: str | None) -> Target:
    from dbswitch.project.active import active
    from dbswitch.project.targets import list_targets, resolve

    if name is None:
        found = active(project, os.environ)
        name = found.nominal_target
        if name is None:
            names = ", ".join(target.name for target in list_targets(project))
            raise ConfigError(
                "no single target is active",
                facts=(f"active: {found.text}", f"targets: {names or 'none'}"),
                why="without a name, `wait` asks the database of the active target",
                fix="name one: `dbswitch wait TARGET`",
            )
    return resolve(project, name)
