"""Turns the steps of a run into events with their times; holds the one clock of a run."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dbswitch.switch.events import Event, Notice, Phase, PhaseChanged, PhaseState, Waiting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@dataclass(slots=True)
class PhaseNote:
    """What a running phase reports when it ends: a text, and whether there was nothing to do."""

    detail: str = ""
    skipped: bool = False


class Reporter:
    """Emits the events of one run."""

    def __init__(self, emit: Callable[[Event], None], run_id: str) -> None:
        self.emit = emit
        self.run_id = run_id
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds since the run began, without those of :meth:`paused`."""
        return round(time.monotonic() - self._began, 3)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Do not count the time of the block: the user is being asked."""
        began = time.monotonic()
        try:
            yield
        finally:
            self._began += time.monotonic() - began

    @contextmanager
    def phase(self, phase: Phase) -> Iterator[PhaseNote]:
        """Report `phase` as started, then as done or, when an exception leaves the block, as failed."""
        note, state, began = PhaseNote(), PhaseState.FAILED, time.monotonic()
        self.emit(PhaseChanged(phase, PhaseState.STARTED))
        try:
            yield note
            state = PhaseState.SKIPPED if note.skipped else PhaseState.DONE
        finally:
            self.emit(PhaseChanged(phase, state, round(time.monotonic() - began, 3), note.detail))

    def skip(self, phase: Phase, why: str) -> None:
        """Report that `phase` has nothing to do."""
        self.emit(PhaseChanged(phase, PhaseState.SKIPPED, 0.0, why))

    def notice(self, code: str, text: str, level: str = "info") -> None:
        """Report information or a warning."""
        self.emit(Notice(code, text, level))

    def waiting(self, phase: Phase, attempt: int, reason: str, next_in: float) -> None:
        """Report that something is not ready yet; `next_in` is in seconds."""
        self.emit(Waiting(phase, attempt, reason, round(next_in, 3)))
