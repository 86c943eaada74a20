"""The outcome of an expected failure. Imports little, since every command may fail."""

from __future__ import annotations

from dbswitch.errors import ExitCode, OvertakenError, ReportedError
from dbswitch.switch.events import Outcome


def outcome_of(error: ReportedError) -> Outcome:
    """Return the outcome of an expected failure."""
    if isinstance(error, OvertakenError):
        return Outcome.OVERTAKEN
    match error.exit_code:
        case ExitCode.BUSY:
            return Outcome.BUSY
        case ExitCode.ROLLED_BACK:
            return Outcome.ROLLED_BACK
        case ExitCode.ROLLBACK_FAILED:
            return Outcome.ROLLBACK_FAILED
        case ExitCode.PROTECTED:
            return Outcome.REFUSED
        case ExitCode.INTERRUPTED | ExitCode.TERMINATED:
            return Outcome.INTERRUPTED
        case _:
            return Outcome.FAILED
