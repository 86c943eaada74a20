"""The command line: every command with its arguments, declared once; each calls its implementation."""

from __future__ import annotations

import contextlib
import functools
import inspect
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
from typer.core import TyperCommand, TyperGroup

from dbswitch import __version__
from dbswitch.cli import standard_streams
from dbswitch.cli.argument_order import SWITCH, arrange, wants_json
from dbswitch.cli.command_context import CommandContext
from dbswitch.cli.error_boundary import guard, log_dir
from dbswitch.cli.options import (
    CheckFormat,
    Confirm,
    DryRun,
    GeneratedKind,
    Json,
    Project,
    Quiet,
    TakePort,
    Timeout,
    Verbose,
    Yes,
)
from dbswitch.errors import DbswitchError, UsageError
from dbswitch.project.names import COMMANDS
from dbswitch.stdout_guard import writing_to_stdout
from dbswitch.switch.plan import Mode

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dbswitch.cli.renderer import Renderer

# ClickException: typer carries its own copy of click, and only its leaves are public.
_LINE_ERROR = cast("type[Exception]", typer.BadParameter.__mro__[2])


def _usage_line(text: str) -> type[TyperCommand]:
    class Command(TyperCommand):
        """A command whose usage line is written by hand: TARGET is no word that is typed."""

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


def _command(
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
        app.command(name, cls=cls, epilog=epilog)(called)
        return called

    return register


def _every_command(
    json: Json = False, project: Project = None, quiet: Quiet = False, verbose: Verbose = False
) -> None:
    """Declare the flags that every command takes."""


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"dbswitch {__version__}")
        raise typer.Exit


@app.callback()
def group(
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version and exit.", is_eager=True, callback=_show_version),
    ] = False,
) -> None:
    """Point a running Next.js + Prisma dev app at another Postgres, and prove it.

    `dbswitch prod` switches to the target prod, `dbswitch -` back to the previous one,
    `dbswitch` alone shows the status. Flags may stand before or behind the word.
    """
    del version  # its callback has shown it


@_command(cls=_usage_line("TARGET [OPTIONS]"))
def switch(
    context: CommandContext,
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="[TARGET]",
            help="A target's name, or `-` for the previous one; without it a terminal offers a list.",
        ),
    ] = None,
    restart: Annotated[bool, typer.Option("--restart", help="Restart the dev server.")] = False,
    hot: Annotated[bool, typer.Option("--hot", help="Let the running app swap its Prisma client.")] = False,
    no_restart: Annotated[
        bool, typer.Option("--no-restart", help="Change the env files and leave the server alone.")
    ] = False,
    confirm: Confirm = None,
    yes: Yes = False,
    timeout: Timeout = None,
    dry_run: DryRun = False,
    detach: Annotated[
        bool,
        typer.Option(
            "--detach", help="Go on in the background; stdout gets one JSON line with the run's id."
        ),
    ] = False,
    take_port: TakePort = False,
    run_id: Annotated[str | None, typer.Option("--run-id", hidden=True)] = None,
) -> int:
    """Switch to a target: `dbswitch TARGET` is the short form; `-` is the previous one."""
    asked = [
        mode for mode, flag in ((Mode.RESTART, restart), (Mode.HOT, hot), (Mode.NONE, no_restart)) if flag
    ]
    if len(asked) > 1:
        raise UsageError(
            "--restart, --hot and --no-restart exclude each other",
            fix="give one of them, or none to let dbswitch choose",
        )
    if detach and dry_run:
        raise UsageError("--detach and --dry-run exclude each other", fix="leave one of them out")
    from dbswitch.cli.switch_command import SwitchOptions, switch

    options = SwitchOptions(
        mode=asked[0] if asked else None,
        confirm=confirm,
        yes=yes,
        timeout=timeout,
        dry_run=dry_run,
        take_port=take_port,
    )
    return switch(context, target, options, detach=detach, run_id=run_id)


@_command()
def status(context: CommandContext) -> int:
    """Show the active target, each reader's view and the server."""
    from dbswitch.cli.status_command import status

    return status(context)


@_command()
def targets(context: CommandContext) -> int:
    """List the targets: where each leads, and where it is defined."""
    from dbswitch.cli.list_commands import targets

    return targets(context)


@_command()
def dev(
    context: CommandContext,
    detach: Annotated[
        bool, typer.Option("--detach", help="Return once the server answers; it goes on in the background.")
    ] = False,
    take_port: TakePort = False,
    yes: Yes = False,
    timeout: Timeout = None,
) -> int:
    """Run the dev server and follow it; Ctrl-C stops it."""
    from dbswitch.cli.dev_command import dev

    return dev(context, detach=detach, take_port=take_port, yes=yes, timeout=timeout)


@_command()
def stop(context: CommandContext) -> int:
    """Stop the dev server, all of it."""
    from dbswitch.cli.server_commands import stop

    return stop(context)


@_command()
def restart(
    context: CommandContext,
    take_port: TakePort = False,
    yes: Yes = False,
    timeout: Timeout = None,
) -> int:
    """Restart the dev server on the target it is on."""
    from dbswitch.cli.server_commands import restart

    return restart(context, take_port=take_port, yes=yes, timeout=timeout)


@_command()
def logs(
    context: CommandContext,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what the server says.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many of the last lines.")] = 100,
) -> int:
    """Show the dev server's log."""
    from dbswitch.cli.logs_command import logs

    return logs(context, follow=follow, lines=lines)


@_command()
def wait(
    context: CommandContext,
    target: Annotated[
        str | None, typer.Argument(metavar="[TARGET]", help="Default: the active target.")
    ] = None,
    timeout: Timeout = None,
) -> int:
    """Wait until a target's database is ready."""
    from dbswitch.cli.wait_command import wait

    return wait(context, target, timeout=timeout)


@_command(
    epilog="Exit codes: 0 nothing found, 1 errors found (with --strict warnings too), 2 usage or configuration. "
    "Allow one line with a comment: dbswitch-check: ignore[rule-id]. All rules: docs/rules.md"
)
def check(
    context: CommandContext,
    paths: Annotated[
        list[str] | None, typer.Argument(metavar="[FILE]...", help="Only these files of the chosen content.")
    ] = None,
    work_tree: Annotated[
        bool, typer.Option("--all", help="Judge the work tree and the env files, not the staged content.")
    ] = False,
    revisions: Annotated[
        str | None, typer.Option("--rev", metavar="A..B", help="Judge what changed in a range of commits.")
    ] = None,
    form: Annotated[
        CheckFormat | None, typer.Option("--format", help="How findings are written. Default: text.")
    ] = None,
    fix: Annotated[bool, typer.Option("--fix", help="Add missing ignore entries and example keys.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings fail the check too.")] = False,
    every_variable: Annotated[
        bool,
        typer.Option("--every-variable", help="Also name undefined variables that no target sets."),
    ] = False,
) -> int:
    """Look for commits that would give a database away."""
    if work_tree and revisions is not None:
        raise UsageError("--all and --rev exclude each other", fix="leave one of them out")
    from dbswitch.cli.check_command import Judged, check

    return check(
        context,
        Judged(work_tree, revisions, tuple(paths or ()), every_variable),
        form=form or (CheckFormat.JSON if context.json else CheckFormat.TEXT),
        fix=fix,
        strict=strict,
    )


@_command(
    epilog="Exit codes: 0 nothing found, 1 a warning or a problem was found, 2 usage or configuration. Nothing is changed."
)
def doctor(
    context: CommandContext,
    run_commands: Annotated[
        bool, typer.Option("--run-commands", help="Also run the commands of targets that have one.")
    ] = False,
) -> int:
    """Look at the machine, the project and every target."""
    from dbswitch.cli.doctor_command import doctor

    return doctor(context, run_commands=run_commands)


@_command()
def init(
    context: CommandContext,
    dry_run: DryRun = False,
    yes: Yes = False,
    scripts: Annotated[bool, typer.Option("--scripts", help="Also add scripts to package.json.")] = False,
) -> int:
    """Look at the project and write what is missing."""
    from dbswitch.cli.init_command import init

    return init(context, dry_run=dry_run, yes=yes, scripts=scripts)


@_command(cls=_usage_line("generate [OPTIONS] client|route|page"))
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
        typer.Option("--identity-only", help="A route that only tells which database the app is on."),
    ] = False,
    path: Annotated[
        str | None,
        typer.Option(
            "--path", metavar="FILE", help="Where the client goes; default: where the project has its own."
        ),
    ] = None,
    dry_run: DryRun = False,
) -> int:
    """Write the hot client, the admin route or the admin page."""
    if identity_only and kind is not GeneratedKind.ROUTE:
        raise UsageError("--identity-only belongs to `dbswitch generate route`", fix="leave it out")
    if path is not None and kind is not GeneratedKind.CLIENT:
        raise UsageError("--path belongs to `dbswitch generate client`", fix="leave it out")
    from dbswitch.cli.generate_commands import generate

    return generate(
        context, kind, check=check, force=force, dry_run=dry_run, identity_only=identity_only, path=path
    )


@_command("exec", cls=_usage_line("exec [OPTIONS] TARGET -- CMD..."))
def execute(
    context: CommandContext,
    target: Annotated[str, typer.Argument(metavar="TARGET", help="A target's name.")],
    command: Annotated[list[str], typer.Argument(metavar="CMD...", help="The command and its arguments.")],
    confirm: Confirm = None,
) -> int:
    """Run a command with a target's variables, changing no file."""
    from dbswitch.cli.exec_command import execute

    return execute(context, target, command, confirm=confirm)


@_command()
def history(
    context: CommandContext,
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="How many of the last switches.")] = 10,
) -> int:
    """Show the last switches."""
    from dbswitch.cli.list_commands import history

    return history(context, count=count)


@_command("open")
def open_page(context: CommandContext) -> int:
    """Open the admin page in the browser and print its address."""
    from dbswitch.cli.generate_commands import open_page

    return open_page(context)


@_command()
def demo(
    context: CommandContext,
    keep: Annotated[bool, typer.Option("--keep", help="Leave it running and say what to try.")] = False,
    stop: Annotated[bool, typer.Option("--stop", help="End what --keep left running.")] = False,
) -> int:
    """Show it all on embedded databases and a real app."""
    from dbswitch.demo import demo_run

    del context
    return demo_run.stop() if stop else demo_run.run(keep=keep)


@_command()
def uninstall(
    context: CommandContext,
    dry_run: DryRun = False,
    yes: Yes = False,
    stop: Annotated[bool, typer.Option("--stop", help="Stop the dev server first.")] = False,
) -> int:
    """Take away what dbswitch wrote into this project (asks first)."""
    from dbswitch.cli.uninstall_command import uninstall

    return uninstall(context, dry_run=dry_run, yes=yes, stop=stop)


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
    with contextlib.suppress(DbswitchError):  # no project: the commands alone are completed
        from dbswitch.project.discovery import discover
        from dbswitch.project.targets import list_targets

        for target in list_targets(discover(Path.cwd())):
            app.command(target.name, help="protected target" if target.protected else "target")(switch)
    app(prog_name="dbswitch")
    return 0
