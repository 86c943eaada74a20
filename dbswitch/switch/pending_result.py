"""The result of a run while it is in progress, and the final result built from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dbswitch.errors import ExitCode
from dbswitch.switch.events import ErrorInfo, Outcome, Result
from dbswitch.switch.outcomes import outcome_of
from dbswitch.switch.plan import Mode

if TYPE_CHECKING:
    from dbswitch.database.identity import Identity
    from dbswitch.errors import ReportedError
    from dbswitch.switch.reporter import Reporter


@dataclass(slots=True)
class PendingResult:
    """The facts so far; an expected failure is stored in `error`."""

    target: str
    previous: str | None = None
    mode: str = Mode.NONE.value
    outcome: Outcome = Outcome.SWITCHED
    identity: Identity | None = None
    address: str = ""  # of that database, for display
    verified: bool | None = None
    error: ReportedError | None = None

    def result(self, reporter: Reporter) -> Result:
        """Return the last event of the run."""
        error = self.error
        return Result(
            id=reporter.run_id,
            outcome=self.outcome if error is None else outcome_of(error),
            exit=int(ExitCode.OK if error is None else error.exit_code),
            target=self.target,
            previous=self.previous,
            mode=self.mode,
            seconds=reporter.seconds,
            verified=self.verified if error is None else None,
            identity={}
            if self.identity is None or error is not None
            else {**self.identity.to_json(), "address": self.address},
            error=None
            if error is None
            else ErrorInfo(error.code, error.what, error.facts, error.why, error.fix),
        )
