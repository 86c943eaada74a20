"""`dbswitch check` and `doctor`: collect what is judged, judge it, print it in the chosen format."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from dbswitch.check import autofix, report_formats, rule_engine
from dbswitch.check.input_collection import collect
from dbswitch.check.rules import Finding, Scope, Severity
from dbswitch.cli.command_declaration import CommandContext, command, flag
from dbswitch.errors import ExitCode, UsageError
from dbswitch.project.discovery import Project
from dbswitch.project.git import GitError, top_level
from dbswitch.stdout_guard import writing_to_stdout


class CheckFormat(StrEnum):
    """How `dbswitch check` prints its findings."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"
    SARIF = "sarif"


_FORMS = (report_formats.text, report_formats.as_json, report_formats.github, report_formats.sarif)
_FORMATTERS = dict(zip(CheckFormat, _FORMS, strict=True))


_Paths = Annotated[list[str] | None, typer.Argument(metavar="[FILE]...", help="Check only these files.")]
_WorkTree = Annotated[bool, flag("--all", "Check the work tree and the env files, not the staged content.")]
_Revisions = Annotated[str | None, flag("--rev", "Check what changed in a range of commits.", metavar="A..B")]
_EveryVariable = Annotated[
    bool, flag("--every-variable", "Also report undefined variables that no target sets.")
]
_RunCommands = Annotated[
    bool, flag("--run-commands", "Also run the targets' commands, and prisma.config.ts.")
]


@command(
    epilog="Exit codes: 0 nothing found, 1 errors found (with --strict warnings too), 2 usage or configuration. "
    "Allow one line with a comment: dbswitch-check: ignore[rule-id]. All rules: docs/rules.md"
)
def check(
    context: CommandContext,
    paths: _Paths = None,
    work_tree: _WorkTree = False,
    revisions: _Revisions = None,
    form: Annotated[CheckFormat | None, flag("--format", "The output format; default: text.")] = None,
    fix: Annotated[bool, flag("--fix", "Add missing ignore entries and example keys.")] = False,
    strict: Annotated[bool, flag("--strict", "Warnings fail the check too.")] = False,
    every_variable: _EveryVariable = False,
) -> int:
    """Find database credentials before they are committed."""
    if work_tree and revisions is not None:
        raise UsageError("--all and --rev cannot be used together", fix="leave one of them out")
    scope = Scope.RANGE if revisions is not None else Scope.TREE if work_tree else Scope.INDEX
    folder = Path(os.path.abspath(context.folder or "."))  # noqa: PTH100  a symlink is judged by its own name

    def judge() -> tuple[tuple[Finding, ...], list[Project]]:
        given = collect(
            scope,
            folder,
            revisions=revisions or "",
            paths=tuple(paths or ()),
            every_variable=every_variable,
            ambient=dict(os.environ),
        )
        projects = [app.project for app in given.apps]
        configured = (rule for project in projects for rule in project.config.check.rules.items())
        return rule_engine.judge(given, rule_engine.severities(configured)), projects

    try:
        found, projects = judge()
        if fix:
            for line in autofix.apply(found, top_level(folder) or folder):
                typer.echo(f"fixed {line}", err=True)
            found, projects = judge()
    except GitError as error:
        why = "the content of a commit is read through git"
        raise UsageError(f"{error}", why=why, fix=error.fix) from None
    for project in projects:
        context.tell_past_limit(project)
    form = form or (CheckFormat.JSON if context.json else CheckFormat.TEXT)
    if found or not context.quiet or form is not CheckFormat.TEXT:
        # True: JSON and the like pass unchanged; None: colours where stdout is a terminal.
        plain = form is CheckFormat.TEXT and bool(os.environ.get("NO_COLOR"))
        with writing_to_stdout():
            typer.echo(_FORMATTERS[form](found, scope), nl=False, color=False if plain else None)
    failing = {Severity.ERROR, Severity.WARNING} if strict else {Severity.ERROR}
    return ExitCode.FOUND if any(one.severity in failing for one in found) else ExitCode.OK


@command(
    epilog="Exit codes: 0 nothing found, 1 a warning or a problem was found, 2 usage or configuration. Nothing is changed."
)
def doctor(
    context: CommandContext,
    run_commands: _RunCommands = False,
) -> int:
    """Examine the machine, the project and every target."""
    # 60 ms that a commit hook saves.
    from dbswitch.check.doctor import doctor_report, doctor_rules, fact_collection

    project = context.find_project(list_names=False)
    facts = fact_collection.look(project, dict(os.environ), run_commands=run_commands)
    findings = doctor_rules.judge(facts)
    if context.json:
        report = doctor_report.as_json(facts, findings)
    else:
        quiet, verbose = context.quiet, context.verbose
        report = doctor_report.as_text(facts, findings, sys.stdout, quiet=quiet, verbose=verbose)
    with writing_to_stdout():
        sys.stdout.write(report)
        sys.stdout.flush()
    return ExitCode.FOUND if doctor_report.is_failing(findings) else ExitCode.OK
