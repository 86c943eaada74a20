"""`dbswitch demo`."""

from __future__ import annotations

from typing import Annotated

import typer

from dbswitch.cli.command_context import CommandContext
from dbswitch.cli.command_line import command
from dbswitch.demo import demo_run


@command()
def demo(
    context: CommandContext,
    keep: Annotated[bool, typer.Option("--keep", help="Leave it running and print what to try.")] = False,
    stop: Annotated[bool, typer.Option("--stop", help="Stop what --keep left running.")] = False,
) -> int:
    """Show a switch with two embedded databases and a real app."""
    del context
    return demo_run.stop() if stop else demo_run.run(keep=keep)
