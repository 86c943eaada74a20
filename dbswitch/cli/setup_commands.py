"""Write into the project and remove it again: `dbswitch init`, `generate`, `open` and `uninstall`; and `dbswitch demo`."""

from __future__ import annotations

import contextlib
import webbrowser
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from dbswitch.cli.command_declaration import CommandContext, DryRun, Yes, command, flag
from dbswitch.cli.messages import columns
from dbswitch.envfiles import transaction
from dbswitch.envfiles.document import Document
from dbswitch.envfiles.precedence import DEV_FILES
from dbswitch.envfiles.transaction import FileChange
from dbswitch.errors import DbswitchError, ExitCode, ProtectedError, UsageError
from dbswitch.generate import writing
from dbswitch.generate.client import plan_client, replacement_advice
from dbswitch.generate.removal import apply_removal, plan_removal, require_same
from dbswitch.generate.routes import client_advice, plan_admin_page, plan_admin_route, plan_identity_route
from dbswitch.generate.scaffold import apply_init, ensure_token, plan_init
from dbswitch.generate.source_layout import read_layout
from dbswitch.generate.writing import FileAction, GeneratedFile, PlannedFile, ProjectPlan
from dbswitch.project import generated, reader_profiles, server_launch
from dbswitch.project.discovery import Project
from dbswitch.server import observation
from dbswitch.server.server_record import read_record
from dbswitch.switch import history, start_and_stop, time_limit
from dbswitch.switch.app_identity import try_route
from dbswitch.switch.interrupts import Interrupts
from dbswitch.switch.recovery import JOURNAL
from dbswitch.switch.session import Reporter, hold, notices_only


@command()
def init(
    context: CommandContext,
    dry_run: DryRun = False,
    yes: Yes = False,
    scripts: Annotated[bool, flag("--scripts", "Also add scripts to package.json.")] = False,
) -> int:
    """Examine the project and write what is missing."""
    # The targets are not listed here: a bad name of one must not prevent `init` from explaining the project.
    plan = plan_init(context.find_project(list_names=False).root, scripts=scripts)
    if not context.json:
        lines = [*plan.summary, "", *(f"{one.action.value:7}{one.name}  {one.detail}" for one in plan.items)]
        context.renderer.answer("init", {}, [*lines, *(f"note: {text}" for text in plan.notices)])
    wanted = bool(plan.changes) and not dry_run
    asks = wanted and not yes and context.interactive
    refused = asks and not context.agrees("Write this? [Y/n] ", default=True)
    written = apply_init(plan) if wanted and not refused else ()
    done = f"written: {', '.join(written)}" if written else "nothing was written"
    context.renderer.note(done if plan.changes else "nothing to do")
    for index, text in enumerate(() if refused else plan.next_steps):
        context.renderer.note(f"{'next: ' if index == 0 else '      '}{text}")
    if context.json:
        found = [{"what": what, "value": value} for what, value in plan.found]
        fields = _plan_fields(plan.root, plan.items) | {"found": found, "written": written}
        context.renderer.answer("init", fields | {"notices": plan.notices, "next": plan.next_steps}, ())
    return ExitCode.OK


def _plan_fields(root: Path, items: Iterable[PlannedFile]) -> dict[str, Any]:
    rows = [{"name": item.name, "action": item.action.value, "detail": item.detail} for item in items]
    return {"project": str(root), "items": rows}


@command()
def uninstall(
    context: CommandContext,
    dry_run: DryRun = False,
    yes: Yes = False,
    stop: Annotated[bool, flag("--stop", "Stop the dev server first.")] = False,
    force: Annotated[bool, flag("--force", "Do so even during a time limit.")] = False,
) -> int:
    """Remove what dbswitch wrote into this project (asks first)."""
    project = context.find_project(list_names=False)
    if not dry_run and not force:
        _refuse_during_limit(project)
    plan = plan_removal(project)
    notices = (*plan.notices, *_limit_notices(project, force=force))
    changes = _env_changes(project)
    edits = "the comments of dbswitch; every value stays"
    items = [*plan.items, *(PlannedFile(one.path.name, FileAction.EDIT, edits) for one in changes)]
    if not context.json:
        lines = columns([(one.action.value, one.name, one.detail) for one in items])
        if project.private_dir.exists():
            lines.append(f"remove   {project.private_dir}  the state of this project")
        context.renderer.answer("uninstall", {}, [*lines, *(f"note: {text}" for text in notices)])
    present = bool(plan.changes or changes or project.private_dir.exists())
    done = present and not dry_run and (yes or _agreed(context))
    if done:
        _remove(context, project, plan, stop=stop, force=force)
        itself = "remove the program itself with `pipx uninstall dbswitch`"
        context.renderer.note(f"dbswitch was removed from this project; {itself}")
    else:
        if not present:
            context.renderer.note("dbswitch has written nothing in this project")
        context.renderer.note("nothing was changed")
    if context.json:
        fields = _plan_fields(project.root, items) | {"state": str(project.private_dir), "removed": done}
        context.renderer.answer("uninstall", fields | {"notices": notices}, ())
    return ExitCode.OK


def _refuse_during_limit(project: Project) -> None:
    if (limit := time_limit.in_force(project)) is not None:
        raise ProtectedError(
            f"dbswitch is not removed during the time limit of {limit.target}",
            facts=(limit.text, "nothing was changed"),
            why=f"the time limit would be removed too, and the app would stay on {limit.target}",
            fix=f"`dbswitch {limit.back}` switches back and ends the limit; `dbswitch uninstall --force` stays on {limit.target}",
        )


def _limit_notices(project: Project, *, force: bool) -> tuple[str, ...]:
    with contextlib.suppress(DbswitchError):
        if (limit := time_limit.in_force(project)) is None:
            return ()
        if force:
            return (f"the time limit is removed too: the app stays on {limit.target}",)
        return (f"`dbswitch uninstall` is refused during the time limit of {limit.target} without --force",)
    return ()


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


def _remove(context: CommandContext, project: Project, plan: ProjectPlan, *, stop: bool, force: bool) -> None:
    if stop:
        start_and_stop.stop_server(project, lambda _event: None)
    elif observation.find(server_launch.build(project)):
        context.renderer.note("the dev server keeps running (`dbswitch uninstall --stop` stops it first)")
    reporter = Reporter(notices_only(context.renderer.emit), history.new_id())
    with Interrupts() as interrupts, hold(project, reporter, target="uninstall"), interrupts.deferred():
        if not force:  # a switch may have ended since
            _refuse_during_limit(project)
        # Files may have been saved during the question and the wait for the lock.
        now = plan_removal(project)
        require_same(plan, now)
        transaction.apply(_env_changes(project), project.private_dir / JOURNAL)
        apply_removal(now, project.private_dir)


@command()
def demo(
    context: CommandContext,
    keep: Annotated[bool, flag("--keep", "Leave it running and print what to try.")] = False,
    stop: Annotated[bool, flag("--stop", "Stop what --keep left running.")] = False,
) -> int:
    """Show a switch with two embedded databases and a real app."""
    from dbswitch.demo import demo_run

    del context
    return demo_run.stop() if stop else demo_run.run(keep=keep)


class GeneratedKind(StrEnum):
    """What `dbswitch generate` can write."""

    CLIENT = "client"
    ROUTE = "route"
    PAGE = "page"


_Kind = Annotated[GeneratedKind, typer.Argument(metavar="KIND", help="What to write: client, route or page.")]
_Check = Annotated[
    bool, flag("--check", "Write nothing; exit 1 if the files differ from what would be written.")
]
_IdentityOnly = Annotated[
    bool, flag("--identity-only", "Write a route that only reports which database the app is on.")
]
_PathFlag = Annotated[
    str | None,
    flag("--path", "Where to write the client; default: where the project has its own.", metavar="FILE"),
]


@command(usage="generate [OPTIONS] client|route|page")
def generate(
    context: CommandContext,
    kind: _Kind,
    check: _Check = False,
    force: Annotated[bool, flag("--force", "Overwrite files that were edited by hand.")] = False,
    identity_only: _IdentityOnly = False,
    path: _PathFlag = None,
    dry_run: DryRun = False,
) -> int:
    """Write the hot client, the admin route or the admin page."""
    own = {"--identity-only": (identity_only, GeneratedKind.ROUTE), "--path": (path, GeneratedKind.CLIENT)}
    for name, (given, only) in own.items():
        if given not in {None, False} and kind is not only:
            raise UsageError(f"{name} can be used only with `dbswitch generate {only}`", fix="leave it out")
    project = context.find_project()
    files, advice = _planned(project, kind, path, identity_only=identity_only)
    notes = () if check else advice
    for text in notes:
        context.renderer.note(text)
    writes = not check and not dry_run
    states = writing.write(project.root, files, force=force) if writes else writing.look(project.root, files)
    changed = {file.path: state for file, state in states if state is not generated.GeneratedState.CURRENT}
    done = changed if writes else {}
    rows = [{"path": file.path, "state": state, "written": file.path in done} for file, state in states]
    lines = [f"{'written' if row['written'] else row['state']:9}{row['path']}" for row in rows]
    context.renderer.answer("generated", {"kind": kind.value, "files": rows, "notes": notes}, lines)
    if writes:
        for name, state in changed.items():
            if state in writing.OWN:
                context.renderer.note(f"your {name} was replaced; a copy is in {writing.REPLACED}/")
        _after_writing(context, project, kind)
    elif check and changed:
        context.renderer.note(f"run `dbswitch generate {kind.value}`")
        return ExitCode.FOUND
    return ExitCode.OK


def _planned(
    project: Project, kind: GeneratedKind, path: str | None, *, identity_only: bool
) -> tuple[tuple[GeneratedFile, ...], tuple[str, ...]]:
    if kind is GeneratedKind.CLIENT:
        file = plan_client(project, path)
        return (file,), replacement_advice(project, file)
    if kind is GeneratedKind.PAGE:
        return plan_admin_page(project), ()
    advice = client_advice(project)
    if identity_only:
        return (plan_identity_route(project),), advice
    if read_layout(project.root).pages is None:
        return plan_admin_route(project), advice
    only = "without an app/ folder only the identity route is written: the admin route needs the App Router"
    return (plan_identity_route(project),), (*advice, only)


def _after_writing(context: CommandContext, project: Project, kind: GeneratedKind) -> None:
    say = context.renderer.note
    if kind is not GeneratedKind.CLIENT:
        ensure_token(project)
    if kind is GeneratedKind.ROUTE and (said := try_route(project)) is not None:
        say(f"the route was tried: {said.detail}")
    if kind is GeneratedKind.PAGE:
        say(f"the page: {_page_url(project)} (`dbswitch open` opens it while the app runs)")
        say("it asks once for the key: paste the output of `cat .dbswitch/token`")


@command("open")
def open_page(context: CommandContext) -> int:
    """Open the admin page in the browser and print its address."""
    url = _page_url(context.find_project())
    context.renderer.answer("page", {"url": url}, (url,))
    if context.interactive and not webbrowser.open(url):
        context.renderer.note("no browser could be started here; open this address yourself")
    return ExitCode.OK


def _page_url(project: Project) -> str:
    path = generated.find(project).page_path
    if path is None:
        why, fix = (
            "`dbswitch open` opens the page that `dbswitch generate page` writes",
            "dbswitch generate page",
        )
        if read_layout(project.root).pages is not None:
            why, fix = "the page needs the App Router; this project has pages/ and no app/ folder", ""
        raise UsageError("this project has no admin page", why=why, fix=fix)
    spec = server_launch.build(project)
    record = read_record(spec.record_path)
    scheme = "https" if spec.https else "http"
    base = record.url if record is not None else f"{scheme}://{spec.hostname}:{spec.port}"
    return base.rstrip("/") + path
