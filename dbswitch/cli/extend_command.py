"""`dbswitch extend TIME`: lengthen the time limit of the active target; with `--timer`, the timer process itself."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from dbswitch.cli.command_context import CommandContext
from dbswitch.cli.command_line import command
from dbswitch.cli.renderer import Renderer
from dbswitch.errors import BusyError, UsageError
from dbswitch.project.config import LENGTH_RULE, seconds_of
from dbswitch.switch import limit_timer, run_event_files, time_limit
from dbswitch.switch.reporter import Reporter
from dbswitch.switch.session import hold_if_free


@command(usage="extend [OPTIONS] TIME")
def extend(
    context: CommandContext,
    length: Annotated[
        str, typer.Argument(metavar="TIME", help="How much longer: 15m, 1h; from now if the time is over.")
    ] = "",
    timer: Annotated[str | None, typer.Option("--timer", hidden=True)] = None,
) -> int:
    """Lengthen the time limit of the last switch."""
    project = context.find_project(past_limit=False)
    if timer is not None:
        limit_timer.run_timer(project, timer, dict(os.environ))
        return 0
    seconds = seconds_of(length)
    if seconds is None:
        raise UsageError(
            f"not a length of time: {length or '(none)'}", why="nothing was changed", fix=LENGTH_RULE
        )
    run_id = run_event_files.new_id()
    with hold_if_free(project, Reporter(Renderer().emit, run_id), target="extend") as ours:
        if ours is None:
            raise BusyError(
                "a switch is running",
                facts=("the time limit is as it was",),
                why="it may replace the time limit",
                fix="try again when it has ended",
            )
        limit = time_limit.extended(project, seconds, run_id)
    time_limit.start_timer(project, limit)
    context.renderer.answer("extend", limit.fields, (limit.text,))
    return 0
