"""The typer commands: each turns its words and flags into one :class:`Invocation` and does nothing else."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
from typer.core import TyperCommand

from dbswitch import __version__
from dbswitch.answering import answering
from dbswitch.cli import operations as op
from dbswitch.cli.operations import Common, Invocation
from dbswitch.cli.options import (  # noqa: TC001  typer reads the annotations at run time
    Confirm,
    DryRun,
    Json,
    Project,
    Quiet,
    TakePort,
    Timeout,
    Verbose,
    Yes,
)
from dbswitch.cli.words import TARGET
from dbswitch.errors import UsageError
from dbswitch.switch.plan import Mode

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# ClickException: typer carries its own copy of click, and only its leaves are public.
_LINE_ERROR = cast("type[Exception]", typer.BadParameter.__mro__[2])


def _usage_line(text: str) -> type[TyperCommand]:
    class Command(TyperCommand):
        """A command whose usage line is written by hand: TARGET is no word that is typed."""

        def format_usage(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002  click's signature
            formatter.write_usage("dbswitch", text)

    return Command


app = typer.Typer(
    name="dbswitch",
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


@app.command(TARGET, cls=_usage_line("TARGET [OPTIONS]"))
def switch(
    target: Annotated[
        str, typer.Argument(metavar="TARGET", help="A target's name, or `-` for the previous one.")
    ],
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
    json: Json = False,
    project: Project = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> Invocation:
    """Switch to the target of this name, or with `-` to the previous one."""
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
    return Invocation(
        op.Switch(
            target=target,
            mode=asked[0] if asked else None,
            confirm=confirm,
            yes=yes,
            timeout=timeout,
            dry_run=dry_run,
            detach=detach,
            take_port=take_port,
            run_id=run_id,
        ),
        Common(json, quiet, verbose, project),
    )


@app.command()
def status(
    json: Json = False, project: Project = None, quiet: Quiet = False, verbose: Verbose = False
) -> Invocation:
    """Show the active target, each reader's view and the server."""
    return Invocation(op.Status(), Common(json, quiet, verbose, project))


@app.command()
def targets(
    json: Json = False, project: Project = None, quiet: Quiet = False, verbose: Verbose = False
) -> Invocation:
    """List the targets: where each leads, and where it is defined."""
    return Invocation(op.Targets(), Common(json, quiet, verbose, project))


@app.command()
def dev(
    detach: Annotated[
        bool, typer.Option("--detach", help="Return once the server answers; it goes on in the background.")
    ] = False,
    take_port: TakePort = False,
    yes: Yes = False,
    timeout: Timeout = None,
    json: Json = False,
    project: Project = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> Invocation:
    """Run the dev server and follow it; Ctrl-C stops it."""
    return Invocation(op.Dev(detach, take_port, yes, timeout), Common(json, quiet, verbose, project))


@app.command()
def stop(
    json: Json = False, project: Project = None, quiet: Quiet = False, verbose: Verbose = False
) -> Invocation:
    """Stop the dev server, all of it."""
    return Invocation(op.Stop(), Common(json, quiet, verbose, project))


@app.command()
def restart(
    take_port: TakePort = False,
    yes: Yes = False,
    timeout: Timeout = None,
    json: Json = False,
    project: Project = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> Invocation:
    """Restart the dev server on the target it is on."""
    return Invocation(op.Restart(take_port, yes, timeout), Common(json, quiet, verbose, project))


@app.command()
def logs(
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what the server says.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many of the last lines.")] = 100,
    json: Json = False,
    project: Project = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> Invocation:
    """Show the dev server's log."""
    return Invocation(op.Logs(follow, lines), Common(json, quiet, verbose, project))


@app.command()
def wait(
    target: Annotated[
        str | None, typer.Argument(metavar="[TARGET]", help="Default: the active target.")
    ] = None,
    timeout: Timeout = None,
    json: Json = False,
    project: Project = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> Invocation:
    """Wait until a target's database is ready."""
    return Invocation(op.Wait(target, timeout), Common(json, quiet, verbose, project))


@app.command(
    epilog="Exit codes: 0 nothing found, 1 errors found (with --strict warnings too), 2 usage or configuration. "
    "Allow one line with a comment: dbswitch-check: ignore[rule-id]. All rules: docs/rules.md"
)
def check(
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
        op.CheckFormat | None, typer.Option("--format", help="How findings are written. Default: text.")
    ] = None,
    fix: Annotated[bool, typer.Option("--fix", help="Add missing ignore entries and example keys.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings fail the check too.")] = False,
    every_variable: Annotated[
        bool,
        typer.Option("--every-variable", help="Also name undefined variables that no target sets."),
    ] = False,
    json: Json = False,
    project: Project = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> Invocation:
    """Look for commits that would give a database away."""
    if work_tree and revisions is not None:
        raise UsageError("--all and --rev exclude each other", fix="leave one of them out")
    chosen = form or (op.CheckFormat.JSON if json else op.CheckFormat.TEXT)
    as_json = chosen is op.CheckFormat.JSON
    return Invocation(
        op.Check(work_tree, revisions, chosen, fix, strict, every_variable, tuple(paths or ())),
        Common(as_json, quiet, verbose, project),
    )


@app.command(
    epilog="Exit codes: 0 nothing found, 1 a warning or a problem was found, 2 usage or configuration. Nothing is changed."
)
def doctor(
    run_commands: Annotated[
        bool, typer.Option("--run-commands", help="Also run the commands of targets that have one.")
    ] = False,
    json: Json = False,
    project: Project = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> Invocation:
    """Look at the machine, the project and every target."""
    return Invocation(op.Doctor(run_commands), Common(json, quiet, verbose, project))


@app.command()
def init(
    dry_run: DryRun = False,
    yes: Yes = False,
    scripts: Annotated[bool, typer.Option("--scripts", help="Also add scripts to package.json.")] = False,
    json: Json = False,
    project: Project = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> Invocation:
    """Look at the project and write what is missing."""
    return Invocation(op.Init(dry_run, yes, scripts), Common(json, quiet, verbose, project))


@app.command(cls=_usage_line("generate [OPTIONS] client|route|page"))
def generate(
    kind: Annotated[
        op.GeneratedKind, typer.Argument(metavar="KIND", help="What to write: client, route or page.")
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
    json: Json = False,
    project: Project = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> Invocation:
    """Write the hot client, the admin route or the admin page."""
    if identity_only and kind is not op.GeneratedKind.ROUTE:
        raise UsageError("--identity-only belongs to `dbswitch generate route`", fix="leave it out")
    if path is not None and kind is not op.GeneratedKind.CLIENT:
        raise UsageError("--path belongs to `dbswitch generate client`", fix="leave it out")
    return Invocation(
        op.Generate(kind, check, force, dry_run, identity_only, path), Common(json, quiet, verbose, project)
    )


@app.command("exec", cls=_usage_line("exec [OPTIONS] TARGET -- CMD..."))
def execute(
    target: Annotated[str, typer.Argument(metavar="TARGET", help="A target's name.")],
    command: Annotated[list[str], typer.Argument(metavar="CMD...", help="The command and its arguments.")],
    confirm: Confirm = None,
    json: Json = False,
    project: Project = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> Invocation:
    """Run a command with a target's variables, changing no file."""
    return Invocation(op.Exec(target, tuple(command), confirm), Common(json, quiet, verbose, project))


@app.command()
def history(
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="How many of the last switches.")] = 10,
    json: Json = False,
    project: Project = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> Invocation:
    """Show the last switches."""
    return Invocation(op.History(count), Common(json, quiet, verbose, project))


@app.command("open")
def open_page(
    json: Json = False, project: Project = None, quiet: Quiet = False, verbose: Verbose = False
) -> Invocation:
    """Open the admin page in the browser and print its address."""
    return Invocation(op.Open(), Common(json, quiet, verbose, project))


@app.command()
def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Leave it running and say what to try.")] = False,
    stop: Annotated[bool, typer.Option("--stop", help="End what --keep left running.")] = False,
    json: Json = False,
    project: Project = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> Invocation:
    """Show it all on embedded databases and a real app."""
    return Invocation(op.Demo(keep, stop), Common(json, quiet, verbose, project))


@app.command()
def uninstall(
    dry_run: DryRun = False,
    yes: Yes = False,
    stop: Annotated[bool, typer.Option("--stop", help="Stop the dev server first.")] = False,
    json: Json = False,
    project: Project = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> Invocation:
    """Take away what dbswitch wrote into this project (asks first)."""
    return Invocation(op.Uninstall(dry_run, yes, stop), Common(json, quiet, verbose, project))


def parse(argv: Sequence[str]) -> Invocation | int:
    """Return what `argv` (already arranged) asks for, or an exit code where the help has been shown.

    Raises:
        UsageError: the line cannot be understood.
    """
    try:
        with answering():
            parsed: Any = _parser(argv)(args=list(argv), prog_name="dbswitch", standalone_mode=False)
    except _LINE_ERROR as error:
        raise _usage(error, argv) from None
    if isinstance(parsed, Invocation):
        return parsed
    return parsed if isinstance(parsed, int) else 0


def _parser(argv: Sequence[str]) -> typer.Typer:
    """Return the application with the asked command only: building the options of all commands takes 10 ms."""
    asked = [
        one
        for one in app.registered_commands
        if argv and argv[0] in {one.name, one.callback and one.callback.__name__}
    ]
    if not asked:
        return app
    parser = copy(app)
    parser.registered_commands = asked
    return parser


def _usage(error: BaseException, argv: Sequence[str]) -> UsageError:
    text = getattr(error, "format_message", error.__str__)()
    word = argv[0] if argv and not argv[0].startswith("-") else ""
    own_help = f"dbswitch {word} --help" if word and word != TARGET else "dbswitch --help"
    return UsageError(" ".join(text.split()).rstrip("."), fix=f"see `{own_help}`")


def offer_targets(targets: Iterable[tuple[str, str]]) -> None:
    """Add targets, as pairs of name and description, to what the shell completes; only a completing process calls it."""
    for name, text in targets:
        app.command(name, help=text)(switch)
