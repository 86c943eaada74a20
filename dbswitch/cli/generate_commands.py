"""`dbswitch generate` and `dbswitch open`: write TypeScript into the project, open the page that it makes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbswitch.cli.options import GeneratedKind
from dbswitch.cli.renderer import Answer, Line, Style, plain
from dbswitch.errors import ConfigError, ExitCode, UsageError

if TYPE_CHECKING:
    from dbswitch.cli.command_context import CommandContext
    from dbswitch.generate.header import GeneratedFile
    from dbswitch.project.discovery import Project


def generate(
    context: CommandContext,
    kind: GeneratedKind,
    *,
    check: bool,
    force: bool,
    dry_run: bool,
    identity_only: bool,
    path: str | None,
) -> int:
    """Write what is missing or outdated, or with `--check` say what differs (exit 1); return the exit code."""
    project = context.find_project()
    from dbswitch.generate import writing
    from dbswitch.generate.header import FileState

    files = _files(project, kind, path, identity_only=identity_only)
    notes: tuple[str, ...] = ()
    if kind is GeneratedKind.CLIENT and not check:
        from dbswitch.generate.client import replacement_advice

        notes = replacement_advice(project, files[0])
        for text in notes:
            context.renderer.note(text)
    if check or dry_run:
        states = writing.look(project.root, files)
    else:
        states = writing.write(project.root, files, force=force)
    differs = any(state is not FileState.CURRENT for _, state in states)
    done = not check and not dry_run
    fields = {
        "kind": kind.value,
        "files": [
            {"path": file.path, "state": state.value, "written": done and state is not FileState.CURRENT}
            for file, state in states
        ],
        "notes": list(notes),
    }
    lines: list[Line] = []
    for file, state in states:
        changed = state is not FileState.CURRENT
        word = "current" if not changed else "written" if done else state.value
        lines.append(((word.ljust(9), Style.GOOD if changed else Style.DIM), (file.path, Style.PLAIN)))
    context.renderer.answer(Answer("generated", fields, tuple(lines)))
    if done:
        for file, state in states:
            if state in {FileState.EDITED, FileState.FOREIGN}:
                context.renderer.note(
                    f"your {file.path} was replaced; it is kept in {writing.kept_copy(file.path)}"
                )
    if check and differs:
        context.renderer.note(f"run `dbswitch generate {kind.value}`")
        return ExitCode.FOUND
    if done and kind is not GeneratedKind.CLIENT:
        _ensure_token(project)
    if done and kind is GeneratedKind.PAGE:
        context.renderer.note(f"the page: {_page_url(project)} (`dbswitch open` opens it while the app runs)")
        context.renderer.note("it asks once for the key: paste what `cat .dbswitch/token` prints")
    return ExitCode.OK


def _page_url(project: Project) -> str:
    """Return the address of the admin page, on the running server where there is one.

    Raises:
        UsageError: the project has no admin page.
    """
    from dbswitch.project import server_spec
    from dbswitch.project.generated import find
    from dbswitch.server.server_record import read_record

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


def open_page(context: CommandContext) -> int:
    """Open the admin page in the browser and print its address; return the exit code.

    Raises:
        UsageError: the project has no admin page.
    """
    project = context.find_project()
    url = _page_url(project)
    context.renderer.answer(Answer("page", {"url": url}, (plain(url),)))
    if context.interactive:
        import webbrowser

        if not webbrowser.open(url):
            context.renderer.note("no browser could be started here; open this address yourself")
    return ExitCode.OK


def _ensure_token(project: Project) -> None:
    from dbswitch.generate.token import ensure_token

    try:
        ensure_token(project.state_dir)
    except OSError as error:
        raise ConfigError(
            "the key that the route asks for cannot be written",
            facts=(f"{error.filename or project.state_dir}: {error.strerror}",),
            why="without it the route answers no request, not even dbswitch's",
            fix=f"make {project.root} writable for you, then generate the route again",
        ) from error


def _files(
    project: Project, kind: GeneratedKind, path: str | None, *, identity_only: bool
) -> tuple[GeneratedFile, ...]:
    match kind:
        case GeneratedKind.CLIENT:
            from dbswitch.generate.client import plan_client

            return (plan_client(project, path),)
        case GeneratedKind.ROUTE if identity_only:
            from dbswitch.generate.identity_route import plan_identity_route

            return (plan_identity_route(project),)
        case GeneratedKind.ROUTE:
            from dbswitch.generate.admin_route import plan_admin_route

            return plan_admin_route(project)
        case GeneratedKind.PAGE:
            from dbswitch.generate.admin_page import plan_admin_page

            return plan_admin_page(project)
