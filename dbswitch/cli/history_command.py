"""`dbswitch history`: one JSON object, or a table for people."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer
from msgspec import to_builtins

from dbswitch.cli.command_context import CommandContext
from dbswitch.cli.command_line import command
from dbswitch.cli.messages import columns, duration
from dbswitch.switch import history as past_switches

if TYPE_CHECKING:
    from dbswitch.switch.history import Past


@command()
def history(
    context: CommandContext,
    count: Annotated[
        int, typer.Option("--count", "-n", metavar="N", min=1, help="How many of the last switches.")
    ] = 10,
) -> int:
    """Show the last switches, newest first."""
    project = context.find_project()
    entries = past_switches.read(project.state_dir)[-count:][::-1]
    fields = {"entries": to_builtins(entries)}
    me = past_switches.current_user()
    lines = columns([_history_row(one, me) for one in entries]) or ["nothing was switched here yet"]
    context.renderer.answer("history", fields, lines)
    return 0


_LIFTED = {"protected": "confirmed", "read-only": "made writable"}  # guards that were lifted, for people


def _history_row(one: Past, me: str) -> tuple[str, ...]:
    return (
        time.strftime("%Y-%m-%d %H:%M", time.localtime(one.at)),
        f"{one.previous or '?'} -> {one.target}",
        one.outcome.value.replace("_", " ")
        + {True: ", verified", False: ", app elsewhere", None: ""}[one.verified],
        f"{one.mode if one.pool is None else f'{one.mode} {one.pool}'}, {duration(one.seconds)}"
        + ("" if one.away is None else f" ({duration(one.away)} down)"),
        (one.origin or "?") if one.user == me else f"{one.user or '?'}, {one.origin or '?'}",
        ", ".join(_LIFTED.get(guard, guard) for guard in one.lifted),
    )
