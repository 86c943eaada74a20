"""Where an exception becomes an exit code: an expected error is shown, anything else is a bug with its traceback in a private log."""

from __future__ import annotations

import os
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from dbswitch import __version__, durable, errors
from dbswitch.cli.renderer import Renderer
from dbswitch.redaction import redact
from dbswitch.state_folder import user_folder
from dbswitch.switch.events import ErrorInfo, Outcome, Result

BROKEN_PIPE = 141  # what a shell reports for a program that died of SIGPIPE
LOG_LIMIT = 1_000_000  # bytes; a full log is kept as `.1`


def guard(body: Callable[[], int], renderer: Callable[[], Renderer]) -> int:
    """Run `body`; return its exit code, or show its exception and return that one's."""
    result = Result("")
    try:
        return body()
    except errors.ReportedError as error:
        result.fail(error)
    except KeyboardInterrupt:
        result.fail(errors.InterruptedSwitchError())
    except BrokenPipeError:
        _silence(1)
        return BROKEN_PIPE
    except Exception as error:  # noqa: BLE001  the boundary: any other exception is a bug
        interruption = errors.interruption_behind(error)
        if interruption is not None:
            result.fail(interruption)
        else:
            result.outcome, result.exit, result.error = Outcome.BUG, errors.ExitCode.BUG, _bug(error)
    shown_by = renderer()
    result.id = shown_by.run_id
    shown_by.emit(result)
    return result.exit


def _bug(error: BaseException) -> ErrorInfo:
    try:
        path = _write_traceback(error)
        fix = f"please report it with the end of {path}"
    except (errors.DbswitchError, OSError):
        fix = "please report it"
    return ErrorInfo("bug", f"a bug in dbswitch ({type(error).__name__}), not something you did", fix=fix)


def _write_traceback(error: BaseException) -> Path:
    # In the user's state folder, not in the checkout, where a command that only reads writes nothing.
    text = redact("".join(traceback.format_exception(error)))
    python = ".".join(str(part) for part in sys.version_info[:3])
    head = f"--- {time.strftime('%Y-%m-%dT%H:%M:%S%z')} dbswitch {__version__}, Python {python}, {sys.platform}\n"
    folder = user_folder()
    folder.parent.mkdir(mode=durable.PRIVATE_DIR, parents=True, exist_ok=True)
    durable.ensure_own_dir(folder)
    path = folder / "dbswitch.log"
    if path.exists() and path.stat().st_size > LOG_LIMIT:
        path.replace(path.with_suffix(".log.1"))
    fd = durable.open_private(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    with os.fdopen(fd, "w", encoding="utf-8", errors="backslashreplace") as stream:
        stream.write(head + text + "\n")
    return path


def complete_streams() -> None:
    """Replace a standard stream that the caller closed (`>&-`), and escape characters that cannot be encoded."""
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            mode = "r" if name == "stdin" else "w"
            null = Path(os.devnull).open(mode, encoding="utf-8")  # noqa: SIM115  it stays open like any stdout
            setattr(sys, name, null)
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def flush_streams() -> None:
    """Flush stdout and stderr at the end of the program, where a closed pipe or terminal is no error any more."""
    for descriptor, stream in ((1, sys.stdout), (2, sys.stderr)):
        try:
            stream.flush()
        except (OSError, ValueError):
            _silence(descriptor)


def _silence(descriptor: int) -> None:
    """Redirect a stream to the null device: if the interpreter's last flush fails, it exits with 120."""
    null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.dup2(null, descriptor)
    finally:
        os.close(null)
