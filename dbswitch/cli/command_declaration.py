"""Declaring a command: the flags of every command and those that several share, and what runs the command's function."""

from __future__ import annotations

import functools
import inspect
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from dbswitch.cli.command_context import CommandContext
from dbswitch.cli.command_line import register
from dbswitch.cli.error_boundary import guard
from dbswitch.cli.renderer import JsonRenderer, TextRenderer
from dbswitch.durations import LENGTH_RULE, UNLIMITED, seconds_of
from dbswitch.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable


def flag(*names_and_help: str, **more: Any) -> Any:
    """Return the declaration of a flag: its names, then its help text; `metavar` names the value that follows it."""
    *names, text = names_and_help
    return typer.Option(*names, help=text, **more)


def _finite(seconds: float | None) -> float | None:
    if seconds is not None and not math.isfinite(seconds):
        raise typer.BadParameter("not a number of seconds")
    return seconds


def length_of(text: str) -> float:
    """Return the seconds of a length of time such as `30m`. Raises UsageError."""
    seconds = seconds_of(text)
    if seconds is None:
        what = f"not a duration: {text or '(none)'}"
        raise UsageError(what, why="nothing was changed", fix=LENGTH_RULE)
    return seconds


DryRun = Annotated[bool, flag("--dry-run", "Show what would be done and do nothing.")]
_CONFIRM_HELP = "Confirm a protected target by its or its database's name."
Confirm = Annotated[str | None, flag("--confirm", _CONFIRM_HELP, metavar="NAME")]
_SECONDS: dict[str, Any] = {"metavar": "SECONDS", "min": 0.1, "callback": _finite}
Timeout = Annotated[float | None, flag("--timeout", "How long to wait for the database.", **_SECONDS)]
_FOR_HELP = f"Switch back to the previous target after this time (30m, 2h); `{UNLIMITED}`: never."
TimeLimitFlag = Annotated[str | None, flag("--for", _FOR_HELP, metavar="TIME")]
_POOL_HELP = "Act on the clients of this PgBouncer pool, not on the project's app."
Pool = Annotated[str | None, flag("--pool", _POOL_HELP, metavar="NAME")]
TakePort = Annotated[bool, flag("--take-port", "End the foreign process on the server's port (asks first).")]
Yes = Annotated[bool, flag("--yes", "-y", "Do not ask.")]
YesUnlessProtected = Annotated[
    bool, flag("--yes", "-y", "Do not ask. A protected target still needs --confirm.")
]


def command(
    name: str | None = None,
    *,
    usage: str | None = None,
    epilog: str | None = None,
) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Register a command and add the flags that every command takes; `usage` replaces its usage line."""

    def declared(body: Callable[..., int]) -> Callable[..., int]:
        @functools.wraps(body)
        def called(*, json: bool, project: Path | None, quiet: bool, verbose: bool, **arguments: Any) -> int:
            renderer = (
                JsonRenderer(run_id=arguments.get("run_id") or "")
                if json
                else TextRenderer(quiet=quiet, verbose=verbose)
            )
            return run_command(body, CommandContext(renderer, json, quiet, verbose, project), arguments)

        own = list(inspect.signature(body, eval_str=True).parameters.values())[1:]
        every = [*own, *inspect.signature(_every_command, eval_str=True).parameters.values()]
        called.__signature__ = inspect.Signature(every, return_annotation=int)  # type: ignore[attr-defined]
        called.__annotations__ = {one.name: one.annotation for one in every}
        del called.__wrapped__  # typer would read the signature of `body`
        single = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
        single.command(name or body.__name__, cls=_with_usage(usage), epilog=epilog)(called)
        register(name or body.__name__, single)
        return body

    return declared


def _with_usage(text: str | None) -> type[TyperCommand]:
    class Command(TyperCommand):
        def format_usage(self, ctx: Any, formatter: Any) -> None:
            if text is None:
                super().format_usage(ctx, formatter)
            else:
                formatter.write_usage("dbswitch", text)

    return Command


def _every_command(
    json: Annotated[bool, flag("--json", "Print machine-readable JSON lines on stdout.")] = False,
    project: Annotated[
        Path | None,
        flag("--project", "The project's folder; default: here, or the nearest above.", metavar="DIR"),
    ] = None,
    quiet: Annotated[bool, flag("--quiet", "-q", "Print only errors and the result.")] = False,
    verbose: Annotated[bool, flag("--verbose", "-v", "Print every phase and detail.")] = False,
) -> None:
    """Declare the flags that every command takes."""


def run_command(body: Callable[..., int], context: CommandContext, arguments: dict[str, Any]) -> int:
    """Run one command; return its exit code, or that of its failure, which has been shown."""

    def carry_out() -> int:
        try:
            return body(context, **arguments)
        finally:
            context.renderer.close()

    return guard(carry_out, lambda: context.renderer)
