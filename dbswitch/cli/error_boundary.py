"""The one place where an exception becomes an exit code.

An expected error is its four parts and its code; Ctrl-C is 130; anything else is a bug: one line for the person, exit 3,
and the traceback (without locals, secrets masked) in a private log.
"""

from __future__ import annotations

import itertools
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from dbswitch.cli import standard_streams
from dbswitch.errors import DbswitchError, ExitCode, InterruptedSwitchError, interruption_behind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dbswitch.cli.renderer import Failure, Renderer

BROKEN_PIPE = 141  # what a shell reports for a program that died of SIGPIPE
LOG_LIMIT = 1_000_000  # bytes; a full log makes room for a new one and is kept as `.1`


def guard(body: Callable[[], int], renderer: Callable[[], Renderer], log_dir: Callable[[], Path]) -> int:
    """Run `body` and return its exit code, or the one of what it raised after saying it.

    `renderer` is called when there is something to say: a quick command never needs one.
    """
    try:
        return body()
    except DbswitchError as error:
        failure = failure_of(error)
        renderer().failure(failure)
        return failure.exit
    except KeyboardInterrupt:
        renderer().failure(failure_of(InterruptedSwitchError("interrupted")))
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        standard_streams.silence_stdout()
        return BROKEN_PIPE
    except Exception as error:  # noqa: BLE001  the boundary: what arrives here is a bug, whatever it is
        interruption = interruption_behind(error)
        failure = bug(error, log_dir) if interruption is None else failure_of(interruption)
        renderer().failure(failure)
        return failure.exit


def failure_of(error: DbswitchError) -> Failure:
    """Return an expected error as it is shown."""
    from dbswitch.cli.renderer import Failure
    from dbswitch.switch.events import ErrorInfo
    from dbswitch.switch.outcomes import exit_of, outcome_of

    info = ErrorInfo(error.code, error.what, error.facts, error.why, error.fix)
    return Failure(info, exit_of(error), outcome_of(error))


def bug(error: BaseException, log_dir: Callable[[], Path]) -> Failure:
    """Write the traceback down and return the one line that is shown instead of it."""
    from dbswitch.cli.renderer import Failure
    from dbswitch.switch.events import ErrorInfo, Outcome

    path = _write_traceback(error, log_dir)
    fix = f"please report it with the end of {path}" if path else "please report it"
    info = ErrorInfo("bug", f"a bug in dbswitch ({type(error).__name__}), not something you did", fix=fix)
    return Failure(info, ExitCode.BUG, Outcome.BUG, log=path)


def _write_traceback(error: BaseException, log_dir: Callable[[], Path]) -> str:
    import time
    import traceback

    from dbswitch import __version__
    from dbswitch.redaction import redact

    text = redact("".join(traceback.format_exception(error)))
    python = ".".join(str(part) for part in sys.version_info[:3])
    head = f"--- {time.strftime('%Y-%m-%dT%H:%M:%S%z')} dbswitch {__version__}, Python {python}, {sys.platform}\n"
    try:
        path = log_dir() / "dbswitch.log"
        if path.exists() and path.stat().st_size > LOG_LIMIT:
            path.replace(path.with_suffix(".log.1"))
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(fd, "w", encoding="utf-8", errors="backslashreplace") as stream:
            stream.write(head + text + "\n")
    except OSError:
        return ""
    return str(path)


def log_dir(line: Sequence[str]) -> Path:
    """Return the folder for the traceback of a bug: the project's state folder, else the user's own.

    It does not use project discovery, which may be what failed. Raises OSError when it cannot be made.
    """
    from dbswitch import durable

    start = Path.cwd()
    for word, following in itertools.pairwise((*line, "")):
        if word == "--":
            break
        name, equals, value = word.partition("=")
        if name == "--project":
            start = Path(value if equals else following)
    for folder in (start, *start.absolute().parents):
        if (folder / ".dbswitch").is_dir() or (folder / "package.json").is_file():
            return durable.ensure_state_dir(folder / ".dbswitch")
    base = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    own = Path(base).expanduser() / "dbswitch"
    own.mkdir(parents=True, mode=0o700, exist_ok=True)
    return own
