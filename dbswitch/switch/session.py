"""One run of a command that changes something: its events, signals, lock and result."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dbswitch.errors import DbswitchError, InterruptedSwitchError, interruption_behind
from dbswitch.switch import project_state
from dbswitch.switch.events import Phase, Result, Started
from dbswitch.switch.interrupts import Interrupts
from dbswitch.switch.reporter import Reporter
from dbswitch.switch.run_lock import hold

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from dbswitch.errors import ReportedError
    from dbswitch.project.discovery import Project
    from dbswitch.switch.events import Event
    from dbswitch.switch.lock_file import Lease
    from dbswitch.switch.project_state import Observed
    from dbswitch.switch.request import Request


@dataclass(frozen=True, slots=True)
class Session:
    """What every command that changes something works with."""

    project: Project
    request: Request
    reporter: Reporter
    interrupts: Interrupts
    ending: Result

    def locked(self, target: str) -> AbstractContextManager[tuple[Lease, bool]]:
        """Hold the lock for the block; yields also whether a killed run owes a server. Raises as `hold`."""
        return hold(self.project, self.reporter, target=target)

    def observe(self, *, ask: bool = True, verify_later: bool = False) -> Observed:
        """Observe the project; raises as :func:`dbswitch.switch.project_state.look`."""
        with self.reporter.phase(Phase.OBSERVE) as note:
            observed = project_state.look(self.project, ask=ask, verify_later=verify_later)
            self.ending.previous = observed.previous
            note.detail = f"on {observed.previous or 'no known target'}, server {observed.server.state.value}"
        return observed


def carry_out(
    project: Project,
    request: Request,
    emit: Callable[[Event], None],
    body: Callable[[Session], None],
    keep: Callable[[Result], None] = lambda _result: None,
) -> Result:
    """Do `body` with signals turned into errors, and return the result, which is also the last event.

    `keep` is given the result before it is emitted. Other exceptions than expected failures propagate.
    """
    reporter, ending = Reporter(emit, request.run_id), Result(request.run_id, target=request.target)
    failure: ReportedError | None = None
    with Interrupts(on_ignored=lambda: reporter.notice("rolling-back", "still rolling back")) as interrupts:
        reporter.emit(Started(request.run_id, request.target, time.time()))
        try:
            try:
                body(Session(project, request, reporter, interrupts, ending))
            finally:
                interrupts.settle()  # only the report is left, which a signal must not interrupt
        except DbswitchError as error:
            failure = error
        except InterruptedSwitchError as error:
            failure = error
            error.facts = error.facts or ("nothing was changed",)
        except Exception as error:
            failure = interruption_behind(error)
            if failure is None:
                raise
        ending.seconds = reporter.seconds
        if failure is not None:
            ending.fail(failure)
        keep(ending)
        emit(ending)
        return ending
