"""`dbswitch TARGET`: hand the request to `dbswitch.switch.run`, in this process or in a detached one."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dbswitch.cli.renderer import Line, Style
from dbswitch.cli.server_commands import agree_to_take_port
from dbswitch.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dbswitch.cli.command_context import CommandContext
    from dbswitch.project.discovery import Project
    from dbswitch.project.targets import TargetRef
    from dbswitch.switch.plan import Mode


@dataclass(frozen=True, slots=True)
class SwitchOptions:
    """The flags of a switch that a detached run is given as well; `timeout` is in seconds."""

    mode: Mode | None = None
    confirm: str | None = None
    yes: bool = False
    timeout: float | None = None
    dry_run: bool = False
    take_port: bool = False
    read_only: bool | None = None


def switch(
    context: CommandContext, target: str | None, options: SwitchOptions, *, detach: bool, run_id: str | None
) -> int:
    """Switch; return the exit code.

    Raises:
        DbswitchError: it failed before the run began.
    """
    project = context.find_project()
    if target is None:
        target = _picked(context, project)
    if detach:
        from dbswitch.cli import detached_run

        return detached_run.detach(target, options, context, project)

    from dbswitch.switch import run, run_event_files
    from dbswitch.switch.request import Request

    if run_id is not None:
        _keep_events(project, run_id, context)
    if options.take_port:
        agree_to_take_port(context, yes=options.yes)
    request = Request(
        target=target,
        run_id=run_id or run_event_files.new_id(),
        mode=options.mode,
        confirm=options.confirm,
        timeout=options.timeout,
        dry_run=options.dry_run,
        ask=context.asker(),
        take_port=options.take_port,
        read_only=options.read_only,
        ambient=dict(os.environ),
    )
    return run.switch(project, request, context.renderer.emit).exit


def _picked(context: CommandContext, project: Project) -> str:
    """Offer the targets in a list.

    Raises:
        UsageError: there is no terminal, nothing was chosen, or there are no targets.
    """
    from dbswitch.project.active import active
    from dbswitch.project.targets import list_targets

    refs = list_targets(project)
    if not refs or not context.interactive:
        raise UsageError(
            "which target?",
            facts=(f"targets: {', '.join(ref.name for ref in refs) or 'none yet'}",),
            why="without a terminal, the target has to be named",
            fix="dbswitch TARGET; `dbswitch targets` lists them",
        )
    current = active(project, os.environ).target
    try:
        typed = context.renderer.question(
            _choices(refs, current), "Switch to (number or name; Enter leaves it): "
        ).strip()
    except EOFError:
        typed = ""
    if not typed:
        raise UsageError("no target was chosen", facts=("nothing was changed",), fix="dbswitch TARGET")
    number = int(typed) if typed.isdecimal() else 0
    return refs[number - 1].name if 0 < number <= len(refs) else typed


def _choices(refs: Sequence[TargetRef], current: str | None) -> Iterable[Line]:
    wide = max(len(ref.name) for ref in refs)
    for number, ref in enumerate(refs, 1):
        places = ", ".join(sorted({place.text for place in ref.places}))
        yield (
            (f"{number:3}  ", Style.PLAIN),
            (ref.name.ljust(wide), Style.DANGER if ref.protected else Style.BOLD),
            (f"  {places}", Style.PLAIN),
            ("  (in use)" if ref.name == current else "", Style.GOOD),
        )


def _keep_events(project: Project, run_id: str, context: CommandContext) -> None:
    from dbswitch.cli.json_renderer import JsonRenderer
    from dbswitch.durable import ensure_state_dir
    from dbswitch.switch import run_event_files
    from dbswitch.switch.run_lock import unusable

    renderer = context.renderer
    if isinstance(renderer, JsonRenderer):
        try:
            renderer.copy = run_event_files.RunFile(ensure_state_dir(project.state_dir), run_id)
        except OSError as error:
            raise unusable(project.state_dir, error, "the events of the run are kept there") from None
        run_event_files.prune(project.state_dir)
