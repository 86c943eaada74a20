"""A pause that ends by its deadline, whatever the thread that asked for it is waiting for.

The main thread may block in a write to a terminal that was stopped with Ctrl-S, or in an fsync(2). Clients of the pool must
not wait for that, so a thread lifts the pause.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from dbswitch.errors import PoolerError
from dbswitch.pools.pooler import console

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dbswitch.pools.pooler import Pooler

_STEP_LIMIT: Final = 2.0  # seconds that a step which is being carried out may still take


class PauseWatchdog:
    """Resumes `poolers` when `seconds` have passed since :meth:`begin`, unless :meth:`end` was called before."""

    def __init__(self, poolers: Sequence[Pooler], seconds: float) -> None:
        self._poolers = poolers
        self._seconds = seconds
        self._ended = threading.Event()
        self._step = threading.Lock()
        self._expired = False

    def begin(self) -> None:
        """Start the thread; call it before the first PAUSE."""
        threading.Thread(target=self._watch, daemon=True).start()

    def end(self) -> None:
        """Stop watching: nothing is paused any more, or the rollback is lifting the pause."""
        self._ended.set()

    @contextmanager
    def step(self) -> Iterator[None]:
        """Carry out the block as one step of the switch, which the thread does not interrupt.

        Raises PoolerError: the deadline has passed and the pause is lifted.
        """
        with self._step:
            if self._expired:
                raise PoolerError(
                    f"the pool was paused for {self._seconds:g} s, longer than it may be",
                    facts=("the pause was lifted",),
                    why="clients wait while a pool is paused, and PgBouncer disconnects those that wait for too long",
                    fix="switch again; if it happens again, see what the machine was busy with",
                )
            yield

    def _watch(self) -> None:
        if self._ended.wait(self._seconds):
            return
        held = self._step.acquire(timeout=_STEP_LIMIT)
        self._expired = True
        try:
            for pooler in self._poolers:
                with suppress(PoolerError), console(pooler) as opened:
                    opened.resume()
        finally:
            if held:
                self._step.release()
