"""`dbswitch init` and `uninstall`: show what would be written or removed, ask, do it."""

from __future__ import annotations

import contextlib
import shutil
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dbswitch.cli.command_context import CommandContext
from dbswitch.cli.command_line import command
from dbswitch.cli.messages import columns
from dbswitch.cli.options import DryRun, Yes
from dbswitch.cli.renderer import CommandOutput
from dbswitch.envfiles import transaction
from dbswitch.envfiles.document import Document
from dbswitch.envfiles.precedence import DEV_FILES
from dbswitch.envfiles.transaction import FileChange
from dbswitch.errors import ExitCode, UsageError
from dbswitch.generate.removal import apply_removal, plan_removal
from dbswitch.generate.scaffold import apply_init, plan_init
from dbswitch.project import reader_profiles, server_spec
from dbswitch.project.discovery import discover
from dbswitch.server.observation import find
from dbswitch.switch import run_event_files, servers
from dbswitch.switch.interrupts import Interrupts
from dbswitch.switch.recovery import JOURNAL
from dbswitch.switch.reporter import Reporter
from dbswitch.switch.run_lock import hold

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dbswitch.generate.removal import RemovalPlan
    from dbswitch.generate.scaffold import InitPlan
    from dbswitch.project.discovery import Project


@command()
def init(
    context: CommandContext,
    dry_run: DryRun = False,
    yes: Yes = False,
    scripts: Annotated[bool, typer.Option("--scripts", help="Also add scripts to package.json.")] = False,
) -> int:
    """Examine the project and write what is missing."""
    # The targets are not listed here: a bad name of one must not prevent `init` from explaining the project.
    root = discover(context.start_folder()).root
    plan = plan_init(root, scripts=scripts)
    written: tuple[str, ...] = ()
    agreed = True
    if not context.json:
        context.renderer.answer(CommandOutput("init", lines=_plan_lines(plan)))
        if plan.changes and not yes and not dry_run and context.interactive:
            agreed = context.agrees("Write this? [Y/n] ", default=True)
    if plan.changes and agreed and not dry_run:
        written = apply_init(plan)
    if context.json:
        context.renderer.answer(CommandOutput("init", _plan_fields(plan, written)))
    elif written:
        context.renderer.note(f"written: {', '.join(written)}")
    else:
        context.renderer.note("nothing to do" if not plan.changes else "nothing was written")
    if agreed:
        for index, text in enumerate(plan.next_steps):
            context.renderer.note(f"{'next: ' if index == 0 else '      '}{text}")
    return ExitCode.OK


def _plan_fields(plan: InitPlan, written: Sequence[str]) -> dict[str, Any]:
    return {
        "project": str(plan.root),
        "found": [{"what": what, "value": value} for what, value in plan.found],
        "items": [
            {"name": item.name, "action": item.action.value, "detail": item.detail} for item in plan.items
        ],
        "written": list(written),
        "notices": list(plan.notices),
        "next": list(plan.next_steps),
    }


def _plan_lines(plan: InitPlan) -> Iterable[str]:
    yield from (*plan.summary, "")
    yield from (f"{item.action.value:7}{item.name}  {item.detail}" for item in plan.items)
    yield from (f"note: {text}" for text in plan.notices)


@command()
def uninstall(
    context: CommandContext,
    dry_run: DryRun = False,
    yes: Yes = False,
    stop: Annotated[bool, typer.Option("--stop", help="Stop the dev server first.")] = False,
) -> int:
    """Remove what dbswitch wrote into this project (asks first)."""
    project = discover(context.start_folder())
    plan = plan_removal(project)
    changes = _env_changes(project)
    done = False
    if not context.json:
        context.renderer.answer(CommandOutput("uninstall", lines=_removal_lines(project, plan, changes)))
    if not plan.changes and not changes and not project.private_dir.exists():
        context.renderer.note("dbswitch has written nothing in this project")
    elif not dry_run and (yes or _agreed(context)):
        _remove(context, project, plan, changes, stop=stop)
        done = True
    if context.json:
        context.renderer.answer(
            CommandOutput("uninstall", _removal_fields(project, plan, changes, done=done))
        )
    elif done:
        context.renderer.note(
            "dbswitch has left this project; remove the program itself with `pipx uninstall dbswitch`"
        )
    else:
        context.renderer.note("nothing was changed")
    return ExitCode.OK


def _agreed(context: CommandContext) -> bool:
    if not context.interactive:
        raise UsageError(
            "`dbswitch uninstall` needs --yes without a terminal",
            facts=("nothing was changed",),
            why="it removes files",
            fix="dbswitch uninstall --yes   (or --dry-run to see what it does)",
        )
    return context.agrees("Remove this? [y/N] ", default=False)


def _env_changes(project: Project) -> tuple[FileChange, ...]:
    """Return the env files with their present values and without dbswitch's comments."""
    changes = []
    for name, content in reader_profiles.read_files(project).items():
        new = Document.parse(content, name).without_notes().render() if name in DEV_FILES else content
        if new != content:
            changes.append(FileChange(project.root / name, content, new))
    return tuple(changes)


def _remove(
    context: CommandContext,
    project: Project,
    plan: RemovalPlan,
    changes: Sequence[FileChange],
    *,
    stop: bool,
) -> None:
    if stop:
        servers.stop_server(project, lambda _event: None)
    elif find(server_spec.build(project)):
        context.renderer.note("the dev server keeps running (`dbswitch uninstall --stop` stops it first)")
    silent = Reporter(lambda _event: None, run_event_files.new_id())
    with Interrupts() as interrupts, hold(project, silent, target="uninstall"), interrupts.deferred():
        transaction.apply(changes, project.private_dir / JOURNAL)
        apply_removal(plan)
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(project.state_dir)  # the lock was in it
    shutil.rmtree(project.private_dir, ignore_errors=True)


def _removal_lines(project: Project, plan: RemovalPlan, changes: Sequence[FileChange]) -> Iterable[str]:
    rows = [(item.action.value, item.name, item.detail) for item in plan.items]
    rows += [("edit", one.path.name, "the comments of dbswitch; every value stays") for one in changes]
    yield from columns(rows)
    if project.private_dir.exists():
        yield f"remove   {project.private_dir}  the state of this project"
    yield from (f"note: {text}" for text in plan.notices)


def _removal_fields(
    project: Project, plan: RemovalPlan, changes: Sequence[FileChange], *, done: bool
) -> dict[str, Any]:
    return {
        "project": str(project.root),
        "items": [
            *({"name": one.name, "action": one.action.value, "detail": one.detail} for one in plan.items),
            *({"name": one.path.name, "action": "edit", "detail": "comments of dbswitch"} for one in changes),
        ],
        "state": str(project.private_dir),
        "removed": done,
        "notices": list(plan.notices),
    }
