"""Declaring a command: what it gets besides its own arguments, the flags of every command and those that several share."""

from __future__ import annotations

import contextlib
import functools
import inspect
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from msgspec import Struct
from typer.core import TyperCommand

from dbswitch.cli.command_line import register
from dbswitch.cli.error_boundary import guard
from dbswitch.cli.renderer import Renderer, renderer_of
from dbswitch.durations import LENGTH_RULE, UNLIMITED, seconds_of
from dbswitch.errors import DbswitchError, UsageError
from dbswitch.project.discovery import Project, discover
from dbswitch.project.targets import list_targets
from dbswitch.switch import time_limit

if TYPE_CHECKING:
    from dbswitch.switch.confirmation import Question


class CommandContext(Struct, frozen=True):
    """The flags that every command takes. `folder` None: the current folder, or the nearest project above it."""

    renderer: Renderer
    json: bool = False
    quiet: bool = False
    verbose: bool = False
    folder: Path | None = None

    def find_project(self, *, list_names: bool = True, past_limit: bool = True) -> Project:
        """Return the project. Raises ConfigError: no project here, or its files cannot be used.

        `list_names`: tell the renderer which targets are protected; a command that must work with a wrong one does without.
        `past_limit`: say that a time limit has passed, unless the command acts on it itself.
        """
        project = discover(self.start_folder())
        if list_names:
            self.renderer.protect(target.name for target in list_targets(project) if target.protected)
        if past_limit:
            self.tell_past_limit(project)
        return project

    def start_folder(self) -> Path:
        """Return the folder to look for the project from. Raises UsageError: the current folder has been removed."""
        try:
            return self.folder or Path.cwd()
        except FileNotFoundError:
            raise UsageError(
                "the current folder is gone",
                why="dbswitch looks for the project from there",
                fix="cd into the app again, or give its folder with --project DIR",
            ) from None

    @property
    def interactive(self) -> bool:
        """Whether questions can be asked: stdin and stderr are terminals, and the output is not JSON."""
        return not self.json and sys.stdin.isatty() and sys.stderr.isatty()

    def asker(self) -> Callable[[Question], str] | None:
        """Return what asks a question on the terminal, or None without one."""
        if not self.interactive:
            return None

        def ask(question: Question) -> str:
            try:
                prompt = f"Type {question.expected} to continue: "
                return self.renderer.question([question.text], prompt).strip()
            except EOFError:
                return ""

        return ask

    def agrees(self, prompt: str, *, default: bool) -> bool:
        """Ask a yes-or-no question; the end of the input is a no. Only where `interactive`."""
        try:
            typed = self.renderer.question([], prompt).strip().lower()
        except EOFError:
            return False
        return typed in {"y", "yes"} or (default and not typed)

    def agree_to_take_port(self, *, yes: bool) -> None:
        """Ask before a foreign program is ended. Raises UsageError: it was not confirmed."""
        if yes:
            return
        if not self.interactive:
            raise UsageError(
                "--take-port needs --yes without a terminal",
                why="it ends a program that is not dbswitch's",
                fix="add --yes",
            )
        self.renderer.note("--take-port ends the program that holds the server's port, whatever it is.")
        if not self.agrees("Continue? [y/N] ", default=False):
            raise UsageError("--take-port was not confirmed", why="nothing was changed")

    def note(self, text: str | None) -> None:
        """Print a remark for people, where there is one."""
        if text is not None:
            self.renderer.note(text)

    def tell_past_limit(self, project: Project) -> None:
        """Say that a time limit has passed, and which command goes back."""
        with contextlib.suppress(DbswitchError):  # files that cannot be read are the command's to report
            if (limit := time_limit.passed(project)) is not None:
                self.renderer.note(limit.text)


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
    name: str | None = None, *, usage: str | None = None, epilog: str | None = None
) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Register a command and add the flags that every command takes; `usage` replaces its usage line."""

    def declared(body: Callable[..., int]) -> Callable[..., int]:
        @functools.wraps(body)
        def called(*, json: bool, project: Path | None, quiet: bool, verbose: bool, **arguments: Any) -> int:
            run_id = arguments.get("run_id") or ""
            renderer = renderer_of(json=json, quiet=quiet, verbose=verbose, run_id=run_id)
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
