"""From a command line to an exit code: parse, choose the renderer, carry the operation out inside the boundary."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, assert_never

from dbswitch.cli import boundary
from dbswitch.cli.words import wants_json

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dbswitch.cli.operations import Invocation
    from dbswitch.cli.renderer import Renderer


def main(line: Sequence[str]) -> int:
    """Run an arranged command line and return its exit code; nothing but an exit code ever leaves."""
    _complete_streams()
    try:
        if "_DBSWITCH_COMPLETE" in os.environ:
            return _guard(_complete, line)
        return _parsed(line)
    finally:
        _last_flush()


def _guard(body: Callable[[], int], line: Sequence[str]) -> int:
    return boundary.guard(body, lambda: _first_renderer(line), lambda: log_dir(line))


def _parsed(line: Sequence[str]) -> int:
    found: list[Invocation] = []

    def parse() -> int:
        from dbswitch.cli import app

        parsed = app.parse(line)
        if isinstance(parsed, int):
            return parsed
        found.append(parsed)
        return 0

    code = _guard(parse, line)
    if not found:
        return code
    invocation = found[0]
    renderer = _renderer(invocation)

    def body() -> int:
        try:
            return carry_out(invocation, renderer)
        finally:
            renderer.close()

    return boundary.guard(body, lambda: renderer, lambda: log_dir(line))


def carry_out(invocation: Invocation, renderer: Renderer) -> int:
    """Carry out one operation. Raises DbswitchError, and whatever a bug raises."""
    from dbswitch.cli import operations as op

    operation, common = invocation.operation, invocation.common
    match operation:
        case op.Switch():
            from dbswitch.cli import switching

            return switching.switch(operation, common, renderer)
        case op.Restart():
            from dbswitch.cli import switching

            return switching.restart(operation, common, renderer)
        case op.Stop():
            from dbswitch.cli import switching

            return switching.stop(common, renderer)
        case op.Dev():
            from dbswitch.cli import serving

            return serving.dev(operation, common, renderer)
        case op.Logs():
            from dbswitch.cli import serving

            return serving.logs(operation, common, renderer)
        case op.Status():
            from dbswitch.cli import looking

            return looking.status(common, renderer)
        case op.Targets():
            from dbswitch.cli import looking

            return looking.targets(common, renderer)
        case op.History():
            from dbswitch.cli import looking

            return looking.history(operation, common, renderer)
        case op.Wait():
            from dbswitch.cli import waiting

            return waiting.wait(operation, common, renderer)
        case op.Exec():
            from dbswitch.cli import executing

            return executing.execute(operation, common, renderer)
        case op.Init():
            from dbswitch.cli import making

            return making.init(operation, common, renderer)
        case op.Open():
            from dbswitch.cli import making

            return making.open_page(common, renderer)
        case op.Generate():
            from dbswitch.cli import making

            return making.generate(operation, common, renderer)
        case op.Check():
            from dbswitch.cli import check_command

            return check_command.check(operation, common)
        case op.Doctor():
            from dbswitch.cli import doctor_command

            return doctor_command.doctor(operation, common)
        case op.Uninstall():
            from dbswitch.cli import uninstall_command

            return uninstall_command.uninstall(operation, common, renderer)
        case op.Demo():
            from dbswitch.cli import making

            return making.demo(operation)
        case _:
            assert_never(operation)


def _complete() -> int:
    from dbswitch.cli import app
    from dbswitch.errors import DbswitchError

    with contextlib.suppress(DbswitchError):  # no project: the commands alone are completed
        from dbswitch.project.discovery import discover
        from dbswitch.project.targets import list_targets

        app.offer_targets(
            (target.name, "protected target" if target.protected else "target")
            for target in list_targets(discover(Path.cwd()))
        )
    app.app(prog_name="dbswitch")
    return 0


def _renderer(invocation: Invocation) -> Renderer:
    common = invocation.common
    if common.json:
        from dbswitch.cli.json_lines import JsonRenderer

        return JsonRenderer(run_id=getattr(invocation.operation, "run_id", None) or "")
    from dbswitch.cli.people import for_people

    return for_people(quiet=common.quiet, verbose=common.verbose)


def _first_renderer(line: Sequence[str]) -> Renderer:
    if wants_json(line):
        from dbswitch.cli.json_lines import JsonRenderer

        return JsonRenderer()
    from dbswitch.cli.people import for_people

    return for_people(quiet=False, verbose=False)


def log_dir(line: Sequence[str]) -> Path:
    """Return the folder for the traceback of a bug: the project's state folder, else the person's own.

    It does not use project discovery, which may be what failed. Raises OSError when it cannot be made.
    """
    from dbswitch import durable

    start = Path.cwd()
    for word, following in zip(line, (*line[1:], ""), strict=True):
        if word == "--":
            break
        name, equals, value = word.partition("=")
        if name == "--project":
            start = Path(value if equals else following)
    for folder in (start, *start.absolute().parents):
        if (folder / ".dbswitch").is_dir() or (folder / "package.json").is_file():
            return durable.ensure_state_dir(folder / ".dbswitch")
    base = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    own = Path(base).expanduser() / "dbswitch"
    own.mkdir(parents=True, mode=0o700, exist_ok=True)
    return own


def _complete_streams() -> None:
    # A caller may have closed one (`>&-`); what is written there then goes nowhere instead of failing.
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            mode = "r" if name == "stdin" else "w"
            null = Path(os.devnull).open(mode, encoding="utf-8")  # noqa: SIM115  it stays open like any stdout
            setattr(sys, name, null)
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def _last_flush() -> None:
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        boundary.silence_stdout()
