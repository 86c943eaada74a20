"""`dbswitch TARGET`: run the switch in this process, or with `--detach` in another one. `dbswitch extend TIME`: its time limit."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Annotated

import typer

from dbswitch.cli import command_declaration as common
from dbswitch.cli.command_declaration import CommandContext, command, flag, length_of
from dbswitch.cli.command_line import SWITCH
from dbswitch.cli.messages import columns, target_rows
from dbswitch.cli.renderer import object_line, write_line
from dbswitch.durable import ensure_state_dir
from dbswitch.durations import UNLIMITED
from dbswitch.errors import BusyError, UsageError
from dbswitch.project.active_target import active
from dbswitch.project.discovery import Project
from dbswitch.project.targets import list_targets, lookup
from dbswitch.server.processes import start_own_command
from dbswitch.stdout_guard import writing_to_stdout
from dbswitch.switch import history
from dbswitch.switch.plan import Mode
from dbswitch.switch.project_lock import unusable

_TARGET_HELP = "A target's name, or `-` for the previous one; without one, choose from a list."


_NoRestart = Annotated[bool, flag("--no-restart", "Change the env files and leave the server alone.")]
_Detach = Annotated[
    bool, flag("--detach", "Go on in the background; stdout gets one JSON line with the run's id.")
]
_ReadOnly = Annotated[bool, flag("--read-only", "Give the app a URL whose sessions cannot write.")]
_Write = Annotated[bool, flag("--write", "Lift `read_only = true` of the target; asks for its name.")]


@command(SWITCH, usage="TARGET [OPTIONS]")
def switch(
    context: CommandContext,
    target: Annotated[str | None, typer.Argument(metavar="[TARGET]", help=_TARGET_HELP)] = None,
    restart: Annotated[bool, flag("--restart", "Restart the dev server.")] = False,
    hot: Annotated[bool, flag("--hot", "Let the running app swap its Prisma client.")] = False,
    no_restart: _NoRestart = False,
    confirm: common.Confirm = None,
    yes: common.YesUnlessProtected = False,
    timeout: common.Timeout = None,
    dry_run: common.DryRun = False,
    detach: _Detach = False,
    take_port: common.TakePort = False,
    read_only: _ReadOnly = False,
    write: _Write = False,
    limit: common.TimeLimitFlag = None,
    pool: common.Pool = None,
    run_id: Annotated[str | None, typer.Option("--run-id", hidden=True)] = None,
) -> int:
    """Switch to a target; `dbswitch TARGET` is the short form."""
    modes = {"--restart": restart, "--hot": hot, "--no-restart": no_restart}
    access = {"--read-only": read_only, "--write": write}
    for flags in (modes, access, {"--detach": detach, "--dry-run": dry_run}):
        given = [flag for flag, wanted in flags.items() if wanted]
        if len(given) > 1:
            raise UsageError(f"{' and '.join(given)} cannot be used together", fix="give only one of them")
    seconds = None if limit is None else 0.0 if limit == UNLIMITED else length_of(limit)
    if pool is not None and (any(modes.values()) or take_port or seconds is not None):
        raise UsageError(
            "--pool cannot be used with --restart, --hot, --no-restart, --for or --take-port",
            why="a switch of a pool touches no server and no env file of the project",
            fix="leave them out",
        )
    project = context.find_project(past_limit=False)
    if target is None:
        target = _picked(context, project)
    if detach:
        passed_on: dict[str, str | float | bool | None] = {
            **modes,
            **access,
            "--confirm": confirm,
            "--for": limit,
            "--timeout": timeout,
            "--take-port": take_port,
            "--pool": pool,
            "--yes": yes,
            "--verbose": context.verbose,
        }
        words = (name if value is True else f"{name}={value}" for name, value in passed_on.items() if value)
        return _detach(project, target, words)
    if run_id is not None:
        _keep_events(project, run_id, context)
    if take_port:
        context.agree_to_take_port(yes=yes)
    # 50 ms that a detached switch does not wait for.
    from dbswitch.switch import limit_timer, run
    from dbswitch.switch.session import Request

    request = Request(
        target=target,
        run_id=run_id or history.new_id(),
        mode=Mode.RESTART if restart else Mode.HOT if hot else Mode.NONE if no_restart else None,
        confirm=confirm,
        timeout=timeout,
        dry_run=dry_run,
        ask=context.asker(),
        take_port=take_port,
        read_only=True if read_only else False if write else None,
        limit=seconds,
        ambient=dict(os.environ),
        pool=pool,
    )
    if not dry_run and pool is None:
        request, failed = limit_timer.go_back_first(project, request, context.renderer.emit)
        if failed is not None:
            return failed.exit
    return run.switch(project, request, context.renderer.emit).exit


def _picked(context: CommandContext, project: Project) -> str:
    """Offer the targets in a list. Raises UsageError: there is no terminal, nothing was chosen, or there are no targets."""
    refs = list_targets(project)
    if not refs or not context.interactive:
        raise UsageError(
            "which target?",
            facts=(f"targets: {', '.join(ref.name for ref in refs) or 'none yet'}",),
            why="without a terminal, the target has to be named",
            fix="dbswitch TARGET; `dbswitch targets` lists them",
        )
    current = active(project, os.environ).target
    rows = [
        (f"{number:3}", *target_row, "(in use)" if target_row[0] == current else "")
        for number, target_row in enumerate(target_rows(refs), 1)
    ]
    try:
        prompt = "Switch to (number or name; Enter cancels): "
        typed = context.renderer.question(columns(rows), prompt).strip()
    except EOFError:
        typed = ""
    if not typed:
        raise UsageError("no target was chosen", facts=("nothing was changed",), fix="dbswitch TARGET")
    number = int(typed) if typed.isdecimal() else 0
    return refs[number - 1].name if 0 < number <= len(refs) else typed


def _detach(project: Project, target: str, flags: Iterable[str]) -> int:
    """Start the run in a session of its own, print one JSON line with its id, return 0. Raises UsageError, ConfigError."""
    # The caller may be a route handler of the server that the run stops: nothing slow is done before the answer.
    target = target if target == "-" else lookup(project, target).name
    run_id = history.new_id()
    line = object_line("accepted", {"id": run_id, "target": target})
    try:
        history.RunFile(ensure_state_dir(project.state_dir), run_id)
        # Written before it is announced, so that a caller that asks for the run at once finds it.
        history.append_line(history.path_of(project.state_dir, run_id), line)
    except OSError as error:
        raise unusable(project.state_dir, error, "the events of a detached run are kept there") from None
    start_own_command(project.root, target, "--json", f"--run-id={run_id}", *flags)
    with writing_to_stdout():
        write_line(line)
    return 0


def _keep_events(project: Project, run_id: str, context: CommandContext) -> None:
    if context.json:
        try:
            context.renderer.copy = history.RunFile(ensure_state_dir(project.state_dir), run_id)
        except OSError as error:
            raise unusable(project.state_dir, error, "the events of the run are kept there") from None
        history.prune(project.state_dir)


@command(usage="extend [OPTIONS] TIME")
def extend(
    context: CommandContext,
    length: Annotated[
        str, typer.Argument(metavar="TIME", help="How much longer: 15m, 1h; from now if the time is over.")
    ] = "",
    timer: Annotated[str | None, typer.Option("--timer", hidden=True)] = None,
) -> int:
    """Extend the time limit of the last switch."""
    from dbswitch.switch import limit_timer, time_limit
    from dbswitch.switch.session import Reporter, hold_if_free, notices_only

    project = context.find_project(past_limit=False)
    if timer is not None:
        limit_timer.run_timer(project, timer, dict(os.environ))
        return 0
    seconds = length_of(length)
    run_id = history.new_id()
    reporter = Reporter(notices_only(context.renderer.emit), run_id)
    with hold_if_free(project, reporter, target="extend") as ours:
        if ours is None:
            raise BusyError(
                "a switch is running",
                facts=("the time limit is unchanged",),
                why="it may replace the time limit",
                fix="try again when it has ended",
            )
        limit = time_limit.extended(project, seconds, run_id)
    time_limit.start_timer(project, limit)
    context.renderer.answer("extend", limit.fields, (limit.text,))
    return 0
