"""`dbswitch check`: collect what is judged, judge it, print it in the chosen format."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, assert_never

import typer

from dbswitch.check import autofix, report_formats, rule_engine
from dbswitch.check.check_input import Scope
from dbswitch.check.input_collection import collect
from dbswitch.check.rules import Severity
from dbswitch.cli.command_context import CommandContext
from dbswitch.cli.command_line import command
from dbswitch.errors import DbswitchError, ExitCode, UsageError
from dbswitch.project.git import GitError, top_level
from dbswitch.stdout_guard import writing_to_stdout

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dbswitch.check.rules import Finding


class CheckFormat(StrEnum):
    """How `dbswitch check` prints its findings."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"
    SARIF = "sarif"


@command(
    epilog="Exit codes: 0 nothing found, 1 errors found (with --strict warnings too), 2 usage or configuration. "
    "Allow one line with a comment: dbswitch-check: ignore[rule-id]. All rules: docs/rules.md"
)
def check(
    context: CommandContext,
    paths: Annotated[
        list[str] | None,
        typer.Argument(metavar="[FILE]...", help="Only these files of the selected content."),
    ] = None,
    work_tree: Annotated[
        bool, typer.Option("--all", help="Check the work tree and the env files, not the staged content.")
    ] = False,
    revisions: Annotated[
        str | None, typer.Option("--rev", metavar="A..B", help="Check what changed in a range of commits.")
    ] = None,
    form: Annotated[
        CheckFormat | None, typer.Option("--format", help="The output format; default: text.")
    ] = None,
    fix: Annotated[bool, typer.Option("--fix", help="Add missing ignore entries and example keys.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings fail the check too.")] = False,
    every_variable: Annotated[
        bool,
        typer.Option("--every-variable", help="Also report undefined variables that no target sets."),
    ] = False,
) -> int:
    """Find database credentials before they are committed."""
    if work_tree and revisions is not None:
        raise UsageError("--all and --rev exclude each other", fix="leave one of them out")
    scope = Scope.RANGE if revisions is not None else Scope.TREE if work_tree else Scope.INDEX
    folder = Path(os.path.abspath(context.folder or "."))  # noqa: PTH100  a symlink is judged by its own name

    def judge() -> tuple[Finding, ...]:
        given, projects = collect(
            scope,
            folder,
            revisions=revisions or "",
            paths=tuple(paths or ()),
            every_variable=every_variable,
            ambient=dict(os.environ),
        )
        levels = rule_engine.severities(
            rule for project in projects for rule in project.config.check.rules.items()
        )
        return rule_engine.judge(given, levels)

    try:
        found = judge()
        if fix:
            for line in _fix(found, folder):
                typer.echo(f"fixed {line}", err=True)
            found = judge()
    except GitError as error:
        raise UsageError(
            f"{error}", why="The content of a commit is read through git.", fix=error.fix
        ) from None
    form = form or (CheckFormat.JSON if context.json else CheckFormat.TEXT)
    _print(found, scope, form, quiet=context.quiet and not context.json)
    failing = {Severity.ERROR, Severity.WARNING} if strict else {Severity.ERROR}
    return ExitCode.FOUND if any(one.severity in failing for one in found) else ExitCode.OK


def _fix(found: Sequence[Finding], folder: Path) -> tuple[str, ...]:
    try:
        return autofix.apply(found, top_level(folder, from_hook=True) or folder)
    except OSError as error:
        raise DbswitchError(
            "a fix could not be written",
            facts=(f"{error.filename}: {error.strerror}",),
            fix="make the file writable",
        ) from None


def _print(found: Sequence[Finding], scope: Scope, form: CheckFormat, *, quiet: bool) -> None:
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
