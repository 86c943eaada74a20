"""What happens when a time limit has passed: the ordinary switch back, by the timer or by the next command that acts."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from dataclasses import replace

from dbswitch.errors import DbswitchError
from dbswitch.project import discovery
from dbswitch.project.discovery import Project
from dbswitch.switch import edits, project_lock, run, time_limit
from dbswitch.switch.events import Emit, Event, Notice, Planned, Result, Started
from dbswitch.switch.session import Request
from dbswitch.switch.time_limit import TimeLimit

CHECK_EVERY = 2.0  # seconds between two checks that the limit is still the same; a machine that slept has not counted them
TIMER_GRACE = 3.0  # seconds that `dbswitch dev` leaves to the timer
RETRY_AFTER = 60.0  # seconds
ATTEMPTS = 5


def run_timer(project: Project, limit_id: str, ambient: Mapping[str, str]) -> None:
    """Wait for the deadline of this limit, then go back. Return at once when it is replaced, extended or cleared."""
    attempts = 0
    wait_until = 0.0  # monotonic
    while attempts < ATTEMPTS:
        limit = next((one for one in time_limit.stored(project) if one.id == limit_id), None)
        if limit is None:
            return
        pause = max(limit.left(), wait_until - time.monotonic())
        if pause > 0 or project_lock.peek(project.state_dir) is not None:  # a run is not overtaken
            time.sleep(min(CHECK_EVERY, max(pause, 0.2)))
            continue
        attempts += 1
        with contextlib.suppress(DbswitchError):  # the configuration is being edited: try again
            # This process may be days older than the configuration.
            project = discovery.load(project.root)
            if _go_back(project, limit, Request(ambient=ambient), lambda _event: None) is None:
                return
        wait_until = time.monotonic() + RETRY_AFTER


def _go_back(project: Project, limit: TimeLimit, request: Request, emit: Emit) -> Result | None:
    """Go back from a limit that has passed; the result if that failed, None if it did not, or another run ended the limit."""

    def told(event: Event) -> None:
        if not isinstance(event, Started | Planned | Result):  # the command that follows has its own
            emit(event)

    back = Request(
        target=limit.back,
        mode=request.mode,
        timeout=request.timeout,
        ambient=request.ambient,
        limit=0.0,
        ended_limit=limit.id,
    )
    result = run.switch(project, back, told)
    return result if result.exit and time_limit.passed(project) == limit else None


def honour(project: Project, request: Request, emit: Emit, *, required: bool = True) -> Result | None:
    """Go back first if the time limit of the active target has passed; the result of a `required` run that failed, or None."""
    limit = _due(project)
    if limit is None:
        return None
    text = f"the time limit of {limit.target} has passed: switching back to {limit.back} first"
    emit(Notice(time_limit.NOTICE, text))
    failed = _go_back(project, limit, request, emit)
    if failed is None or required:
        if failed is not None:
            emit(failed)
        return failed
    what = failed.error.what if failed.error is not None else failed.outcome
    emit(Notice(time_limit.NOTICE, f"{limit.target} is still active: {what}", "warning"))
    return None


def go_back_first(project: Project, request: Request, emit: Emit) -> tuple[Request, Result | None]:
    """As :func:`honour`, before a switch: one to the way back is all that is needed.

    Returns the request with the target that was meant before going back. Raises UsageError: no such target.
    """
    limit = _due(project)
    if limit is None:
        return request, None
    name = run.named(project, request.target)
    if name in {limit.back, edits.OWN}:
        return request, None
    return replace(request, target=name), honour(project, replace(request, mode=None), emit)


def due_for_watcher(project: Project) -> Project | None:
    """Return the project as it is now, if a limit has passed and its timer has not gone back, though it had the time to."""
    late = [one for one in time_limit.stored(project) if one.left() < -TIMER_GRACE]
    if not late or project_lock.peek(project.state_dir) is not None:
        return None
    with contextlib.suppress(DbswitchError):  # the configuration is being edited
        now = discovery.load(project.root)
        return now if _due(now) in late else None
    return None


def _due(project: Project) -> TimeLimit | None:
    try:
        return time_limit.passed(project)
    except DbswitchError:  # the command itself reports it
        return None
