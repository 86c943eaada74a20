"""`dbswitch exec` and `guard`: become a command unless it would destroy protected data; `mark`: name a database's environment."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Mapping
from typing import Annotated

import typer

from dbswitch.cli.command_declaration import CommandContext, Confirm, command, flag
from dbswitch.errors import ProtectedError, UsageError
from dbswitch.project import environment_mark
from dbswitch.project.active_target import active
from dbswitch.project.command_environment import for_target
from dbswitch.project.command_guard import Judgement, judge
from dbswitch.project.discovery import Project
from dbswitch.project.packages import read_manifest
from dbswitch.project.targets import Target, resolve, with_access
from dbswitch.switch import confirmation, recovery, time_limit
from dbswitch.switch.confirmation import Question

Command = Annotated[list[str], typer.Argument(metavar="CMD...", help="The command and its arguments.")]
_DESTRUCTIVE_HELP = "Allow a command that destroys data of a protected target, by the target's name."
AllowDestructive = Annotated[str | None, flag("--allow-destructive", _DESTRUCTIVE_HELP, metavar="NAME")]


@command("exec", usage="exec [OPTIONS] TARGET -- CMD...")
def execute(
    context: CommandContext,
    target: Annotated[str, typer.Argument(metavar="TARGET", help="A target's name.")],
    command: Command,
    confirm: Confirm = None,
    allow_destructive: AllowDestructive = None,
    write: Annotated[bool, flag("--write", "Lift `read_only = true` of the target.")] = False,
) -> int:
    """Run a command with a target's variables, changing no file."""
    project = context.find_project()
    context.note(recovery.unfinished(project))
    found = with_access(project, resolve(project, target), asked=False if write else None)
    if found.protected:
        confirmation.ask(
            found,
            confirm,
            context.asker(),
            who="command",
            command=f"dbswitch exec {found.name} --confirm {found.name} -- CMD",
        )
    judgement = _judge(context, project, command, protected=found.protected)
    again = f"dbswitch exec {found.name} --confirm {found.name} --allow-destructive {found.name} -- CMD"
    confirmation.permit_destruction(found, judgement, allow_destructive, context.asker(), again)
    values, removed, emptied = for_target(project, found, os.environ)
    another = "empty for this command, since the env files hold another target's value"
    for names, what in (removed, "not passed on"), (emptied, another):
        if names and not context.quiet:
            context.renderer.note(f"{found.name} does not set {', '.join(names)}: {what}")
    return _become(context, command, values)


@command("guard", usage="guard [OPTIONS] -- CMD...")
def guard_command(
    context: CommandContext,
    command: Command,
    confirm: Confirm = None,
    allow_destructive: AllowDestructive = None,
) -> int:
    """Run a command unless it would destroy protected data.

    The command is judged by the active target.
    """
    project = context.find_project(past_limit=False)
    if (limit := time_limit.passed(project)) is not None:
        raise ProtectedError(
            f"the time limit of {limit.target} has passed",
            facts=("nothing was run",),
            why=f"the command would still run on {limit.target}",
            fix=f"`dbswitch {limit.back}` switches back, `dbswitch extend 15m` keeps {limit.target}",
        )
    context.note(recovery.unfinished(project))
    on = _targets_in_use(project)
    judgement = _judge(context, project, command, protected=any(target.protected for target in on))
    for target in on if judgement.destroys else ():
        flags = f"--confirm {target.name} --allow-destructive {target.name}"
        again = f"dbswitch guard {flags} -- CMD"
        if target.protected:
            confirmation.ask(target, confirm, context.asker(), who="command", command=again)
        confirmation.permit_destruction(target, judgement, allow_destructive, context.asker(), again)
    return _become(context, command, os.environ)


def _targets_in_use(project: Project) -> list[Target]:
    """Return the targets that the readers are on, and the protected ones to whose database they lead otherwise."""
    found: dict[str, Target] = {}
    for state in active(project, os.environ).readers:
        for name in (state.target, state.owner):
            if name is not None and name not in found:
                found[name] = resolve(project, name)
            if name is not None and found[name].protected:
                break
    return list(found.values())


def _judge(context: CommandContext, project: Project, command: list[str], *, protected: bool) -> Judgement:
    judgement = judge(command, read_manifest(project.root).scripts)
    if protected and not context.quiet:
        for text in judgement.unseen:
            context.renderer.note(text)
    return judgement


def _become(context: CommandContext, command: list[str], values: Mapping[str, str]) -> int:
    """Replace this process by the command, so that its signals and its exit code are its own."""
    context.renderer.close()
    sys.stdout.flush()
    sys.stderr.flush()
    # Python ignores SIGPIPE, and what is ignored stays ignored in the new program.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        os.execvpe(command[0], command, values)  # noqa: S606  no shell is the point
    except (OSError, ValueError) as error:  # ValueError: a NUL in a variable, which no program can be given
        raise UsageError(
            f"cannot run {command[0]}",
            facts=(getattr(error, "strerror", None) or "a variable contains a NUL byte",),
            why="nothing was run",
            fix="the command follows `--`: `dbswitch exec TARGET -- CMD`; shell syntax needs `sh -c '...'`",
        ) from None


@command(usage="mark [OPTIONS] TARGET")
def mark(
    context: CommandContext,
    target: Annotated[str, typer.Argument(metavar="TARGET", help="A target's name.")],
    remove: Annotated[bool, flag("--remove", "Remove the mark.")] = False,
    confirm: Confirm = None,
) -> int:
    """Store a target's name in its database.

    No other target can then be mistaken for it.
    """
    from dbswitch.database.catalogue import write_marker
    from dbswitch.database.probe import ProbeLimits, wait_until_ready

    project = context.find_project()
    found = resolve(project, target)
    settings = project.config.database
    limits = ProbeLimits(deadline=settings.restart_deadline, attempt_timeout=settings.attempt_timeout)
    identity = wait_until_ready(found.url, limits).identity
    aliases = found.settings.aliases
    if environment_mark.contradicts(identity.environment, found.name, aliases):
        _replaced(context, found, str(identity.environment), confirm)
    elif found.protected:
        again = f"dbswitch mark {found.name} --confirm {found.name}"
        confirmation.ask(found, confirm, context.asker(), who="command", command=again)
    environment = None if remove else found.name
    write_marker(found.url, identity.database, environment)
    with contextlib.suppress(OSError):  # it is read again at the next probe
        environment_mark.remember(project, found.url, environment)
    done = f"is marked as {environment}" if environment else "has no mark"
    fields = {"target": found.name, "environment": environment, "before": identity.environment}
    context.renderer.answer("mark", fields, (f"{found.url.place} {done}",))
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
