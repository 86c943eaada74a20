"""The one way back from everything a run has changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from dbswitch.envfiles import transaction
from dbswitch.errors import (
    DbswitchError,
    InterruptedSwitchError,
    RollbackFailedError,
    RolledBackError,
    ServerError,
)
from dbswitch.server import lifecycle
from dbswitch.server.state import ServerState
from dbswitch.switch.events import Phase
from dbswitch.switch.work import JOURNAL

if TYPE_CHECKING:
    from dbswitch.switch.apply import Apply


def undo(apply: Apply, cause: BaseException) -> NoReturn:
    """Put everything back and raise what the caller should see. Signals are held back by the caller.

    Raises:
        RolledBackError: everything is as it was.
        RollbackFailedError: it is not; the facts say what is where.
        InterruptedSwitchError: everything is as it was, and a signal was the cause.
        ServerError: the server could not be stopped; the files were never touched.
    """
    try:
        with apply.work.reporter.phase(Phase.ROLLBACK) as note:
            note.detail = _put_back(apply, stuck=isinstance(cause, ServerError) and not apply.stopped)
    except (DbswitchError, OSError) as error:
        facts, fix = (error.facts, error.fix) if isinstance(error, DbswitchError) else ((), "")
        raise RollbackFailedError(
            "the switch failed, and so did putting everything back",
            facts=(_sentence("first", cause), _sentence("then", error), *facts),
            why="the app may be down; the env files are " + ("new" if apply.written else "as they were"),
            fix=fix or "run `dbswitch status` to see where things stand, then `dbswitch restart`",
        ) from cause
    except Exception as bug:
        # The signal that led here is in its context, and whoever asks for an interruption would take it for one.
        bug.add_note(f"while putting everything back after {type(cause).__name__}")
        bug.__context__ = None
        raise
    _raise_undone(apply, cause)


def _put_back(apply: Apply, *, stuck: bool) -> str:
    """Return in words what was put back; `stuck`: the old server could not be stopped, so it may still be well."""
    done: list[str] = []
    if stuck and lifecycle.observe(apply.work.spec).state is ServerState.READY:
        apply.server_down = False
        return "the server could not be stopped and still answers"
    if apply.running is not None or (apply.server_down and not stuck):
        # Also where a signal cut the stop ladder short: what has got a TERM is not a server to go on with.
        apply.work.record.note(server_down=True)
        apply.server_down = True
        lifecycle.stop(apply.work.spec, lifecycle.observe(apply.work.spec, ask=False))
        apply.running = None
    if apply.written:
        done.append(_put_files_back(apply))
    if apply.server_down and apply.had_server:
        lifecycle.remove_lock_if_free(apply.work.spec)
        running = lifecycle.start(apply.work.spec, apply.environment(), port=apply.port)
        lifecycle.wait_ready(apply.work.spec, running)
        apply.server_down = False
        done.append(f"the server runs again at {running.url}")
    return "; ".join(done)


def _put_files_back(apply: Apply) -> str:
    work = apply.work
    foreign = transaction.roll_back(apply.changes, work.private_dir / JOURNAL)
    apply.written = False
    work.record.note(files_written=False)
    for path in foreign:
        work.reporter.notice(
            "file-left-alone", f"{path.name} was changed by someone else and left alone", "warning"
        )
    return "the previous values are back"


def _raise_undone(apply: Apply, cause: BaseException) -> NoReturn:
    if isinstance(cause, InterruptedSwitchError) or not isinstance(cause, DbswitchError):
        raise cause
    if isinstance(cause, ServerError) and not apply.reached_files:
        raise cause
    raise RolledBackError(
        f"the switch was rolled back: {cause.what.rstrip('.')}",
        facts=(*cause.facts, "the env files and the dev server are as they were"),
        why=cause.why,
        fix=cause.fix,
    ) from cause


def _sentence(when: str, error: BaseException) -> str:
    match error:
        case DbswitchError():
            return f"{when}: {error.what}"
        case OSError(filename=name, strerror=text):
            return f"{when}: {name or 'the system'}: {text}"
        case _:
            return f"{when}: {type(error).__name__}"
