"""`dbswitch TARGET`: run the switch in this process, or with `--detach` in another one."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, Annotated

import typer

from dbswitch.cli.command_context import CommandContext
from dbswitch.cli.command_line import (
    SWITCH,
    Confirm,
    DryRun,
    Pool,
    TakePort,
    TimeLimitFlag,
    Timeout,
    YesUnlessProtected,
    command,
    flag,
    limit_seconds,
)
from dbswitch.cli.messages import columns, target_rows
from dbswitch.cli.renderer import JsonRenderer, object_line, write_line
from dbswitch.durable import ensure_state_dir
from dbswitch.errors import UsageError
from dbswitch.project.active_target import active
from dbswitch.project.targets import list_targets, lookup
from dbswitch.stdout_guard import writing_to_stdout
from dbswitch.switch import run_event_files, self_invocation
from dbswitch.switch.plan import Mode
from dbswitch.switch.project_lock import unusable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dbswitch.project.discovery import Project


_TARGET_HELP = "A target's name, or `-` for the previous one; without it a terminal offers a list."


@command(SWITCH, usage="TARGET [OPTIONS]")
def switch(
    context: CommandContext,
    target: Annotated[str | None, typer.Argument(metavar="[TARGET]", help=_TARGET_HELP)] = None,
    restart: Annotated[bool, flag("--restart", "Restart the dev server.")] = False,
    hot: Annotated[bool, flag("--hot", "Let the running app swap its Prisma client.")] = False,
    no_restart: Annotated[
        bool, flag("--no-restart", "Change the env files and leave the server alone.")
    ] = False,
    confirm: Confirm = None,
    yes: YesUnlessProtected = False,
    timeout: Timeout = None,
    dry_run: DryRun = False,
    detach: Annotated[
        bool, flag("--detach", "Go on in the background; stdout gets one JSON line with the run's id.")
    ] = False,
    take_port: TakePort = False,
    read_only: Annotated[
        bool, flag("--read-only", "Give the app a URL whose sessions cannot write.")
    ] = False,
    write: Annotated[
        bool, flag("--write", "Lift `read_only = true` of the target; asks for its name.")
    ] = False,
    limit: TimeLimitFlag = None,
    pool: Pool = None,
    run_id: Annotated[str | None, typer.Option("--run-id", hidden=True)] = None,
) -> int:
    """Switch to a target; `dbswitch TARGET` is the short form."""
    modes = _only_one({"--restart": restart, "--hot": hot, "--no-restart": no_restart})
    access = _only_one({"--read-only": read_only, "--write": write})
    _only_one({"--detach": detach, "--dry-run": dry_run})
    seconds = limit_seconds(limit)
    if pool is not None and (modes or take_port or seconds is not None):
        raise UsageError(
            "--pool excludes --restart, --hot, --no-restart, --for and --take-port",
            why="a switch of a pool touches no server and no env file of the project",
            fix="leave them out",
        )
    project = context.find_project(past_limit=False)
    if target is None:
        target = _picked(context, project)
    if detach:
        passed_on = [
            *modes,
            *access,
            *([f"--confirm={confirm}"] if confirm is not None else ()),
            *([f"--for={limit}"] if limit is not None else ()),
            *([f"--timeout={timeout:g}"] if timeout is not None else ()),
            *(["--take-port"] if take_port else ()),
            *([f"--pool={pool}"] if pool is not None else ()),
            *(["--yes"] if yes else ()),
            *(["--verbose"] if context.verbose else ()),
        ]
        return _detach(project, target, passed_on)
    if run_id is not None:
        _keep_events(project, run_id, context)
    if take_port:
        context.agree_to_take_port(yes=yes)
    # 50 ms that a detached switch does not wait for.
    from dbswitch.switch import limit_timer, run
    from dbswitch.switch.request import Request

    request = Request(
        target=target,
        run_id=run_id or run_event_files.new_id(),
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


def _only_one(flags: dict[str, bool]) -> list[str]:
    given = [flag for flag, wanted in flags.items() if wanted]
    if len(given) > 1:
        raise UsageError(f"{' and '.join(given)} exclude each other", fix="give only one of them")
    return given


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
        prompt = "Switch to (number or name; Enter leaves it): "
        typed = context.renderer.question(columns(rows), prompt).strip()
    except EOFError:
        typed = ""
    if not typed:
        raise UsageError("no target was chosen", facts=("nothing was changed",), fix="dbswitch TARGET")
    number = int(typed) if typed.isdecimal() else 0
    return refs[number - 1].name if 0 < number <= len(refs) else typed


def _detach(project: Project, target: str, flags: Sequence[str]) -> int:
    """Start the run in a session of its own, print one JSON line with its id, return 0.

    The caller may be a route handler inside the very server that the run is going to stop. So nothing slow is done before
    the answer (no database driver, no process table, no value of a target), and the run does not depend on the caller.

    Raises:
        UsageError: no such target.
        ConfigError: the targets cannot be listed, or the state folder cannot be made.
    """
    target = target if target == "-" else lookup(project, target).name
    run_id = run_event_files.new_id()
    line = object_line("accepted", {"id": run_id, "target": target})
    try:
        run_event_files.RunFile(ensure_state_dir(project.state_dir), run_id)
        # Written before it is announced, so that a caller that asks for the run at once finds it.
        run_event_files.append_line(run_event_files.path_of(project.state_dir, run_id), line)
    except OSError as error:
        raise unusable(project.state_dir, error, "the events of a detached run are kept there") from None
    common = ["--json", "--run-id", run_id, "--project", str(project.root)]
    subprocess.Popen(
        [*self_invocation.command(), target, *common, *flags],
        cwd=project.root,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    with writing_to_stdout():
        write_line(line)
    return 0


def _keep_events(project: Project, run_id: str, context: CommandContext) -> None:
    if isinstance(context.renderer, JsonRenderer):
        try:
            context.renderer.copy = run_event_files.RunFile(ensure_state_dir(project.state_dir), run_id)
        except OSError as error:
            raise unusable(project.state_dir, error, "the events of the run are kept there") from None
        run_event_files.prune(project.state_dir)
