"""`dbswitch doctor`: collect the facts, judge them, write the report."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING

from dbswitch.answering import answering
from dbswitch.check.doctor import doctor_rules, fact_collection, json_report
from dbswitch.cli.switching import start_folder
from dbswitch.errors import ExitCode
from dbswitch.project.discovery import discover

if TYPE_CHECKING:
    from dbswitch.cli.operations import Common, Doctor


def doctor(asked: Doctor, common: Common) -> int:
    """Report on machine, project and targets; return the exit code. Raises DbswitchError."""
    facts = fact_collection.look(
        discover(start_folder(common)), dict(os.environ), run_commands=asked.run_commands
    )
    findings = doctor_rules.judge(facts)
    if common.json:
        report = json_report.report(facts, findings)
    else:
        from dbswitch.check.doctor import text_report

        terminal = sys.stdout.isatty()
        colour = terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        width = shutil.get_terminal_size().columns if terminal else None
        report = text_report.draw(facts, findings, colour=colour, width=width, tables=not common.quiet)
    with answering():
        sys.stdout.write(report)
        sys.stdout.flush()
    return ExitCode.FOUND if json_report.is_failing(findings) else ExitCode.OK
