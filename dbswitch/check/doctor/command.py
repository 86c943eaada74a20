"""The command line of `dbswitch doctor`."""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from dbswitch.answering import answering
from dbswitch.errors import DbswitchError, ExitCode

if TYPE_CHECKING:
    from collections.abc import Sequence

_EPILOG = "exit codes: 0 all is well, 1 a warning or worse, 2 usage or configuration. It changes nothing."


def main(argv: Sequence[str]) -> int:
    """Run `dbswitch doctor` with what follows that word, and return the exit code."""
    options = _parser().parse_args(list(argv))
    try:
        return _run(options)
    except DbswitchError as error:
        _explain(error, as_json=options.json)
        return int(error.exit_code)


def _run(options: argparse.Namespace) -> int:
    from dbswitch.check.doctor import as_json, judging, look
    from dbswitch.project.discovery import discover

    project = discover(Path(options.project or "."))
    facts = look.look(project, dict(os.environ), run_commands=options.run_commands)
    findings = judging.judge(facts)
    if options.json:
        drawn = as_json.report(facts, findings)
    else:
        from dbswitch.check.doctor import text

        terminal = sys.stdout.isatty()
        colour = terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        width = shutil.get_terminal_size().columns if terminal else None
        drawn = text.draw(facts, findings, colour=colour, width=width, tables=not options.quiet)
    with answering():
        sys.stdout.write(drawn)
        sys.stdout.flush()
    return int(ExitCode.FOUND if as_json.is_failing(findings) else ExitCode.OK)


def _explain(error: DbswitchError, *, as_json: bool) -> None:
    if as_json:
        from dbswitch.check.doctor.as_json import failure

        with contextlib.suppress(OSError):  # it may be stdout itself that failed
            sys.stdout.write(failure(error))
        return
    lines = [f"dbswitch doctor: {error.what}", *(f"  {fact}" for fact in error.facts)]
    lines += [f"  {error.why}"] if error.why else []
    lines += [f"  fix: {error.fix}"] if error.fix else []
    sys.stderr.write("\n".join(lines) + "\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="dbswitch doctor",
        description="Look at the machine, the project and every target. It changes nothing.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object on stdout")
    parser.add_argument("--project", metavar="DIR", help="the folder to look from; default: this one")
    parser.add_argument(
        "--run-commands", action="store_true", help="also run the commands of targets that have one"
    )
    parser.add_argument("--quiet", "-q", action="store_true", help="say only what is a warning or worse")
    return parser
