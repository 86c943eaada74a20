"""From a command line to an exit code: the parser, what every command has in common, and shell completion."""

from __future__ import annotations

import contextlib
import functools
import inspect
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import typer
from typer.core import TyperCommand, TyperGroup

from dbswitch.cli import standard_streams
from dbswitch.cli.argument_order import SWITCH, arrange, wants_json
from dbswitch.cli.command_context import CommandContext
from dbswitch.cli.error_boundary import guard, log_dir
from dbswitch.cli.options import Json, Project, Quiet, Verbose  # noqa: TC001  typer reads them at run time
from dbswitch.errors import DbswitchError, UsageError
from dbswitch.project.names import COMMANDS
from dbswitch.stdout_guard import writing_to_stdout

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dbswitch.cli.renderer import Renderer

# ClickException: typer carries its own copy of click, and only its leaves are public.
_LINE_ERROR = cast("type[Exception]", typer.BadParameter.__mro__[2])


def usage_line(text: str) -> type[TyperCommand]:
    """Return the class of a command whose usage line is `dbswitch TEXT`."""

    class Command(TyperCommand):
        def format_usage(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002  click's signature
            formatter.write_usage("dbswitch", text)

    return Command


class _Group(TyperGroup):
    """Takes a word that is not a command for a target, and flags before the word for flags behind it."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        # A shell that completes hands over the words before the one that is typed, perhaps none.
        return super().parse_args(ctx, args if ctx.resilient_parsing else arrange(args))


app = typer.Typer(
    name="dbswitch",
    cls=_Group,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=False,
    subcommand_metavar="TARGET | - | COMMAND",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _renderer(*, json: bool, quiet: bool, verbose: bool, run_id: str = "") -> Renderer:
    if json:
        from dbswitch.cli.json_renderer import JsonRenderer

        return JsonRenderer(run_id=run_id)
    from dbswitch.cli.text_renderer import for_people

    return for_people(quiet=quiet, verbose=verbose)


def run_command(body: Callable[..., int], context: CommandContext, arguments: dict[str, Any]) -> int:
    """Run one command; return its exit code, or that of its failure, which has been shown."""

    def carry_out() -> int:
        try:
            return body(context, **arguments)
        finally:
            context.renderer.close()

    line = () if context.folder is None else ("--project", str(context.folder))
    return guard(carry_out, lambda: context.renderer, lambda: log_dir(line))


def command(
    name: str | None = None, *, cls: type[TyperCommand] | None = None, epilog: str | None = None
) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Register a command; the flags that every command takes are added to its own."""

    def register(body: Callable[..., int]) -> Callable[..., int]:
        @functools.wraps(body)
        def called(*, json: bool, project: Path | None, quiet: bool, verbose: bool, **arguments: Any) -> int:
            run_id = arguments.get("run_id") or ""
            renderer = _renderer(json=json, quiet=quiet, verbose=verbose, run_id=run_id)
            return run_command(body, CommandContext(renderer, json, quiet, verbose, project), arguments)

        own = list(inspect.signature(body, eval_str=True).parameters.values())[1:]
        every = [*own, *inspect.signature(_every_command, eval_str=True).parameters.values()]
        called.__signature__ = inspect.Signature(every, return_annotation=int)  # type: ignore[attr-defined]
        called.__annotations__ = {one.name: one.annotation for one in every}
        del called.__wrapped__  # typer would read the signature of `body`
        app.command(name or body.__name__, cls=cls, epilog=epilog)(called)
        return called

    return register


def _every_command(
    json: Json = False, project: Project = None, quiet: Quiet = False, verbose: Verbose = False
) -> None:
    """Declare the flags that every command takes."""


def run(argv: Sequence[str]) -> int:
    """Run one command line and return its exit code; nothing but an exit code ever leaves."""
    standard_streams.complete()
    try:
        body = _complete if "_DBSWITCH_COMPLETE" in os.environ else parse_and_run
        return guard(lambda: body(argv), lambda: _first_renderer(argv), lambda: log_dir(argv))
    finally:
        standard_streams.flush()


def parse_and_run(argv: Sequence[str]) -> int:
    """Parse and run a command, or show a help text; return the exit code.

    Raises:
        UsageError: the line cannot be understood.
    """
    try:
        with writing_to_stdout():
            code: Any = app(args=list(argv), prog_name="dbswitch", standalone_mode=False)
    except _LINE_ERROR as error:
        raise _usage(error, argv) from None
    return int(code or 0)


def _usage(error: BaseException, argv: Sequence[str]) -> UsageError:
    text = getattr(error, "format_message", error.__str__)()
    word = next(iter(arrange(argv)), "")
    own_help = f"dbswitch {word} --help" if word in COMMANDS and word != SWITCH else "dbswitch --help"
    return UsageError(" ".join(text.split()).rstrip("."), fix=f"see `{own_help}`")


def _first_renderer(argv: Sequence[str]) -> Renderer:
    return _renderer(json=wants_json(argv), quiet=False, verbose=False)


def _complete(_argv: Sequence[str]) -> int:
    switch = next(one.callback for one in app.registered_commands if one.name == SWITCH)
    assert switch is not None
    with contextlib.suppress(DbswitchError):  # no project: the commands alone are completed
        from dbswitch.project.discovery import discover
        from dbswitch.project.targets import list_targets

        for target in list_targets(discover(Path.cwd())):
            app.command(target.name, help="protected target" if target.protected else "target")(switch)
    app(prog_name="dbswitch")
    return 0
