"""The errors of a failed run: what was restored, what was not, and which command finishes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbswitch.errors import (
    DbswitchError,
    InterruptedSwitchError,
    RollbackFailedError,
    RolledBackError,
    ServerError,
)
from dbswitch.switch.undo_stack import Part

if TYPE_CHECKING:
    from collections.abc import Sequence


def is_told_as_it_is(cause: BaseException, touched: Sequence[Part]) -> bool:
    """Return whether the cause alone describes the failure once `touched` is restored.

    True for an interruption, a bug, and a failed server command, which never changes env files.
    """
    if not isinstance(cause, DbswitchError):
        return True
    return isinstance(cause, ServerError) and Part.FILES not in touched


def tell_interruption(cause: BaseException, done: Sequence[str], previous: str | None) -> None:
    """Add to an interruption what it left: `done` says what was restored."""
    if isinstance(cause, InterruptedSwitchError):
        still = f"; the project is still on {previous}" if previous is not None else ""
        cause.facts = (*done, "nothing is left changed" if done else f"nothing was changed{still}")


def rolled_back(cause: BaseException, done: Sequence[str]) -> RolledBackError:
    """Return the error of a run that was rolled back; `done` says what was restored."""
    assert isinstance(cause, DbswitchError)
    # A journal that the first attempt kept was completed by the rollback.
    facts = () if isinstance(cause, RollbackFailedError) else cause.facts
    return RolledBackError(
        f"the switch was rolled back: {cause.what.rstrip('.')}",
        facts=(*facts, *done),
        why=cause.why,
        fix=cause.fix,
    )


def not_rolled_back(
    cause: BaseException,
    error: BaseException,
    left: Sequence[Part],
    done: Sequence[str],
    previous: str | None,
) -> RollbackFailedError:
    """Return the error for a rollback that failed with `error`; `left` are the parts that were not restored, that one first."""
    half = isinstance(error, RollbackFailedError)  # of the env transaction, which has kept its journal
    state = [_STATE[part] for part in left if part is not Part.SERVER or Part.NEW_SERVER not in left]
    if half:
        state[0] = "some env files may hold the new values and some the previous ones"
    facts, fix = (error.facts, error.fix) if isinstance(error, DbswitchError) else ((), "")
    finishes = (
        "finishes the change of the env files and starts the server"
        if half
        else "starts the server on the values in the env files"
    )
    back = f"; `dbswitch {previous}` goes back to {previous}" if previous is not None else ""
    return RollbackFailedError(
        "the switch failed, and so did the rollback",
        facts=(_sentence("first", cause), _sentence("then", error), *facts, *done),
        why="; ".join(state) or "the app may be on another database than the env files say",
        fix=f"{fix or 'fix the cause'}; then `dbswitch restart` {finishes}{back}",
    )


_STATE = {
    Part.NEW_SERVER: "the dev server that was started could not be stopped",
    Part.FILES: "the env files hold the new values",
    Part.SERVER: "the dev server is down",
}


def _sentence(when: str, error: BaseException) -> str:
    match error:
        case DbswitchError():
            return f"{when}: {error.what}"
        case OSError(filename=name, strerror=text):
            return f"{when}: {name or 'the system'}: {text}"
        case _:
            return f"{when}: {type(error).__name__}"
