"""`dbswitch exec TARGET -- CMD`: become the command, with the target's variables in its environment."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING

from dbswitch.cli.server_commands import tell_unfinished
from dbswitch.errors import UsageError

if TYPE_CHECKING:
    from dbswitch.cli.command_context import CommandContext


def execute(context: CommandContext, name: str, command: list[str], *, confirm: str | None) -> int:
    """Replace this process by the command, so that its signals and its exit code are its own.

    Raises:
        UsageError: no such target, or no such command.
        ProtectedError: a protected target was not confirmed.
        EnvFileError: an env file would lead the command to another database whatever its environment.
    """
    project = context.find_project()
    tell_unfinished(project, context.renderer)
    from dbswitch.project.command_environment import for_target
    from dbswitch.switch import confirmation
    from dbswitch.switch.edits import resolve

    target = resolve(project, name, os.environ)
    if target.protected:
        confirmation.ask(
            target,
            confirm,
            context.asker(),
            who="command",
            command=f"dbswitch exec {target.name} --confirm {target.name} -- CMD",
        )
    environment = for_target(project, target, os.environ)
    if not context.quiet:
        if environment.removed:
            context.renderer.note(
                f"{target.name} does not set {', '.join(environment.removed)}: not passed on"
            )
        if environment.emptied:
            context.renderer.note(
                f"{target.name} does not set {', '.join(environment.emptied)}: empty for this command,"
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
            facts=(getattr(error, "strerror", None) or f"a variable of {target.name} has a NUL in it",),
            why="nothing was run",
            fix="the command stands behind `--`: `dbswitch exec TARGET -- CMD`; a shell's own words need `sh -c '...'`",
        ) from None
