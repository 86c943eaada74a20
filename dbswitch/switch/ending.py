"""How a run ends: what is known about it so far, and the result made from it whatever happens."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dbswitch.errors import DbswitchError, ExitCode, interruption_behind
from dbswitch.switch.events import ErrorInfo, Outcome, Result, Started
from dbswitch.switch.interrupts import Interrupts
from dbswitch.switch.outcomes import exit_of, outcome_of
from dbswitch.switch.plan import Mode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dbswitch.database.identity import Identity
    from dbswitch.switch.reporter import Reporter


@dataclass(slots=True)
class Ending:
    """What is known about the end so far; the result is made from it whatever happens."""

    target: str
    previous: str | None = None
    mode: str = Mode.NONE.value
    outcome: Outcome = Outcome.SWITCHED
    identity: Identity | None = None
    verified: bool | None = None
    error: DbswitchError | None = None

    def result(self, reporter: Reporter) -> Result:
        """Return the last event of the run."""
        error = self.error
        return Result(
            id=reporter.run_id,
            outcome=self.outcome if error is None else outcome_of(error),
            exit=int(ExitCode.OK if error is None else exit_of(error)),
            target=self.target,
            previous=self.previous,
            mode=self.mode,
            seconds=reporter.seconds,
            verified=self.verified if error is None else None,
            identity={} if self.identity is None or error is not None else self.identity.to_json(),
            error=None
            if error is None
            else ErrorInfo(error.code, error.what, error.facts, error.why, error.fix),
        )


class Settled:
    """Keeps the expected failure of its body in `ending`; a bug passes. From its end on no signal counts any more.

    A class, since a generator that catches what is raised before its `yield` cannot end quietly.
    """

    def __init__(self, ending: Ending, interrupts: Interrupts) -> None:
        self._ending = ending
        self._interrupts = interrupts

    def __enter__(self) -> None:
        """Begin; nothing is taken over yet."""

    def __exit__(self, _type: object, error: BaseException | None, _traceback: object) -> bool:
        """Keep an expected failure; what is left is to report it, and that must not be cut short."""
        self._interrupts.settle()
        expected = error if isinstance(error, DbswitchError) else None
        if isinstance(error, Exception) and expected is None:
            expected = interruption_behind(error)
        if expected is not None:
            self._ending.error = expected
        return expected is not None


@contextlib.contextmanager
def begun(reporter: Reporter, ending: Ending) -> Iterator[Interrupts]:
    """Turn signals into errors while the body runs, its report included, and emit the first event.

    Raises:
        InterruptedSwitchError: a signal came in at a moment that can be interrupted.
    """
    with Interrupts(
        on_ignored=lambda: reporter.notice("rolling-back", "still putting things back")
    ) as interrupts:
        reporter.emit(Started(reporter.run_id, ending.target, time.time()))
        yield interrupts
