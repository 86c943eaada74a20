"""Ctrl-C, TERM and HUP during a switch: an exception where stopping is safe, deferred elsewhere.

During a rollback, and once a signal has raised, they are only acknowledged: putting things back must not be cut short by a
second Ctrl-C, or by the second HUP of a closed terminal.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Self

from dbswitch.errors import InterruptedSwitchError

# HUP: the terminal was closed; it ends a switch like TERM does, with a rollback.
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupts:
    """Handles the signals of one switch while it is entered; `on_ignored` is called for one that is only acknowledged."""

    # A signal that the process was told to ignore (nohup, a background job of a shell) stays ignored. Outside the main
    # thread nothing is handled, since Python runs handlers only there. `on_ignored` runs inside a signal handler, so perhaps
    # in the middle of a write.

    def __init__(self, on_ignored: Callable[[], None] = lambda: None) -> None:
        self._on_ignored = on_ignored
        self._deferred = 0
        self._rolling_back = 0
        self._pending: signal.Signals | None = None
        self._raised = False
        self._before: dict[signal.Signals, Callable[..., None] | int] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                before = signal.getsignal(number)
                if before not in {signal.SIG_IGN, None}:
                    self._before[number] = before
                    signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        """Restore the signal handlers; a deferred signal is dropped, since the switch has ended."""
        self._deferred += 1  # an exception from here would leave a handler behind
        for number, before in self._before.items():
            if signal.getsignal(number) == self._handle:  # else another handler was installed in the meantime
                signal.signal(number, before)

    def check(self) -> None:
        """Raise for a remembered signal. Raises InterruptedSwitchError."""
        if self._pending is not None and not self._deferred and not self._rolling_back:
            self._raise(self._pending)

    @contextlib.contextmanager
    def deferred(self) -> Iterator[None]:
        """Defer signals until the block ends; an exception of its own wins. Raises InterruptedSwitchError: at the end."""
        self._deferred += 1
        try:
            yield
        finally:
            self._deferred -= 1
        self.check()

    def settle(self) -> None:
        """Ignore signals from now on: the work is done, and only the report is left."""
        self._deferred += 1

    @contextlib.contextmanager
    def rolling_back(self) -> Iterator[None]:
        """Only acknowledge signals in the block: it is the rollback, which answers the earlier one."""
        self._rolling_back += 1
        try:
            yield
        finally:
            self._pending = None
            self._rolling_back -= 1

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        came = signal.Signals(number)
        if self._rolling_back or self._raised:
            with contextlib.suppress(RuntimeError):
                self._on_ignored()
        elif self._deferred:
            self._pending = came
        else:
            self._raise(came)

    def _raise(self, came: signal.Signals) -> None:
        self._pending = None
        self._raised = True
        raise InterruptedSwitchError(terminated=came is not signal.SIGINT)
