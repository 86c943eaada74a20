"""The events of a switch while it runs (`docs/reference/json.md`): names, counts, seconds and masked text only."""

from __future__ import annotations

import json
from collections.abc import Callable
from enum import StrEnum
from typing import Any, Self

from msgspec import Struct, field, to_builtins

from dbswitch.errors import ExitCode, OvertakenError, ReportedError

VERSION = 1


class Phase(StrEnum):
    """The steps of a switch in their order; `pause`, `reload` and `resume` are those of a pool."""

    LOCK = "lock"
    RECOVER = "recover"
    OBSERVE = "observe"
    PLAN = "plan"
    GUARD = "guard"
    PROBE = "probe"
    BASELINE = "baseline"
    STOP = "stop"
    PORTS = "ports"
    UNLOCK = "unlock"
    PAUSE = "pause"
    WRITE = "write"
    RELOAD = "reload"
    RESUME = "resume"
    REPROBE = "reprobe"
    START = "start"
    ANSWER = "answer"
    VERIFY = "verify"
    ROLLBACK = "rollback"


class PhaseState(StrEnum):
    """Where a phase is."""

    STARTED = "started"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"


class Outcome(StrEnum):
    """How a command ended; the exit code says the same in a number."""

    SWITCHED = "switched"
    UNCHANGED = "unchanged"
    READY = "ready"
    PLANNED = "planned"
    STARTED = "started"
    STOPPED = "stopped"
    RESTARTED = "restarted"
    REPAIRED = "repaired"
    REFUSED = "refused"
    BUSY = "busy"
    OVERTAKEN = "overtaken"
    FAILED = "failed"
    ROLLED_BACK = "rolled_back"
    ROLLBACK_FAILED = "rollback_failed"
    INTERRUPTED = "interrupted"
    BUG = "bug"


_OUTCOMES = {
    ExitCode.BUSY: Outcome.BUSY,
    ExitCode.ROLLED_BACK: Outcome.ROLLED_BACK,
    ExitCode.ROLLBACK_FAILED: Outcome.ROLLBACK_FAILED,
    ExitCode.PROTECTED: Outcome.REFUSED,
    ExitCode.INTERRUPTED: Outcome.INTERRUPTED,
    ExitCode.TERMINATED: Outcome.INTERRUPTED,
}


class Started(Struct, frozen=True, tag="start", tag_field="event"):
    """The first event: the request."""

    id: str
    target: str
    at: float  # seconds since the epoch, for display; durations come from a monotonic clock


class Planned(Struct, frozen=True, tag="plan", tag_field="event"):
    """The plan as text; `changes` has before and after of each variable, without secrets."""

    mode: str
    previous: str | None
    files: tuple[str, ...]
    variables: tuple[str, ...]
    server: str
    changes: tuple[str, ...] = ()


class PhaseChanged(Struct, frozen=True, tag="phase", tag_field="event"):
    """A phase began or ended. `seconds` is how long it took, 0 when it begins."""

    phase: Phase
    state: PhaseState
    seconds: float = 0.0
    detail: str = ""


class Waiting(Struct, frozen=True, tag="waiting", tag_field="event"):
    """Something is not ready yet and will be tried again: the database, the lock, the server."""

    phase: Phase
    attempt: int
    reason: str
    next_in: float


class Notice(Struct, frozen=True, tag="notice", tag_field="event"):
    """Information or a warning for the user; `code` is stable, `level` is info or warning."""

    code: str
    text: str
    level: str = "info"


class ErrorInfo(Struct, frozen=True):
    """The four parts of an error, as data."""

    code: str
    what: str
    facts: tuple[str, ...] = ()
    why: str = ""
    fix: str = ""

    @classmethod
    def of(cls, error: ReportedError) -> Self:
        """Return the parts of `error`."""
        return cls(error.code, error.what, error.facts, error.why, error.fix)


class Result(Struct, tag="result", tag_field="event"):
    """The last event of every run, filled in while the run goes on."""

    id: str
    outcome: Outcome = Outcome.SWITCHED
    exit: int = 0
    target: str = ""
    previous: str | None = None
    mode: str = "none"
    seconds: float = 0.0
    verified: bool | None = None  # None: the app was not asked
    identity: dict[str, str] = field(default_factory=dict)
    error: ErrorInfo | None = None

    def fail(self, error: ReportedError) -> None:
        """Take over an expected failure."""
        overtaken = isinstance(error, OvertakenError)
        self.outcome = Outcome.OVERTAKEN if overtaken else _OUTCOMES.get(error.exit_code, Outcome.FAILED)
        self.exit, self.error = int(error.exit_code), ErrorInfo.of(error)
        self.verified, self.identity = None, {}


Event = Started | Planned | PhaseChanged | Waiting | Notice | Result
Emit = Callable[[Event], None]  # takes the events of a run, one after the other


def to_wire(event: Event) -> dict[str, Any]:
    """Return the JSON object of an event: `v` and `event` first, then its fields."""
    return {"v": VERSION, **to_builtins(event)}


def to_line(event: Event) -> str:
    """Return one NDJSON line without its line end."""
    return json.dumps(to_wire(event), separators=(",", ":"))
