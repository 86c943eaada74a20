"""The program: `dbswitch ...` and `python -m dbswitch ...`.

The first word is looked at before anything heavy is imported, so that `--version` and `check` (a commit hook) start in
little more than the interpreter's own time.
"""

from __future__ import annotations

import gc
import os
import sys

TYPE_CHECKING = False  # known to type checkers; importing typing for it would cost a commit hook 5 ms
if TYPE_CHECKING:
    from collections.abc import Sequence


# What is made while modules are loaded stays anyway; looking through it again and again costs a tenth of the start.
_GARBAGE_AFTER = 100_000  # objects made and not freed


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code; as a program (without `argv`) end with it."""
    if argv is not None:
        return _run(list(argv))
    gc.set_threshold(_GARBAGE_AFTER)
    code = _run(sys.argv[1:])
    if sys.gettrace() is None and sys.getprofile() is None:  # a debugger or profiler wants the ordinary end
        _leave(code)
    return code


def _leave(code: int) -> None:
    """End at once: freeing every object first takes as long as half a switch, and the system does it in no time."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):  # closed, or nobody takes it: said where it was written
            continue
    os._exit(code)


def _run(given: list[str]) -> int:
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


if __name__ == "__main__":
    sys.exit(main())
