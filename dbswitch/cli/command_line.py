"""From a command line to an exit code: the parser, the flags of every command and those that several share, completion."""

from __future__ import annotations

import contextlib
import copy
import functools
import importlib
import inspect
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
from typer.core import TyperCommand, TyperGroup

from dbswitch import __version__
from dbswitch.cli.command_context import CommandContext
from dbswitch.cli.error_boundary import complete_streams, flush_stdout, guard
from dbswitch.cli.renderer import JsonRenderer, TextRenderer
from dbswitch.durations import LENGTH_RULE, UNLIMITED, seconds_of
from dbswitch.errors import DbswitchError, UsageError
from dbswitch.project.discovery import discover
from dbswitch.project.target_names import COMMANDS
from dbswitch.project.targets import list_targets
from dbswitch.stdout_guard import writing_to_stdout

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dbswitch.cli.renderer import Renderer


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
        what = f"not a length of time: {text or '(none)'}"
        raise UsageError(what, why="nothing was changed", fix=LENGTH_RULE)
    return seconds


DryRun = Annotated[bool, flag("--dry-run", "Show what would be done and do nothing.")]
_CONFIRM_HELP = "Confirm a protected target by its name or its database's."
Confirm = Annotated[str | None, flag("--confirm", _CONFIRM_HELP, metavar="NAME")]
_SECONDS: dict[str, Any] = {"metavar": "SECONDS", "min": 0.1, "callback": _finite}
Timeout = Annotated[float | None, flag("--timeout", "How long to wait for the database.", **_SECONDS)]
_FOR_HELP = f"Switch back to the previous target after this time (30m, 2h); `{UNLIMITED}`: never."
TimeLimitFlag = Annotated[str | None, flag("--for", _FOR_HELP, metavar="TIME")]
_POOL_HELP = "Act on the clients of this PgBouncer pool, not on the project's app."
Pool = Annotated[str | None, flag("--pool", _POOL_HELP, metavar="NAME")]
TakePort = Annotated[bool, flag("--take-port", "End the foreign program on the server's port (asks first).")]
Yes = Annotated[bool, flag("--yes", "-y", "Do not ask.")]
YesUnlessProtected = Annotated[
    bool, flag("--yes", "-y", "Do not ask. A protected target still needs --confirm.")
]


SWITCH = "switch"  # the command that a target's name stands for
_MODULES = {
    "switch_command": (SWITCH, "extend"),
    "status_command": ("status", "targets", "history"),
    "server_commands": ("dev", "stop", "restart", "wait"),
    "logs_command": ("logs",),
    "check_command": ("check", "doctor"),
    "setup_commands": ("init", "uninstall", "generate", "open", "demo"),
    "exec_command": ("exec", "guard", "mark"),
}
MODULES = {name: module for module, names in _MODULES.items() for name in names}
_VALUE_FOLLOWS = frozenset({"--allow-destructive", "--confirm", "--count", "--for", "--format", "--lines", "--path", "--pool", "--project", "--rev", "--run-id", "--timeout", "-n"})  # fmt: skip
_ONLY_SWITCH = frozenset({"--dry-run", "--restart", "--hot", "--no-restart", "--detach", "--read-only", "--write", "--for"})  # fmt: skip
_ABOUT_DBSWITCH = frozenset({"--help", "-h", "--version", "--install-completion", "--show-completion"})
_HELP_WORDS = frozenset({"help", "version"})  # these stand for the flags of the same name
# ClickException: typer carries its own copy of click, and only its leaves are public.
_LINE_ERROR = cast("type[Exception]", typer.BadParameter.__mro__[2])

_commands: dict[str, Any] = {}


def arrange(argv: Sequence[str]) -> list[str]:
    """Return `argv` with its command first, then the flags that preceded it; a first word that is no command is a target."""
    at = 0
    while at < len(argv) and argv[at].startswith("-") and argv[at] not in {"-", "--"}:
        at += 2 if argv[at] in _VALUE_FOLLOWS else 1
    flags, rest = argv[:at], argv[at:]
    if not rest or list(rest) == ["--"]:
        if about := [flag for flag in flags if flag in _ABOUT_DBSWITCH]:
            return about
        return [SWITCH if _ONLY_SWITCH.intersection(flags) else "status", *flags]
    word, *following = rest
    if word in _HELP_WORDS:
        return [*following, f"--{word}"] if following and following[0] in COMMANDS else [f"--{word}"]
    return [word, *flags, *following] if word in COMMANDS else [SWITCH, *flags, *rest]


class _Group(TyperGroup):
    """Imports a command's module when the command is used: importing all of them takes 170 ms."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        # For completion the shell passes the words before the current one, perhaps none.
        return super().parse_args(ctx, args if ctx.resilient_parsing else arrange(args))

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002  click's signature
        return list(dict.fromkeys((*COMMANDS, *_commands)))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002  click's signature
        if cmd_name in MODULES:
            importlib.import_module(f"dbswitch.cli.{MODULES[cmd_name]}")
        return _commands.get(cmd_name)


_app = typer.Typer(
    name="dbswitch",
    cls=_Group,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=False,
    subcommand_metavar="TARGET | - | COMMAND",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"dbswitch {__version__}")
        raise typer.Exit


@_app.callback()
def _group(
    version: Annotated[
        bool, flag("--version", "Show the version and exit.", is_eager=True, callback=_show_version)
    ] = False,
) -> None:
    """Point a running Next.js + Prisma dev app at another Postgres, and prove it.

    `dbswitch prod` switches to the target prod, `dbswitch -` back to the previous one, and `dbswitch` alone shows the
    status. Flags may precede or follow the target or command.
    """
    del version  # its callback has shown it


def command(
    name: str | None = None,
    *,
    usage: str | None = None,
    epilog: str | None = None,
) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Register a command and add the flags that every command takes; `usage` replaces its usage line."""

    def register(body: Callable[..., int]) -> Callable[..., int]:
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
        registered = name or body.__name__
        single.command(registered, cls=_with_usage(usage), epilog=epilog)(called)
        _commands[registered] = typer.main.get_command(single)
        return body

    return register


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


def run(argv: Sequence[str]) -> int:
    """Run one command line and return its exit code; no exception leaves it."""
    complete_streams()

    def first_renderer() -> Renderer:
        # The flags could not be parsed; what follows `--` belongs to another program.
        own = argv[: argv.index("--")] if "--" in argv else argv
        return JsonRenderer() if "--json" in own else TextRenderer(quiet=False, verbose=False)

    try:
        body = _complete if "_DBSWITCH_COMPLETE" in os.environ else parse_and_run
        return guard(lambda: body(argv), first_renderer)
    finally:
        flush_stdout()


def parse_and_run(argv: Sequence[str]) -> int:
    """Parse and run a command, or show a help text; return the exit code. Raises UsageError: the line cannot be parsed."""
    try:
        with writing_to_stdout():
            code: Any = _app(args=list(argv), prog_name="dbswitch", standalone_mode=False)
    except _LINE_ERROR as error:
        text = getattr(error, "format_message", error.__str__)()
        word = next(iter(arrange(argv)), "")
        own_help = f"dbswitch {word} --help" if word in COMMANDS and word != SWITCH else "dbswitch --help"
        raise UsageError(" ".join(text.split()).rstrip("."), fix=f"see `{own_help}`") from None
    return int(code or 0)


def _complete(_argv: Sequence[str]) -> int:
    importlib.import_module(f"dbswitch.cli.{MODULES[SWITCH]}")
    with contextlib.suppress(DbswitchError):  # no project: the commands alone are completed
        for target in list_targets(discover(Path.cwd())):
            _commands[target.name] = shown = copy.copy(_commands[SWITCH])
            shown.name, shown.help = target.name, "protected target" if target.protected else "target"
    _app(prog_name="dbswitch")
    return 0
