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
    given = list(sys.argv[1:] if argv is None else argv)
    if given[:1] == ["check"] and _answered(given[1:]):
        return 0
    from dbswitch.cli.words import arrange

    if sys.platform == "win32":
        sys.stderr.write("dbswitch needs Linux or macOS; on Windows run it (and the app) inside WSL\n")
        return 2
    line = arrange(given)
    if "--version" in line[:1]:
        from dbswitch import __version__

        return _say(f"dbswitch {__version__}\n")
    from dbswitch.cli import perform

    return perform.main(line)


def _say(text: str) -> int:
    if sys.stdout is None:  # the caller closed it
        return 0
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        from dbswitch.cli import boundary

        boundary.silence_stdout()
        if isinstance(error, BrokenPipeError):
            return boundary.BROKEN_PIPE
        sys.stderr.write(f"error: the answer could not be written\n  stdout: {error.strerror}\n")
        return 2
    return 0


def _answered(words: list[str]) -> bool:
    try:
        from dbswitch.check import screen

        return screen.answer(words)
    except Exception:  # noqa: BLE001  whatever is wrong, the engine looks again, inside the error boundary
        return False


if __name__ == "__main__":
    sys.exit(main())
