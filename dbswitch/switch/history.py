"""The history of switches: `.dbswitch/history.jsonl`, one JSON line for every finished switch, names only.

It is shown and never acted on, since a checkout may bring one; `dbswitch -` goes by a file in the user's state folder.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import time
from typing import TYPE_CHECKING, Annotated, Self

import msgspec
from msgspec import Meta, Struct

from dbswitch import durable
from dbswitch.errors import UsageError
from dbswitch.project import targets
from dbswitch.switch.events import Event, Outcome, Phase, PhaseChanged, PhaseState, Result
from dbswitch.switch.project_lock import locked
from dbswitch.switch.run_event_files import append_line

if TYPE_CHECKING:
    from pathlib import Path

    from dbswitch.project.discovery import Project
    from dbswitch.switch.request import Request

FILE_NAME = "history.jsonl"
PREVIOUS = "-"
KEPT = 500
_PATIENCE = 1.0  # seconds
_SLACK = 50  # lines over KEPT before the file is rewritten
# a program that starts dbswitch, such as the admin page, names itself in it
ORIGIN_VARIABLE = "DBSWITCH_ORIGIN"
_NAMED_ORIGINS = frozenset({"page", "hook"})
_OF_RESULT = ("id", "previous", "target", "outcome", "seconds", "mode", "verified")
_OF_ORIGIN = ("user", "origin", "away", "lifted")


class Past(Struct, frozen=True, rename={"previous": "from", "target": "to"}):
    """One finished switch; `at` is when it ended, in seconds since the epoch."""

    id: str
    at: Annotated[float, Meta(ge=0, lt=2**36)]  # beyond it there is no calendar
    previous: str | None  # None where none of the known targets was active
    target: str
    outcome: Outcome
    seconds: float
    mode: str
    verified: bool | None  # None where the app was not asked
    user: str | None = None  # what follows is as in `Origin`; older lines lack it
    origin: str | None = None
    away: float | None = None
    lifted: tuple[str, ...] = ()
    pool: str | None = None  # the pool that was switched instead of the app


class Origin(Struct):
    """Who asked for a run and from where, and what the run did that only its events tell."""

    user: str | None = None  # the name of the operating system's user
    # `terminal`, `page` (the admin page), `hook` (git), `timer` (a time limit has passed), or `program` for anything else
    # without a terminal
    origin: str | None = None
    away: float | None = None  # seconds for which the server did not answer; None if it was not stopped
    lifted: tuple[str, ...] = ()  # the guards that were lifted: `protected`, `read-only`
    _stopped_at: float | None = None

    @classmethod
    def of(cls, request: Request) -> Self:
        """Return who asks."""
        ambient = request.ambient
        if request.ended_limit is not None:
            origin = "timer"
        elif ambient.get(ORIGIN_VARIABLE) in _NAMED_ORIGINS:
            origin = ambient[ORIGIN_VARIABLE]
        elif "GIT_INDEX_FILE" in ambient or "GIT_DIR" in ambient:
            origin = "hook"
        else:
            origin = "terminal" if request.ask is not None else "program"
        return cls(current_user(), origin, lifted=("read-only",) if request.read_only is False else ())

    def note(self, event: Event) -> None:
        """Take note of what the history needs."""
        match event:
            case PhaseChanged(phase=Phase.STOP, state=PhaseState.STARTED) if self._stopped_at is None:
                self._stopped_at = time.monotonic()
            case PhaseChanged(phase=Phase.ANSWER | Phase.ROLLBACK, state=PhaseState.DONE) if self._stopped_at:
                self.away = round(time.monotonic() - self._stopped_at, 3)
            case PhaseChanged(phase=Phase.GUARD, state=PhaseState.DONE, detail="confirmed"):
                self.lifted = ("protected", *self.lifted)
            case _:
                pass


def current_user() -> str:
    """Return the name of the operating system's user, or the number of one without a name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container without an entry for the user
        return str(os.getuid())


def append(state_dir: Path, result: Result, origin: Origin | None = None, *, pool: str | None = None) -> None:
    """Add the line of a finished switch. Needs no lock of the caller's. Raises OSError."""
    path, by = state_dir / FILE_NAME, origin or Origin()
    past = Past(
        at=round(time.time(), 3),
        pool=pool,
        **{name: getattr(result, name) for name in _OF_RESULT},
        **{name: getattr(by, name) for name in _OF_ORIGIN},
    )
    end = time.monotonic() + _PATIENCE

    def wait(_fd: int) -> None:
        if time.monotonic() > end:
            raise BlockingIOError
        time.sleep(0.01)

    with locked(path, wait):  # a line added while another process shortens the file would be lost
        append_line(path, msgspec.json.encode(past).decode())
        lines = durable.read_regular(path).splitlines(keepends=True)
        if len(lines) > KEPT + _SLACK:
            durable.replace_file(path, b"".join(lines[-KEPT:]))


def read(state_dir: Path) -> tuple[Past, ...]:
    """Return the history, oldest first. Incomplete lines (a power cut) are skipped."""
    try:
        content = durable.read_regular(state_dir / FILE_NAME)
    except OSError:
        return ()
    found = []
    for line in content.splitlines():
        with contextlib.suppress(ValueError, RecursionError):
            found.append(msgspec.json.decode(line, type=Past))
    return tuple(found[-KEPT:])


def remember(private_dir: Path, result: Result, *, unnamed: str = "", pool: str | None = None) -> None:
    """Keep the two targets of a finished switch, of the app or of a pool, for `-`; `unnamed` is no target. Raises OSError."""
    if result.outcome is Outcome.SWITCHED and result.previous != result.target:
        target = None if result.target == unnamed else result.target
        durable.write_json(private_dir / _previous_file(pool), [target, result.previous])


def previous_target(private_dir: Path, active: str | None, pool: str | None = None) -> str | None:
    """Return where `dbswitch -` goes from `active`: the other one of the last switch's two targets."""
    last = durable.read_json(private_dir / _previous_file(pool))
    names = last if isinstance(last, list) else []
    return next((name for name in names if isinstance(name, str) and name != active), None)


def require_previous(project: Project, active: str | None, pool: str | None = None) -> str:
    """As :func:`previous_target`, of the app or of a pool. Raises UsageError: there is none."""
    name = previous_target(project.private_dir, active, pool)
    if name is not None:
        return targets.lookup(project, name).name
    flag = "" if pool is None else f" --pool {pool}"
    names = [f"`dbswitch {ref.name}{flag}`" for ref in targets.list_targets(project)]
    raise UsageError(
        "there is no previous target" + ("" if pool is None else f" of the pool {pool}"),
        facts=(
            f"{'the project' if pool is None else f'the pool {pool}'} has not been switched between two known targets yet",
        ),
        why="`-` switches back to the target before the last switch",
        fix=f"name the target: {', '.join(names)}",
    )


def _previous_file(pool: str | None) -> str:
    return "previous.json" if pool is None else f"previous-of-pool-{pool}.json"
