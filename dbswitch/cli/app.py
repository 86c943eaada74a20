"""The commands: each with its arguments, declared once; each calls its implementation."""

from __future__ import annotations

from typing import Annotated

import typer

from dbswitch import __version__
from dbswitch.cli.command_context import CommandContext  # noqa: TC001  typer reads the annotations at run time
from dbswitch.cli.command_line import app, command, run, usage_line
from dbswitch.cli.options import (
    CheckFormat,
    Confirm,
    DryRun,
    GeneratedKind,
    ReadOnly,
    TakePort,
    Timeout,
    Write,
    Yes,
    access,
)
from dbswitch.errors import UsageError
from dbswitch.switch.plan import Mode

__all__ = ["run"]


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


@command(cls=usage_line("TARGET [OPTIONS]"))
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
    read_only: ReadOnly = False,
    write: Write = False,
    run_id: Annotated[str | None, typer.Option("--run-id", hidden=True)] = None,
) -> int:
    """Switch to a target; `dbswitch TARGET` is the short form."""
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
        read_only=access(read_only=read_only, write=write),
    )
    return switch(context, target, options, detach=detach, run_id=run_id)


@command()
def status(context: CommandContext) -> int:
    """Show the active target, each reader's view and the server."""
    from dbswitch.cli.status_command import status

    return status(context)


@command()
def targets(context: CommandContext) -> int:
    """List the targets: where each leads, and where it is defined."""
    from dbswitch.cli.list_commands import targets

    return targets(context)


@command()
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


@command()
def stop(context: CommandContext) -> int:
    """Stop the dev server, all of it."""
    from dbswitch.cli.server_commands import stop

    return stop(context)


@command()
def restart(
    context: CommandContext,
    take_port: TakePort = False,
    yes: Yes = False,
    timeout: Timeout = None,
) -> int:
    """Restart the dev server on the target it is on."""
    from dbswitch.cli.server_commands import restart

    return restart(context, take_port=take_port, yes=yes, timeout=timeout)


@command()
def logs(
    context: CommandContext,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what the server says.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many of the last lines.")] = 100,
) -> int:
    """Show the dev server's log."""
    from dbswitch.cli.logs_command import logs

    return logs(context, follow=follow, lines=lines)


@command()
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


@command(
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


@command(
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


@command()
def init(
    context: CommandContext,
    dry_run: DryRun = False,
    yes: Yes = False,
    scripts: Annotated[bool, typer.Option("--scripts", help="Also add scripts to package.json.")] = False,
) -> int:
    """Look at the project and write what is missing."""
    from dbswitch.cli.init_command import init

    return init(context, dry_run=dry_run, yes=yes, scripts=scripts)


@command(cls=usage_line("generate [OPTIONS] client|route|page"))
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


@command("exec", cls=usage_line("exec [OPTIONS] TARGET -- CMD..."))
def execute(
    context: CommandContext,
    target: Annotated[str, typer.Argument(metavar="TARGET", help="A target's name.")],
    command: Annotated[list[str], typer.Argument(metavar="CMD...", help="The command and its arguments.")],
    confirm: Confirm = None,
) -> int:
    """Run a command with a target's variables, changing no file."""
    from dbswitch.cli.exec_command import execute

    return execute(context, target, command, confirm=confirm)


@command()
def history(
    context: CommandContext,
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="How many of the last switches.")] = 10,
) -> int:
    """Show the last switches."""
    from dbswitch.cli.list_commands import history

    return history(context, count=count)


@command("open")
def open_page(context: CommandContext) -> int:
    """Open the admin page in the browser and print its address."""
    from dbswitch.cli.generate_commands import open_page

    return open_page(context)


@command()
def demo(
    context: CommandContext,
    keep: Annotated[bool, typer.Option("--keep", help="Leave it running and say what to try.")] = False,
    stop: Annotated[bool, typer.Option("--stop", help="End what --keep left running.")] = False,
) -> int:
    """Show it all on embedded databases and a real app."""
    from dbswitch.demo import demo_run

    del context
    return demo_run.stop() if stop else demo_run.run(keep=keep)


@command()
def uninstall(
    context: CommandContext,
    dry_run: DryRun = False,
    yes: Yes = False,
    stop: Annotated[bool, typer.Option("--stop", help="Stop the dev server first.")] = False,
) -> int:
    """Take away what dbswitch wrote into this project (asks first)."""
    from dbswitch.cli.uninstall_command import uninstall

    return uninstall(context, dry_run=dry_run, yes=yes, stop=stop)
