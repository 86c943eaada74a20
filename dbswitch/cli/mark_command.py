"""`dbswitch mark TARGET`: store the name of the environment in the target's database."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Annotated

import typer

from dbswitch.cli.command_context import CommandContext
from dbswitch.cli.command_line import command
from dbswitch.cli.options import Confirm
from dbswitch.cli.renderer import CommandOutput
from dbswitch.errors import ProtectedError
from dbswitch.project import marker
from dbswitch.switch import confirmation
from dbswitch.switch.edits import resolve
from dbswitch.switch.request import Question

if TYPE_CHECKING:
    from dbswitch.project.targets import Target


@command(usage="mark [OPTIONS] TARGET")
def mark(
    context: CommandContext,
    target: Annotated[str, typer.Argument(metavar="TARGET", help="A target's name.")],
    remove: Annotated[bool, typer.Option("--remove", help="Remove the mark.")] = False,
    confirm: Confirm = None,
) -> int:
    """Store a target's name in its database.

    No other target can then be mistaken for it.
    """
    from dbswitch.database.catalogue import write_marker
    from dbswitch.database.probe import ProbeLimits, wait_until_ready

    project = context.find_project()
    found = resolve(project, target, os.environ)
    settings = project.config.database
    limits = ProbeLimits(deadline=settings.restart_deadline, attempt_timeout=settings.attempt_timeout)
    identity = wait_until_ready(found.url, limits).identity
    aliases = found.settings.aliases if found.settings is not None else ()
    if marker.contradicts(identity.environment, found.name, aliases):
        _replaced(context, found, str(identity.environment), confirm)
    elif found.protected:
        again = f"dbswitch mark {found.name} --confirm {found.name}"
        confirmation.ask(found, confirm, context.asker(), who="command", command=again)
    environment = None if remove else found.name
    write_marker(found.url, identity.database, environment)
    with contextlib.suppress(OSError):  # it is read again at the next probe
        marker.remember(project, found.url, environment)
    done = f"says that it is {environment}" if environment else "carries no mark"
    fields = {"target": found.name, "environment": environment, "before": identity.environment}
    context.renderer.answer(CommandOutput("mark", fields, (f"{found.url.place} {done}",)))
    return 0


def _replaced(context: CommandContext, target: Target, before: str, confirm: str | None) -> None:
    """Have the mark of another environment confirmed by its own name: it protects that environment."""
    ask = context.asker()
    if confirm is None and ask is not None:
        confirm = ask(Question(f"The database of {target.name} is marked as {before}.", before))
    if confirm != before:
        raise ProtectedError(
            f"the database of {target.name} is marked as {before}",
            facts=(f"{target.name} is {target.url.masked()}", "nothing was changed"),
            why=f"if this is the database of {before}, the mark keeps other targets away from it",
            fix=f"dbswitch mark {target.name} --confirm {before}",
        )
