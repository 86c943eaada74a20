"""`dbswitch check`: collect what is judged, judge it, write it in the wanted form."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, assert_never

import typer

from dbswitch.answering import answering
from dbswitch.check import autofix, report_formats, rule_engine
from dbswitch.check.check_input import Scope
from dbswitch.check.input_collection import collect
from dbswitch.check.rules import Severity
from dbswitch.cli.operations import CheckFormat
from dbswitch.errors import DbswitchError, ExitCode, UsageError
from dbswitch.project.git import GitError, top_level

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dbswitch.check.rules import Finding
    from dbswitch.cli.operations import Check, Common


def check(asked: Check, common: Common) -> int:
    """Judge and report; return the exit code. Raises DbswitchError."""
    folder = Path(os.path.abspath(common.project or "."))  # noqa: PTH100  a symlink is judged by its own name
    try:
        found = _judge(asked, folder)
        if asked.fix:
            for line in _fix(found, folder):
                typer.echo(f"fixed {line}", err=True)
            found = _judge(asked, folder)
    except GitError as error:
        raise UsageError(
            f"{error}", why="The content of a commit is read through git.", fix=error.fix
        ) from None
    _write(found, asked, quiet=common.quiet)
    failing = {Severity.ERROR, Severity.WARNING} if asked.strict else {Severity.ERROR}
    return ExitCode.FOUND if any(one.severity in failing for one in found) else ExitCode.OK


def _scope(asked: Check) -> Scope:
    return Scope.RANGE if asked.revisions is not None else Scope.TREE if asked.work_tree else Scope.INDEX


def _judge(asked: Check, folder: Path) -> tuple[Finding, ...]:
    given, projects = collect(
        _scope(asked),
        folder,
        revisions=asked.revisions or "",
        paths=asked.paths,
        every_variable=asked.every_variable,
        ambient=dict(os.environ),
    )
    levels = rule_engine.severities(rule for project in projects for rule in project.config.check.rules)
    return rule_engine.judge(given, levels)


def _fix(found: Sequence[Finding], folder: Path) -> tuple[str, ...]:
    try:
        return autofix.apply(found, top_level(folder, from_hook=True) or folder)
    except OSError as error:
        raise DbswitchError(
            "a fix could not be written",
            facts=(f"{error.filename}: {error.strerror}",),
            fix="make the file writable",
        ) from None


def _write(found: Sequence[Finding], asked: Check, *, quiet: bool) -> None:
    scope = _scope(asked)
    colour: bool | None = True  # JSON and the like pass unchanged
    match asked.format:
        case CheckFormat.JSON:
            output = report_formats.as_json(found, scope)
        case CheckFormat.SARIF:
            output = report_formats.sarif(found)
        case CheckFormat.GITHUB:
            output = report_formats.github(found)
        case CheckFormat.TEXT:
            output = report_formats.text(found, scope) if found or not quiet else ""
            colour = False if os.environ.get("NO_COLOR") else None  # None: where stdout is a terminal
        case _:
            assert_never(asked.format)
    with answering():
        typer.echo(output, nl=False, color=colour)
