"""From a command line to an exit code: which module holds a command, the order of the words, completion."""

from __future__ import annotations

import contextlib
import copy
import importlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from typer.core import TyperGroup

from dbswitch import __version__
from dbswitch.cli.error_boundary import complete_streams, flush_streams, guard
from dbswitch.cli.renderer import Renderer, renderer_of
from dbswitch.errors import DbswitchError, UsageError
from dbswitch.project.target_names import COMMANDS
from dbswitch.stdout_guard import writing_to_stdout

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


def register(name: str, app: typer.Typer) -> None:
    """Add a command; `app` holds it alone."""
    _commands[name] = typer.main.get_command(app)


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
        bool,
        typer.Option("--version", help="Show the version and exit.", is_eager=True, callback=_show_version),
    ] = False,
) -> None:
    """Point a running Next.js + Prisma dev app at another Postgres, and prove it.

    `dbswitch prod` switches to the target prod, `dbswitch -` back to the previous one, and `dbswitch` alone shows the
    status. Flags may precede or follow the target or command.
    """
    del version  # its callback has shown it


def run(argv: Sequence[str]) -> int:
    """Run one command line and return its exit code; no exception leaves it."""
    complete_streams()

    def first_renderer() -> Renderer:
        # The flags could not be parsed; what follows `--` belongs to another program.
        own = argv[: argv.index("--")] if "--" in argv else argv
        return renderer_of(json="--json" in own)

    try:
        body = _complete if "_DBSWITCH_COMPLETE" in os.environ else parse_and_run
        return guard(lambda: body(argv), first_renderer)
    finally:
        flush_streams()


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
    # No other command line needs the project before its command's module is imported.
    from dbswitch.project.discovery import discover
    from dbswitch.project.targets import list_targets

    importlib.import_module(f"dbswitch.cli.{MODULES[SWITCH]}")
    with contextlib.suppress(DbswitchError):  # no project: the commands alone are completed
        for target in list_targets(discover(Path.cwd())):
            _commands[target.name] = shown = copy.copy(_commands[SWITCH])
            shown.name, shown.help = target.name, "protected target" if target.protected else "target"
    _app(prog_name="dbswitch")
    return 0
