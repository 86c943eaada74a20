"""`dbswitch check`: collect what is judged, judge it, write it in the wanted form."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, assert_never

import typer

from dbswitch.check import autofix, report_formats, rule_engine
from dbswitch.check.check_input import Scope
from dbswitch.check.input_collection import collect
from dbswitch.check.rules import Severity
from dbswitch.cli.options import CheckFormat
from dbswitch.errors import DbswitchError, ExitCode, UsageError
from dbswitch.project.git import GitError, top_level
from dbswitch.stdout_guard import writing_to_stdout

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dbswitch.check.rules import Finding
    from dbswitch.cli.command_context import CommandContext


@dataclass(frozen=True, slots=True)
class Judged:
    """What is judged: the staged content, or the work tree, or the commits of a range; only `paths` of it where given.

    `every_variable`: undefined variables that no target sets are findings too.
    """

    work_tree: bool = False
    revisions: str | None = None
    paths: tuple[str, ...] = ()
    every_variable: bool = False

    @property
    def scope(self) -> Scope:
        """The scope that the rules know."""
        if self.revisions is not None:
            return Scope.RANGE
        return Scope.TREE if self.work_tree else Scope.INDEX


def check(context: CommandContext, judged: Judged, *, form: CheckFormat, fix: bool, strict: bool) -> int:
    """Judge and report; return the exit code. Raises DbswitchError."""
    folder = Path(os.path.abspath(context.folder or "."))  # noqa: PTH100  a symlink is judged by its own name
    try:
        found = _judge(judged, folder)
        if fix:
            for line in _fix(found, folder):
                typer.echo(f"fixed {line}", err=True)
            found = _judge(judged, folder)
    except GitError as error:
        raise UsageError(
            f"{error}", why="The content of a commit is read through git.", fix=error.fix
        ) from None
    _write(found, judged.scope, form, quiet=context.quiet and not context.json)
    failing = {Severity.ERROR, Severity.WARNING} if strict else {Severity.ERROR}
    return ExitCode.FOUND if any(one.severity in failing for one in found) else ExitCode.OK


def _judge(judged: Judged, folder: Path) -> tuple[Finding, ...]:
    given, projects = collect(
        judged.scope,
        folder,
        revisions=judged.revisions or "",
        paths=judged.paths,
        every_variable=judged.every_variable,
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


def _write(found: Sequence[Finding], scope: Scope, form: CheckFormat, *, quiet: bool) -> None:
    colour: bool | None = True  # JSON and the like pass unchanged
    match form:
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
            assert_never(form)
    with writing_to_stdout():
        typer.echo(output, nl=False, color=colour)
