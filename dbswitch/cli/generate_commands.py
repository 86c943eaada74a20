"""`dbswitch generate` and `dbswitch open`: write TypeScript into the project, open its admin page."""

from __future__ import annotations

import webbrowser
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from dbswitch.cli.command_context import CommandContext
from dbswitch.cli.command_line import command
from dbswitch.cli.options import DryRun
from dbswitch.cli.renderer import CommandOutput
from dbswitch.errors import ConfigError, ExitCode, UsageError
from dbswitch.generate import writing
from dbswitch.generate.admin_page import plan_admin_page
from dbswitch.generate.admin_route import plan_admin_route
from dbswitch.generate.client import plan_client, replacement_advice
from dbswitch.generate.identity_route import client_advice, plan_identity_route
from dbswitch.generate.scaffold import ensure_token
from dbswitch.generate.style import read_style
from dbswitch.generate.writing import FileState
from dbswitch.project import server_spec
from dbswitch.project.generated import find
from dbswitch.server.server_record import read_record
from dbswitch.switch.route_trial import try_route

if TYPE_CHECKING:
    from dbswitch.generate.writing import GeneratedFile
    from dbswitch.project.discovery import Project


class GeneratedKind(StrEnum):
    """What `dbswitch generate` can write."""

    CLIENT = "client"
    ROUTE = "route"
    PAGE = "page"


@command(usage="generate [OPTIONS] client|route|page")
def generate(
    context: CommandContext,
    kind: Annotated[
        GeneratedKind, typer.Argument(metavar="KIND", help="What to write: client, route or page.")
    ],
    check: Annotated[
        bool,
        typer.Option("--check", help="Write nothing; exit 1 if the files differ from what would be written."),
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that were edited by hand.")] = False,
    identity_only: Annotated[
        bool,
        typer.Option("--identity-only", help="Write a route that only reports which database the app is on."),
    ] = False,
    path: Annotated[
        str | None,
        typer.Option(
            "--path",
            metavar="FILE",
            help="Where to write the client; default: where the project has its own.",
        ),
    ] = None,
    dry_run: DryRun = False,
) -> int:
    """Write the hot client, the admin route or the admin page."""
    if identity_only and kind is not GeneratedKind.ROUTE:
        raise UsageError("--identity-only belongs to `dbswitch generate route`", fix="leave it out")
    if path is not None and kind is not GeneratedKind.CLIENT:
        raise UsageError("--path belongs to `dbswitch generate client`", fix="leave it out")
    project = context.find_project()
    say = context.renderer.note
    files = _files(project, kind, path, identity_only=identity_only)
    advice: tuple[str, ...] = ()
    if kind is GeneratedKind.CLIENT and not check:
        advice = replacement_advice(project, files[0])
    elif kind is GeneratedKind.ROUTE and not check:
        advice = client_advice(project)
        if not identity_only and read_style(project.root).pages is not None:
            advice += (
                "without an app/ folder only the identity route is written: the admin route needs the App Router",
            )
    for text in advice:
        say(text)
    writes = not check and not dry_run
    states = writing.write(project.root, files, force=force) if writes else writing.look(project.root, files)
    changed = [(file, state) for file, state in states if state is not FileState.CURRENT]
    fields = {
        "kind": kind.value,
        "files": [
            {"path": file.path, "state": state.value, "written": writes and state is not FileState.CURRENT}
            for file, state in states
        ],
        "notes": list(advice),
    }
    lines = [
        f"{'written' if writes and state is not FileState.CURRENT else state.value:9}{file.path}"
        for file, state in states
    ]
    context.renderer.answer(CommandOutput("generated", fields, lines))
    if check and changed:
        say(f"run `dbswitch generate {kind.value}`")
        return ExitCode.FOUND
    if writes:
        for file, state in changed:
            if state in {FileState.EDITED, FileState.FOREIGN}:
                say(f"your {file.path} was replaced; a copy is in {writing.kept_copy(file.path)}")
        if kind is not GeneratedKind.CLIENT:
            _ensure_token(project)
        if kind is GeneratedKind.ROUTE and (said := try_route(project)) is not None:
            say(f"the route was tried: {said.detail}")
        if kind is GeneratedKind.PAGE:
            say(f"the page: {_page_url(project)} (`dbswitch open` opens it while the app runs)")
            say("it asks once for the key: paste the output of `cat .dbswitch/token`")
    return ExitCode.OK


@command("open")
def open_page(context: CommandContext) -> int:
    """Open the admin page in the browser and print its address."""
    url = _page_url(context.find_project())
    context.renderer.answer(CommandOutput("page", {"url": url}, (url,)))
    if context.interactive and not webbrowser.open(url):
        context.renderer.note("no browser could be started here; open this address yourself")
    return ExitCode.OK


def _page_url(project: Project) -> str:
    path = find(project).page_path
    if path is None:
        raise UsageError(
            "this project has no admin page",
            why="`dbswitch open` opens the page that `dbswitch generate page` writes",
            fix="dbswitch generate page",
        )
    spec = server_spec.build(project)
    record = read_record(spec.record_path)
    scheme = "https" if spec.https else "http"
    base = record.url if record is not None else f"{scheme}://{spec.hostname}:{spec.port}"
    return base.rstrip("/") + path


def _ensure_token(project: Project) -> None:
    try:
        ensure_token(project.state_dir)
    except OSError as error:
        raise ConfigError(
            "the key for the route cannot be written",
            facts=(f"{error.filename or project.state_dir}: {error.strerror}",),
            why="without it the route answers no request, not even dbswitch's",
            fix=f"make {project.root} writable for you, then generate the route again",
        ) from error


def _files(
    project: Project, kind: GeneratedKind, path: str | None, *, identity_only: bool
) -> tuple[GeneratedFile, ...]:
    match kind:
        case GeneratedKind.CLIENT:
            return (plan_client(project, path),)
        case GeneratedKind.ROUTE if identity_only or read_style(project.root).pages is not None:
            return (plan_identity_route(project),)
        case GeneratedKind.ROUTE:
            return plan_admin_route(project)
        case GeneratedKind.PAGE:
            return plan_admin_page(project)
