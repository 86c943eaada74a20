"""`dbswitch stop`, `restart` and `wait`."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Annotated

import typer

from dbswitch.cli.command_context import CommandContext
from dbswitch.cli.command_line import command
from dbswitch.cli.options import TakePort, Timeout, Yes
from dbswitch.database.probe import ProbeLimits, wait_until_ready
from dbswitch.errors import ConfigError
from dbswitch.project.active import active
from dbswitch.project.discovery import discover
from dbswitch.project.targets import list_targets, resolve
from dbswitch.switch import run_event_files, servers
from dbswitch.switch.events import Outcome, Phase, Result, Started
from dbswitch.switch.reporter import Reporter
from dbswitch.switch.request import Request

if TYPE_CHECKING:
    from dbswitch.project.discovery import Project
    from dbswitch.project.targets import Target


@command()
def stop(context: CommandContext) -> int:
    """Stop the dev server and all of its processes."""
    project = discover(
        context.start_folder()
    )  # the targets are not listed: one that is wrong must not matter here
    return servers.stop_server(project, context.renderer.emit).exit


@command()
def restart(
    context: CommandContext, take_port: TakePort = False, yes: Yes = False, timeout: Timeout = None
) -> int:
    """Restart the dev server on the target it is on."""
    project = context.find_project()
    if take_port:
        context.agree_to_take_port(yes=yes)
    request = Request(ambient=dict(os.environ), timeout=timeout, take_port=take_port)
    return servers.restart(project, request, context.renderer.emit).exit


@command()
def wait(
    context: CommandContext,
    target: Annotated[
        str | None, typer.Argument(metavar="[TARGET]", help="Default: the active target.")
    ] = None,
    timeout: Timeout = None,
) -> int:
    """Wait until a target's database is ready."""
    project = context.find_project()
    context.tell_unfinished(project)
    found = _target(project, target)
    run_id = run_event_files.new_id()
    reporter = Reporter(context.renderer.emit, run_id)
    settings = project.config.database
    limits = ProbeLimits(
        deadline=settings.start_deadline if timeout is None else timeout,
        attempt_timeout=settings.attempt_timeout,
    )
    reporter.emit(Started(run_id, found.name, time.time()))
    with reporter.phase(Phase.PROBE) as phase:
        ready = wait_until_ready(
            found.url,
            limits,
            on_retry=lambda attempt, failure, pause: reporter.waiting(
                Phase.PROBE, attempt, failure.kind.text, pause
            ),
        )
        phase.detail = f"{ready.attempts} attempts" if ready.attempts > 1 else ""
    for text in ready.notices:
        reporter.notice("database", text)
    reporter.emit(
        Result(
            id=run_id,
            outcome=Outcome.READY,
            exit=0,
            target=found.name,
            previous=None,
            mode="none",
            seconds=reporter.seconds,
            identity=ready.identity.to_json(),
        )
    )
    return 0


def _target(project: Project, name: str | None) -> Target:
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
