"""`dbswitch init`, `generate` and `demo`: show what will be written, then let the rooms that know how write it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dbswitch.cli.operations import GeneratedKind
from dbswitch.cli.renderer import Answer, Line, Style, plain
from dbswitch.cli.switching import find_project, has_terminal, start_folder
from dbswitch.errors import ConfigError, ExitCode, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dbswitch.cli.operations import Common, Demo, Generate, Init
    from dbswitch.cli.renderer import Renderer
    from dbswitch.generate.header import GeneratedFile
    from dbswitch.generate.scaffold import InitItem, InitPlan
    from dbswitch.project.discovery import Project


def init(asked: Init, common: Common, renderer: Renderer) -> int:
    """Look, show, ask where somebody can answer, write; return the exit code.

    A target called `dev` or the like must not keep `init` from explaining the project, so the targets are not listed
    for colours here.
    """
    from dbswitch.generate.scaffold import apply_init, plan_init
    from dbswitch.project.discovery import discover

    root = discover(start_folder(common)).root
    plan = plan_init(root, scripts=asked.scripts)
    written: tuple[str, ...] = ()
    agreed = True
    if not common.json:
        renderer.answer(Answer("init", lines=tuple(_plan_lines(plan))))
        if plan.changes and not asked.yes and not asked.dry_run and has_terminal():
            agreed = _agreed(renderer)
    if plan.changes and agreed and not asked.dry_run:
        written = apply_init(plan)
    if common.json:
        renderer.answer(Answer("init", _plan_fields(plan, written)))
    elif written:
        renderer.note(f"written: {', '.join(written)}")
    else:
        renderer.note("nothing to do" if not plan.changes else "nothing was written")
    if agreed:
        for index, text in enumerate(plan.next_steps):
            renderer.note(f"{'next: ' if index == 0 else '      '}{text}")
    return ExitCode.OK


def _agreed(renderer: Renderer) -> bool:
    try:
        typed = renderer.question([], "write this? [Y/n] ")
    except EOFError:
        return False
    return typed.strip().lower() in {"", "y", "yes"}


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


def _plan_lines(plan: InitPlan) -> Iterable[Line]:
    for sentence in plan.summary:
        yield plain(sentence)
    yield plain("")
    for item in plan.items:
        yield _item_line(item)
    for text in plan.notices:
        yield (("note: ", Style.WARN), (text, Style.PLAIN))


def _item_line(item: InitItem) -> Line:
    kept = item.action.value == "keep"
    return (
        (item.action.value.ljust(7), Style.DIM if kept else Style.GOOD),
        (item.name, Style.DIM if kept else Style.BOLD),
        (f"  {item.detail}", Style.DIM),
    )


def generate(asked: Generate, common: Common, renderer: Renderer) -> int:
    """Write what is missing or outdated, or with `--check` say what differs (exit 1); return the exit code."""
    project = find_project(common, renderer)
    from dbswitch.generate import writing
    from dbswitch.generate.header import FileState

    files = _files(asked, project)
    notes: tuple[str, ...] = ()
    if asked.kind is GeneratedKind.CLIENT and not asked.check:
        from dbswitch.generate.client import replacement_advice

        notes = replacement_advice(project, files[0])
        for text in notes:
            renderer.note(text)
    if asked.check or asked.dry_run:
        states = writing.look(project.root, files)
    else:
        states = writing.write(project.root, files, force=asked.force)
    differs = any(state is not FileState.CURRENT for _, state in states)
    done = not asked.check and not asked.dry_run
    fields = {
        "kind": asked.kind.value,
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
    renderer.answer(Answer("generated", fields, tuple(lines)))
    if done:
        for file, state in states:
            if state in {FileState.EDITED, FileState.FOREIGN}:
                renderer.note(f"your {file.path} was replaced; it is kept in {writing.kept_copy(file.path)}")
    if asked.check and differs:
        renderer.note(f"run `dbswitch generate {asked.kind.value}`")
        return ExitCode.FOUND
    if done and asked.kind is not GeneratedKind.CLIENT:
        _ensure_token(project)
    if done and asked.kind is GeneratedKind.PAGE:
        renderer.note(f"the page: {_page_url(project)} (`dbswitch open` opens it while the app runs)")
        renderer.note("it asks once for the key: paste what `cat .dbswitch/token` prints")
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


def open_page(common: Common, renderer: Renderer) -> int:
    """Open the admin page in the browser and print its address; return the exit code.

    Raises:
        UsageError: the project has no admin page.
    """
    project = find_project(common, renderer)
    url = _page_url(project)
    renderer.answer(Answer("page", {"url": url}, (plain(url),)))
    if not common.json and has_terminal():
        import webbrowser

        if not webbrowser.open(url):
            renderer.note("no browser could be started here; open this address yourself")
    return ExitCode.OK


def _ensure_token(project: Project) -> None:
    from dbswitch.generate.token import ensure_token

    try:
        ensure_token(project.state_dir)
    except OSError as error:
        raise ConfigError(
            "the key that the route asks for cannot be written",
            facts=(f"{error.filename or project.state_dir}: {error.strerror}",),
            why="without it the route answers nobody, dbswitch included",
            fix=f"make {project.root} writable for you, then generate the route again",
        ) from error


def _files(asked: Generate, project: Project) -> tuple[GeneratedFile, ...]:
    match asked.kind:
        case GeneratedKind.CLIENT:
            from dbswitch.generate.client import plan_client

            return (plan_client(project, asked.path),)
        case GeneratedKind.ROUTE if asked.identity_only:
            from dbswitch.generate.identity_route import plan_identity_route

            return (plan_identity_route(project),)
        case GeneratedKind.ROUTE:
            from dbswitch.generate.admin_route import plan_admin_route

            return plan_admin_route(project)
        case GeneratedKind.PAGE:
            from dbswitch.generate.admin_page import plan_admin_page

            return plan_admin_page(project)


def demo(asked: Demo) -> int:
    """Show everything on embedded databases; return the exit code."""
    from dbswitch.demo import demo_run

    return demo_run.stop() if asked.stop else demo_run.run(keep=asked.keep)
