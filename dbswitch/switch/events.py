"""What a switch tells the world while it runs: one value per line of `--json`, and what the live display draws.

The wire form is versioned (`v`); `docs/reference/json.md` documents it and a test holds the two together. Events carry
names, counts, seconds and masked text only.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

VERSION = 1


class Phase(StrEnum):
    """The steps of a switch in their order; a hot switch leaves out those that touch the server."""

    LOCK = "lock"
    RECOVER = "recover"
    OBSERVE = "observe"
    PLAN = "plan"
    GUARD = "guard"
    PROBE = "probe"
    STOP = "stop"
    PORTS = "ports"
    UNLOCK = "unlock"
    WRITE = "write"
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


@dataclass(frozen=True, slots=True)
class Started:
    """The first event: what was asked."""

    id: str
    target: str
    at: float  # seconds since the epoch, for people; durations come from a monotonic clock
    event: str = "start"


@dataclass(frozen=True, slots=True)
class Planned:
    """What will be done, in words; all that a person is shown before a change."""

    mode: str
    previous: str | None
    files: tuple[str, ...]
    variables: tuple[str, ...]
    server: str
    event: str = "plan"


@dataclass(frozen=True, slots=True)
class PhaseChanged:
    """A phase began or ended. `seconds` is how long it took, 0 when it begins."""

    phase: Phase
    state: PhaseState
    seconds: float = 0.0
    detail: str = ""
    event: str = "phase"


@dataclass(frozen=True, slots=True)
class Waiting:
    """Something is not there yet and will be asked again: the database, the lock, the server."""

    phase: Phase
    attempt: int
    reason: str
    next_in: float
    event: str = "waiting"


@dataclass(frozen=True, slots=True)
class Notice:
    """Something a person should know; `code` is stable, `level` is info or warning."""

    code: str
    text: str
    level: str = "info"
    event: str = "notice"


@dataclass(frozen=True, slots=True)
class ErrorInfo:
    """The four parts of an error, as data."""

    code: str
    what: str
    facts: tuple[str, ...] = ()
    why: str = ""
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """The last event of every run."""

    id: str
    outcome: Outcome
    exit: int
    target: str
    previous: str | None
    mode: str
    seconds: float
    verified: bool | None = None  # None: the app was not asked
    identity: dict[str, str] = field(default_factory=dict)
    error: ErrorInfo | None = None
    event: str = "result"


Event = Started | Planned | PhaseChanged | Waiting | Notice | Result


def to_wire(event: Event) -> dict[str, Any]:
    """Return the JSON object of an event: `v` and `event` first, then its fields."""
    fields = asdict(event)
    return {"v": VERSION, "event": fields.pop("event"), **fields}


def to_line(event: Event) -> str:
    """Return one NDJSON line without its line end."""
    return json.dumps(to_wire(event), separators=(",", ":"))
