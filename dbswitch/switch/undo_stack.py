"""The rollback of a failed run: each step registers its compensation where it acts.

The stack alone tells what was restored (`done`) and what was not (`parts`); `docs/architecture.md` has the table of what
follows from it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


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
