"""The command line of `dbswitch check`: which content, which form, which exit code. The engine is loaded from here."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from dbswitch.check.facts import Scope
from dbswitch.check.findings import Severity
from dbswitch.errors import DbswitchError, ExitCode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dbswitch.check.findings import Judged

_EPILOG = """exit codes: 0 nothing found, 1 findings (errors; with --strict warnings too), 2 usage or configuration.
Allow one line with a comment: dbswitch-check: ignore[rule-id]. All rules: docs/rules.md"""


def main(argv: Sequence[str]) -> int:
    """Run `dbswitch check` with what follows that word, and return the exit code."""
    options = _parser().parse_args(list(argv))
    try:
        return _run(options)
    except DbswitchError as error:
        _explain(error, as_json=options.format == "json")
        return int(error.exit_code)


def _run(options: argparse.Namespace) -> int:
    from dbswitch.check import engine, fixing, gather
    from dbswitch.project.git import GitError

    scope = Scope.RANGE if options.rev is not None else Scope.TREE if options.all else Scope.INDEX
    folder = Path(options.project or ".").absolute()
    try:
        facts, projects = gather.gather(
            scope, folder, revisions=options.rev or "", paths=tuple(options.paths), ambient=dict(os.environ)
        )
    except GitError as error:
        from dbswitch.errors import UsageError

        raise UsageError(
            f"{error}", why="The content of a commit is read through git.", fix=error.fix
        ) from None
    levels = engine.severities(rule for project in projects for rule in project.config.check.rules)
    found = engine.judge(facts, levels)
    if options.fix:
        try:
            fixed = fixing.apply(found, _root(folder))
        except OSError as error:
            raise DbswitchError(
                "a fix could not be written",
                facts=(f"{error.filename}: {error.strerror}",),
                fix="make the file writable",
            ) from None
        for line in fixed:
            sys.stderr.write(f"fixed {line}\n")
        if fixed:
            facts, _ = gather.gather(
                scope,
                folder,
                revisions=options.rev or "",
                paths=tuple(options.paths),
                ambient=dict(os.environ),
            )
            found = engine.judge(facts, levels)
    _write(found, options, scope)
    return int(_code(found, strict=options.strict))


def _root(folder: Path) -> Path:
    from dbswitch.project.git import top_level

    return top_level(folder, from_hook=True) or folder


def _code(found: Sequence[Judged], *, strict: bool) -> ExitCode:
    failing = {Severity.ERROR, Severity.WARNING} if strict else {Severity.ERROR}
    return ExitCode.FOUND if any(one.severity in failing for one in found) else ExitCode.OK


def _write(found: Sequence[Judged], options: argparse.Namespace, scope: Scope) -> None:
    from dbswitch.answering import answering

    with answering():
        sys.stdout.write(_drawn(found, options, scope))
        sys.stdout.flush()


def _drawn(found: Sequence[Judged], options: argparse.Namespace, scope: Scope) -> str:
    from dbswitch.check import render

    match options.format:
        case "json":
            return render.as_json(found, scope.value)
        case "sarif":
            return render.sarif(found)
        case "github":
            return render.github(found)
        case _ if found or not options.quiet:
            colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
            return render.text(found, scope.value, colour=colour)
        case _:
            return ""


def _explain(error: DbswitchError, *, as_json: bool) -> None:
    if as_json:
        import json

        parts = {
            "code": error.code,
            "what": error.what,
            "facts": error.facts,
            "why": error.why,
            "fix": error.fix,
        }
        with contextlib.suppress(OSError):  # it may be stdout itself that failed
            sys.stdout.write(json.dumps({"v": 1, "error": parts}) + "\n")
        return
    lines = [f"dbswitch check: {error.what}", *(f"  {fact}" for fact in error.facts)]
    lines += [f"  {error.why}"] if error.why else []
    lines += [f"  fix: {error.fix}"] if error.fix else []
    sys.stderr.write("\n".join(lines) + "\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="dbswitch check",
        description="Would this commit, or this checkout, point someone at the wrong database or give one away?",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--all", action="store_true", help="judge the work tree and the env files, not the staged content"
    )
    which.add_argument("--rev", metavar="A..B", help="judge what changed in a range of commits")
    parser.add_argument(
        "--format", choices=("text", "json", "github", "sarif"), default="text", help="default: text"
    )
    parser.add_argument(
        "--json", dest="format", action="store_const", const="json", help="short for --format json"
    )
    parser.add_argument("--fix", action="store_true", help="add missing ignore entries and example keys")
    parser.add_argument("--strict", action="store_true", help="warnings fail the check too")
    parser.add_argument("--quiet", "-q", action="store_true", help="print nothing when nothing is found")
    parser.add_argument("--project", metavar="DIR", help="the folder to look from; default: this one")
    parser.add_argument("paths", nargs="*", metavar="FILE", help="only these files of the chosen content")
    return parser
