"""The history of switches (`.dbswitch/history.jsonl`, a line each, names only) and the events of each run (`runs/<id>.jsonl`).

Both are shown and never acted on, since a checkout may bring them; `dbswitch -` goes by a file in the user's state folder.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Self

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import asdict

from dbswitch import durable
from dbswitch.errors import UsageError
from dbswitch.project import targets
from dbswitch.switch.events import Event, Outcome, Phase, PhaseChanged, PhaseState, Result, to_line
from dbswitch.switch.project_lock import locked

if TYPE_CHECKING:
    from dbswitch.project.discovery import Project
    from dbswitch.switch.session import Request


FILE_NAME = "history.jsonl"
PREVIOUS = "-"
KEPT = 500
_PATIENCE = 1.0  # seconds
_SLACK = 50  # lines over KEPT before the file is rewritten
# a program that starts dbswitch, such as the admin page, names itself in it
ORIGIN_VARIABLE = "DBSWITCH_ORIGIN"
_NAMED_ORIGINS = frozenset({"page", "hook"})


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
    path = state_dir / FILE_NAME
    known = asdict(origin or Origin()) | asdict(result) | {"at": round(time.time(), 3), "pool": pool}
    past = Past(**{name: known[name] for name in Past.__struct_fields__})
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
        durable.store(private_dir / _previous_file(pool), (target, result.previous))


def previous_target(private_dir: Path, active: str | None, pool: str | None = None) -> str | None:
    """Return where `dbswitch -` goes from `active`: the other one of the last switch's two targets."""
    names = durable.load(private_dir / _previous_file(pool), list[str | None]) or []
    return next((name for name in names if name is not None and name != active), None)


def require_previous(project: Project, active: str | None, pool: str | None = None) -> str:
    """As :func:`previous_target`, of the app or of a pool. Raises UsageError: there is none."""
    name = previous_target(project.private_dir, active, pool)
    if name is not None:
        return targets.lookup(project, name).name
    flag, of_pool, switched = "", "", "the project"
    if pool is not None:
        flag, of_pool, switched = f" --pool {pool}", f" of the pool {pool}", f"the pool {pool}"
    names = [f"`dbswitch {ref.name}{flag}`" for ref in targets.list_targets(project)]
    raise UsageError(
        f"there is no previous target{of_pool}",
        facts=(f"{switched} has not been switched between two known targets yet",),
        why="`-` switches back to the target before the last switch",
        fix=f"name the target: {', '.join(names)}",
    )


def _previous_file(pool: str | None) -> str:
    return "previous.json" if pool is None else f"previous-of-pool-{pool}.json"


FOLDER = "runs"
KEPT_RUNS = 50
_ID = re.compile(r"[0-9]{8}T[0-9]{9}Z-[0-9a-f]{8}")


def new_id() -> str:
    """Return an id that sorts by time (UTC, milliseconds) and fits a URL and a file name as it is."""
    nanoseconds = time.time_ns()
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime(nanoseconds // 1_000_000_000))
    return f"{stamp}{nanoseconds // 1_000_000 % 1000:03d}Z-{os.urandom(4).hex()}"


def path_of(state_dir: Path, run_id: str) -> Path:
    """Return the file of a run. Raises UsageError."""
    if _ID.fullmatch(run_id) is None:
        fix = "`dbswitch history` lists the ids"
        raise UsageError("that is not the id of a run", facts=[f"id: {run_id[:60]!r}"], fix=fix)
    return state_dir / FOLDER / f"{run_id}.jsonl"


class RunFile:
    """Writes the events of one run, each visible to readers at once. Raises OSError where its folder cannot be used."""

    def __init__(self, state_dir: Path, run_id: str) -> None:
        self._path = path_of(state_dir, run_id)
        durable.ensure_own_dir(self._path.parent)

    def __call__(self, event: Event) -> None:
        """Append an event. Raises OSError."""
        append_line(self._path, to_line(event))


def prune(state_dir: Path) -> None:
    """Remove the files of all but the newest runs; one that cannot be removed stays."""
    # After the clock was set back, ids from the future count as the oldest: the current run must not lose its file.
    folder = state_dir / FOLDER
    present = new_id()
    try:
        names = [path.name for path in folder.iterdir() if _ID.fullmatch(path.stem)]
    except OSError:
        return
    names.sort(key=lambda name: (name < present, name))
    for name in names[:-KEPT_RUNS]:
        with contextlib.suppress(OSError):
            (folder / name).unlink()


def append_line(path: Path, line: str) -> None:
    """Append one line in one write, after closing a line that a crash cut short. Raises OSError."""
    fd = durable.open_private(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
    try:
        size = os.fstat(fd).st_size
        cut = size > 0 and os.pread(fd, 1, size - 1) != b"\n"
        # A path that is not valid text (PEP 383) must not keep the line from being written.
        content = line.encode(errors="backslashreplace")
        os.write(fd, (b"\n" if cut else b"") + content + b"\n")
    finally:
        os.close(fd)
