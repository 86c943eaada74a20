"""Keep Python's signal handlers out of a short critical section.

A handler may raise at any bytecode, and pthread_sigmask alone does not help: a signal that arrives in another thread
still runs its Python handler in the main one (signal, "Signals and threads"). So every Python handler is replaced by
one that remembers, and what was remembered is raised again at the end. Handlers that are not Python's are left alone:
SIG_DFL ends the process, and that is what the journal is for.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType


@contextlib.contextmanager
def signals_held() -> Iterator[None]:
    """Run the body with no signal handler of Python's; signals that came in are delivered afterwards.

    Meant for milliseconds. Outside the main thread it does nothing, since handlers never run there.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []

    def remember(number: int, _frame: FrameType | None) -> None:
        came.append(number)

    def deliver() -> None:
        with contextlib.ExitStack() as each:  # one handler that raises must not swallow the next signal
            for number in dict.fromkeys(came):
                each.callback(signal.raise_signal, number)

    before = {
        number: handler for number in signal.valid_signals() if callable(handler := signal.getsignal(number))
    }
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    with contextlib.ExitStack() as undo:
        undo.callback(deliver)
        undo.callback(signal.pthread_sigmask, signal.SIG_SETMASK, mask)
        for number, handler in before.items():
            # Registered first: a handler that raises in between must not leave `remember` behind.
            undo.callback(signal.signal, number, handler)
            signal.signal(number, remember)
        try:
            yield
        finally:
            # Until all handlers are back: one that raises would cut the putting back short.
            signal.pthread_sigmask(signal.SIG_BLOCK, before)
