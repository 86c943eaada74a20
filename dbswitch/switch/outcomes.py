"""The outcome and exit code of an expected failure. Imports little, since every command may fail."""

from __future__ import annotations

from dbswitch.errors import DbswitchError, ExitCode, InterruptedSwitchError, OvertakenError
from dbswitch.switch.events import Outcome


def exit_of(error: DbswitchError) -> ExitCode:
    """Return the exit code of an expected failure; for an interruption it depends on the signal."""
    if isinstance(error, InterruptedSwitchError) and error.terminated:
        return ExitCode.TERMINATED
    return error.exit_code


def outcome_of(error: DbswitchError) -> Outcome:
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
