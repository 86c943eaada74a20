"""The rollback of a failed run: each step registers its compensation where it acts, and the errors say what came of it.

The stack alone tells what was restored (`done`) and what was not (`parts`); `docs/architecture.md` has the table of what
follows from it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from dbswitch.errors import (
    DatabaseNotReadyError,
    DatabaseRejectedError,
    DbswitchError,
    InterruptedSwitchError,
    RollbackFailedError,
    RolledBackError,
    ServerError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class Part(StrEnum):
    """What a step touches."""

    PAUSE = "pause of the pool"
    POOLERS = "poolers"
    NEW_SERVER = "new server"
    FILES = "env files"
    SERVER = "server"


class UndoStack:
    """Compensations, the last registered first. One that fails ends the rollback, since the next ones rely on it."""

    def __init__(self) -> None:
        self._entries: list[tuple[Part, Callable[[], str]]] = []
        self.done: list[str] = []

    def register(self, part: Part, compensation: Callable[[], str], *, last: bool = False) -> None:
        """Register a compensation; it returns a description of what it restored.

        `last`: after all others. The old server starts after the files are restored, even if they were changed first.
        """
        self._entries.insert(0 if last else len(self._entries), (part, compensation))

    def discard(self, part: Part) -> None:
        """Forget a compensation: its step has changed nothing."""
        self._entries = [entry for entry in self._entries if entry[0] is not part]

    @property
    def parts(self) -> tuple[Part, ...]:
        """What is still to be rolled back, in that order."""
        return tuple(part for part, _ in reversed(self._entries))

    def unwind(self) -> None:
        """Roll everything back. Raises what a compensation raises; it and those below it stay registered."""
        while self._entries:
            text = self._entries[-1][1]()
            self._entries.pop()
            if text:
                self.done.append(text)


def is_told_as_it_is(cause: BaseException, touched: Sequence[Part]) -> bool:
    """Return whether the cause alone describes the failure once `touched` is restored.

    True for an interruption, a bug, and a failed server command, which never changes env files.
    """
    if not isinstance(cause, DbswitchError):
        return True
    return isinstance(cause, ServerError) and Part.FILES not in touched


def tell_what_is_left(cause: BaseException, done: Sequence[str], previous: str | None) -> None:
    """Add to an interruption, or to the failure of a database, what it left: `done` says what was restored."""
    still = f"; the project is still on {previous}" if previous is not None else ""
    if isinstance(cause, InterruptedSwitchError):
        cause.facts = (*done, "nothing is left changed" if done else f"nothing was changed{still}")
    elif isinstance(cause, DatabaseNotReadyError | DatabaseRejectedError) and not done:
        cause.facts = (*cause.facts, f"nothing was changed{still}")


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
    cause: BaseException, error: BaseException, undo: UndoStack, previous: str | None
) -> RollbackFailedError:
    """Return the error for a rollback that failed with `error`."""
    left = undo.parts
    state = [_STATE[part] for part in left if part is not Part.SERVER or Part.NEW_SERVER not in left]
    finishes = "starts the server on the values in the env files"
    if isinstance(error, RollbackFailedError):  # of the env transaction, which has kept its journal
        state[0] = "some env files may hold the new values and some the previous ones"
        finishes = "finishes the change of the env files and starts the server"
    fix = error.fix if isinstance(error, DbswitchError) else ""
    back = f"; `dbswitch {previous}` goes back to {previous}" if previous is not None else ""
    return failed_twice(
        cause,
        error,
        undo.done,
        why="; ".join(state) or "the app may be on another database than the env files say",
        fix=f"{fix or 'fix the cause'}; then `dbswitch restart` {finishes}{back}",
    )


def failed_twice(
    cause: BaseException, error: BaseException, done: Sequence[str], *, why: str, fix: str
) -> RollbackFailedError:
    """Return the error for a rollback after `cause` that failed with `error`."""
    facts = error.facts if isinstance(error, DbswitchError) else ()
    return RollbackFailedError(
        "the switch failed, and so did the rollback",
        facts=(_sentence("first", cause), _sentence("then", error), *facts, *done),
        why=why,
        fix=fix,
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
