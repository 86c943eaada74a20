"""`dbswitch exec TARGET -- CMD`: become the command, with the target's variables in its environment."""

from __future__ import annotations

import os
import signal
import sys
from typing import Annotated

import typer

from dbswitch.cli.command_context import CommandContext
from dbswitch.cli.command_line import command
from dbswitch.cli.options import Confirm
from dbswitch.errors import UsageError
from dbswitch.project.command_environment import for_target
from dbswitch.switch import confirmation
from dbswitch.switch.edits import resolve


@command("exec", usage="exec [OPTIONS] TARGET -- CMD...")
def execute(
    context: CommandContext,
    target: Annotated[str, typer.Argument(metavar="TARGET", help="A target's name.")],
    command: Annotated[list[str], typer.Argument(metavar="CMD...", help="The command and its arguments.")],
    confirm: Confirm = None,
) -> int:
    """Run a command with a target's variables, changing no file."""
    project = context.find_project()
    context.tell_unfinished(project)
    found = resolve(project, target, os.environ)
    if found.protected:
        confirmation.ask(
            found,
            confirm,
            context.asker(),
            who="command",
            command=f"dbswitch exec {found.name} --confirm {found.name} -- CMD",
        )
    environment = for_target(project, found, os.environ)
    if not context.quiet:
        if environment.removed:
            context.renderer.note(
                f"{found.name} does not set {', '.join(environment.removed)}: not passed on"
            )
        if environment.emptied:
            context.renderer.note(
                f"{found.name} does not set {', '.join(environment.emptied)}: empty for this command,"
                " since the env files have another target's"
            )
    context.renderer.close()
    sys.stdout.flush()
    sys.stderr.flush()
    # Python ignores SIGPIPE, and what is ignored stays ignored in the new program.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        os.execvpe(command[0], command, environment.values)  # noqa: S606  no shell is the point
    except (OSError, ValueError) as error:  # ValueError: a NUL in a variable, which no program can be given
        raise UsageError(
            f"cannot run {command[0]}",
            facts=(getattr(error, "strerror", None) or f"a variable of {found.name} contains a NUL byte",),
            why="nothing was run",
            fix="the command follows `--`: `dbswitch exec TARGET -- CMD`; shell syntax needs `sh -c '...'`",
        ) from None
