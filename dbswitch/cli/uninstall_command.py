"""`dbswitch uninstall`: show what dbswitch wrote, ask, and take it away."""

from __future__ import annotations

import contextlib
import shutil
from typing import TYPE_CHECKING, Any

from dbswitch.cli.renderer import Answer, Line, Style
from dbswitch.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dbswitch.cli.command_context import CommandContext
    from dbswitch.envfiles.transaction import FileChange
    from dbswitch.generate.removal import RemovalPlan
    from dbswitch.project.discovery import Project


def uninstall(context: CommandContext, *, dry_run: bool, yes: bool, stop: bool) -> int:
    """Take away what dbswitch wrote into the project, and its state; return the exit code.

    Raises:
        UsageError: there is no terminal, and `--yes` is missing.
        EnvFileError: an env file cannot be edited safely; nothing was changed.
        ConfigError: a file cannot be taken away.
    """
    from dbswitch.generate.removal import plan_removal
    from dbswitch.project.discovery import discover

    project = discover(context.start_folder())
    plan = plan_removal(project)
    changes = _env_changes(project)
    done = False
    if not context.json:
        context.renderer.answer(Answer("uninstall", lines=tuple(_lines(project, plan, changes))))
    if not plan.changes and not changes and not project.private_dir.exists():
        context.renderer.note("dbswitch has written nothing in this project")
    elif not dry_run:
        done = _agreed(context, yes=yes)
        if done:
            _remove(context, project, plan, changes, stop=stop)
    if context.json:
        context.renderer.answer(Answer("uninstall", _fields(project, plan, changes, done=done)))
    elif done:
        context.renderer.note(
            "dbswitch has left this project; remove the program itself with `pipx uninstall dbswitch`"
        )
    else:
        context.renderer.note("nothing was changed")
    return ExitCode.OK


def _agreed(context: CommandContext, *, yes: bool) -> bool:
    if yes:
        return True
    if not context.interactive:
        raise UsageError(
            "`dbswitch uninstall` needs --yes without a terminal",
            facts=("nothing was changed",),
            why="it takes files away",
            fix="dbswitch uninstall --yes   (or --dry-run to see what it does)",
        )
    return context.agrees("Take this away? [y/N] ", default=False)


def _env_changes(project: Project) -> tuple[FileChange, ...]:
    """Return the env files with their present values and without dbswitch's comments."""
    from dbswitch.envfiles.document import Document
    from dbswitch.envfiles.precedence import DEV_FILES
    from dbswitch.envfiles.transaction import FileChange
    from dbswitch.project import reader_files

    changes = []
    for name, content in reader_files.read(project).items():
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
    from dbswitch.envfiles import transaction
    from dbswitch.generate.removal import apply_removal
    from dbswitch.switch import run_event_files, servers
    from dbswitch.switch.interrupts import Interrupts
    from dbswitch.switch.reporter import Reporter
    from dbswitch.switch.run_context import JOURNAL
    from dbswitch.switch.run_lock import hold

    if stop:
        servers.stop_server(project, lambda _event: None, run_id=run_event_files.new_id())
    elif _serves(project):
        context.renderer.note(
            "the dev server keeps running; end it in the usual way (`dbswitch uninstall --stop` ends it)"
        )
    silent = Reporter(lambda _event: None, run_event_files.new_id())
    with Interrupts() as interrupts, hold(project, silent, target="uninstall"), interrupts.deferred():
        transaction.apply(changes, project.private_dir / JOURNAL)
        apply_removal(plan)
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(project.state_dir)  # the lock was in it
    shutil.rmtree(project.private_dir, ignore_errors=True)


def _serves(project: Project) -> bool:
    from dbswitch.project import server_spec
    from dbswitch.server.observation import find

    return bool(find(server_spec.build(project)))


def _lines(project: Project, plan: RemovalPlan, changes: Sequence[FileChange]) -> Iterable[Line]:
    for item in plan.items:
        kept = item.action.value == "keep"
        yield (
            (item.action.value.ljust(8), Style.DIM if kept else Style.WARN),
            (item.name, Style.DIM if kept else Style.BOLD),
            (f"  {item.detail}", Style.DIM),
        )
    for change in changes:
        yield (
            ("edit    ", Style.WARN),
            (change.path.name, Style.BOLD),
            ("  the comments of dbswitch; every value stays", Style.DIM),
        )
    if project.private_dir.exists():
        yield (
            ("remove  ", Style.WARN),
            (str(project.private_dir), Style.BOLD),
            ("  the state of this project", Style.DIM),
        )
    for text in plan.notices:
        yield (("note: ", Style.WARN), (text, Style.PLAIN))


def _fields(
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
