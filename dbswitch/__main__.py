"""The program: `dbswitch ...` and `python -m dbswitch ...`.

The first word is looked at before anything heavy is imported, so that `--version` and `check` (a commit hook) start in
little more than the interpreter's own time.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # known to type checkers; importing typing for it would cost a commit hook 5 ms
if TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code."""
    from dbswitch.cli.words import arrange

    if sys.platform == "win32":
        sys.stderr.write("dbswitch needs Linux or macOS; on Windows run it (and the app) inside WSL\n")
        return 2
    line = arrange(sys.argv[1:] if argv is None else argv)
    if "--version" in line[:1]:
        from dbswitch import __version__

        sys.stdout.write(f"dbswitch {__version__}\n")
        return 0
    if line[0] == "check" and _surely_clean(line[1:]):
        if not {"-q", "--quiet"}.intersection(line):
            sys.stdout.write("dbswitch check (index): nothing found\n")
        return 0
    if line[:1] == ["check"]:
        from dbswitch.check.screen import answer

        if answer(line[1:]):
            return 0
    from dbswitch.cli import perform

    return perform.main(line)


def _surely_clean(words: list[str]) -> bool:
    try:
        from dbswitch.check import screen

        return screen.is_clean(words)
    except Exception:  # noqa: BLE001  whatever is wrong, the engine looks again, inside the error boundary
        return False


if __name__ == "__main__":
    sys.exit(main())
