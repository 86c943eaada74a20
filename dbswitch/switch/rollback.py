"""The frame of a run's steps: each registers its compensation where it acts, and a failure carries them out."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from typing import TYPE_CHECKING

from dbswitch import errors
from dbswitch.switch import recovery
from dbswitch.switch.events import Phase
from dbswitch.switch.recovery import SwitchRecord
from dbswitch.switch.session import Session

if TYPE_CHECKING:  # a switch without a pool imports nothing of it
    from dbswitch.pools.config_files import PoolRecord


class Part(Enum):
    """What a step touches; the value says what is left if it is not undone."""

    CLIENTS = "the clients of the pool may be on a different database than before"
    PAUSE = "the pool may still be paused"
    POOLERS = "a pooler may lead to the new database"
    CONFIG_FILES = "the configuration files may hold the new line"
    NEW_SERVER = "the dev server that was started could not be stopped"
    FILES = "the env files hold the new values"
    SERVER = "the dev server is down"


class UndoStack:
    """Compensations, the last registered first. One that fails ends the rollback, since the next ones rely on it."""

    def __init__(self) -> None:
        self._entries: list[tuple[Part, Callable[[], str]]] = []
        self.done: list[str] = []

    def register(self, part: Part, compensation: Callable[[], str], *, last: bool = False) -> None:
        """Register a compensation, which returns what it restored as text; `last`: it is carried out after all others.

        The old server starts after the files are restored, even if they were changed first.
        """
        self._entries.insert(0 if last else len(self._entries), (part, compensation))

    def discard(self, *parts: Part) -> None:
        """Forget compensations: their steps have changed nothing."""
        self._entries = [entry for entry in self._entries if entry[0] not in parts]

    @property
    def parts(self) -> tuple[Part, ...]:
        """What is still to be rolled back, in that order."""
        return tuple(part for part, _ in reversed(self._entries))

    def note(self, text: str) -> None:
        """Say once what was restored."""
        if text and text not in self.done:
            self.done.append(text)

    def unwind(self) -> None:
        """Roll everything back. Raises what a compensation raises; it and those below it stay registered."""
        while self._entries:
            text = self._entries[-1][1]()
            self._entries.pop()
            self.note(text)


class RunSteps:
    """The steps of one run, its record included, which are undone together. `previous` is what the project was on."""

    def __init__(self, session: Session, previous: str | None) -> None:
        self.reporter, self.ending = session.reporter, session.ending
        self.undo = UndoStack()
        self._session = session
        self._private_dir = session.project.private_dir
        self._previous = previous
        self._recorded = False

    @contextmanager
    def undone_on_failure(self) -> Iterator[None]:
        """Run the steps of the block; if it raises, roll back what they did.

        Raises RolledBackError; RollbackFailedError (the record is kept); or what the block raises, nothing being changed.
        """
        interrupts = self._session.interrupts
        try:
            yield
            interrupts.settle()  # inside the block: a signal leads either to the rollback or to the end
        except BaseException as cause:
            with interrupts.rolling_back():
                self._go_back(cause)
            raise
        self._end()

    def _record(self, record: SwitchRecord | PoolRecord) -> None:
        """Make the next step durable before it is taken, so that a killed run can be finished. Raises ConfigError."""
        before, self._recorded = self._recorded, True  # first: a signal may interrupt the call
        try:
            recovery.write_record(self._private_dir, record)
        except errors.ConfigError:
            self._recorded = before
            raise

    def _go_back(self, cause: BaseException) -> None:
        """Roll everything back; return if the caller should see `cause` itself."""
        undo, touched = self.undo, self.undo.parts
        as_it_is = _is_told_as_it_is(cause, touched)
        try:
            if touched:
                with self.reporter.phase(Phase.ROLLBACK) as note:
                    undo.unwind()
                    if not as_it_is:
                        self._check_after_rollback(touched)
                    note.detail = "; ".join(undo.done)
        except (errors.DbswitchError, OSError) as error:
            why, fix = self._what_is_left(error)
            facts = error.facts if isinstance(error, errors.DbswitchError) else ()
            told = (_sentence("first", cause), _sentence("then", error), *facts, *undo.done)
            what = "the switch failed, and so did the rollback"
            raise errors.RollbackFailedError(what, facts=told, why=why, fix=fix) from cause
        except Exception as bug:
            # The signal that led here is in its context and would be mistaken for an interruption.
            bug.add_note(f"during the rollback after {type(cause).__name__}")
            bug.__context__ = None
            raise
        finally:
            if self._recorded and not undo.parts:  # else the record of an earlier run may still be needed
                self._end()
        if as_it_is:
            self._complete(cause)
            return
        assert isinstance(cause, errors.DbswitchError)
        # A journal that the first attempt kept was completed by the rollback.
        facts = () if isinstance(cause, errors.RollbackFailedError) else cause.facts
        told, what = (*facts, *undo.done), f"the switch was rolled back: {cause.what.rstrip('.')}"
        raise errors.RolledBackError(what, facts=told, why=cause.why, fix=cause.fix) from cause

    def _complete(self, cause: BaseException) -> None:
        """Add to an interruption, or to the failure of a database, what it left."""
        done = self.undo.done
        still = f"; the project is still on {self._previous}" if self._previous is not None else ""
        if isinstance(cause, errors.InterruptedSwitchError):
            cause.facts = (*done, "nothing is left changed" if done else f"nothing was changed{still}")
        elif isinstance(cause, errors.DatabaseNotReadyError | errors.DatabaseRejectedError) and not done:
            cause.facts = (*cause.facts, f"nothing was changed{still}")

    @abstractmethod
    def _end(self) -> None:
        """The run has ended, and a later command has nothing to finish."""

    def _check_after_rollback(self, touched: tuple[Part, ...]) -> None:
        """Find out whether everything is as it was. Raises ServerError: it is not."""

    @abstractmethod
    def _what_is_left(self, error: errors.DbswitchError | OSError) -> tuple[str, str]:
        """Return why a rollback that failed with `error` matters, and what helps."""


def _is_told_as_it_is(cause: BaseException, touched: tuple[Part, ...]) -> bool:
    """Return whether the cause alone describes the failure once `touched` is restored."""
    # So it is for an interruption, a bug, a failed server command, which never changes env files, and a pool that was only paused.
    if not isinstance(cause, errors.DbswitchError):
        return True
    if Part.FILES in touched or Part.CONFIG_FILES in touched:
        return False
    return isinstance(cause, errors.ServerError) or Part.SERVER not in touched


def _sentence(when: str, error: BaseException) -> str:
    if isinstance(error, errors.DbswitchError):
        return f"{when}: {error.what}"
    if isinstance(error, OSError):
        return f"{when}: {error.filename or 'the system'}: {error.strerror}"
    return f"{when}: {type(error).__name__}"
