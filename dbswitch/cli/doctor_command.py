"""`dbswitch doctor`: collect the facts, judge them, write the report."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING

from dbswitch.check.doctor import doctor_rules, fact_collection, json_report
from dbswitch.errors import ExitCode
from dbswitch.project.discovery import discover
from dbswitch.stdout_guard import writing_to_stdout

if TYPE_CHECKING:
    from dbswitch.cli.command_context import CommandContext


def doctor(context: CommandContext, *, run_commands: bool) -> int:
    """Report on machine, project and targets; return the exit code. Raises DbswitchError."""
    facts = fact_collection.look(
        discover(context.start_folder()), dict(os.environ), run_commands=run_commands
    )
    findings = doctor_rules.judge(facts)
    if context.json:
        report = json_report.report(facts, findings)
    else:
        from dbswitch.check.doctor import text_report

        terminal = sys.stdout.isatty()
        colour = terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        width = shutil.get_terminal_size().columns if terminal else None
        report = text_report.draw(facts, findings, colour=colour, width=width, tables=not context.quiet)
    with writing_to_stdout():
        sys.stdout.write(report)
        sys.stdout.flush()
    return ExitCode.FOUND if json_report.is_failing(findings) else ExitCode.OK
