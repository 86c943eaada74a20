"""`dbswitch doctor`: collect the facts, judge them, print the report."""

from __future__ import annotations

import os
import shutil
import sys
from typing import Annotated

import typer

from dbswitch.check.doctor import doctor_report, doctor_rules, fact_collection
from dbswitch.cli.command_context import CommandContext
from dbswitch.cli.command_line import command
from dbswitch.errors import ExitCode
from dbswitch.project.discovery import discover
from dbswitch.stdout_guard import writing_to_stdout


@command(
    epilog="Exit codes: 0 nothing found, 1 a warning or a problem was found, 2 usage or configuration. Nothing is changed."
)
def doctor(
    context: CommandContext,
    run_commands: Annotated[
        bool, typer.Option("--run-commands", help="Also run the commands of targets that have one.")
    ] = False,
) -> int:
    """Examine the machine, the project and every target."""
    facts = fact_collection.look(
        discover(context.start_folder()), dict(os.environ), run_commands=run_commands
    )
    findings = doctor_rules.judge(facts)
    if context.json:
        report = doctor_report.as_json(facts, findings)
    else:
        terminal = sys.stdout.isatty()
        colour = terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        width = shutil.get_terminal_size().columns if terminal else None
        report = doctor_report.as_text(facts, findings, colour=colour, width=width, tables=not context.quiet)
    with writing_to_stdout():
        sys.stdout.write(report)
        sys.stdout.flush()
    return ExitCode.FOUND if doctor_report.is_failing(findings) else ExitCode.OK
