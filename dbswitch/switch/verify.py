"""Ask the running app, through its own Prisma client, which database it is on, until the answer is final.

The answer is compared with what psycopg saw on the target. Nothing else counts as proof: the env files only say where
the app *should* be. After a change of an env file Next.js reloads its environment, and a request that arrives in that
moment can be answered with 404 seven seconds later, while requests sent 0.1 s after it are answered at once. So the app
is asked again while an earlier request is still pending, and the first answer that is final counts.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from typing import TYPE_CHECKING, Self

from msgspec.structs import replace

from dbswitch.durable import read_regular
from dbswitch.switch.identity_request import NOT_ASKABLE, IdentityAnswer, IdentityQuestion, Said, ask, connect

if TYPE_CHECKING:
    from collections.abc import Callable
    from http.client import HTTPConnection
    from pathlib import Path


TOKEN = "token"  # noqa: S105  a file's name
FIRST_PAUSE = 0.01
LONGEST_PAUSE = 0.25
OVERLAP = 0.15  # seconds after which the app is asked again although the last request is pending
MANY_PENDING = 6  # from then on the app is asked once a second: more requests do not help a busy app
SLOW_OVERLAP = 1.0
MOST_PENDING = 10
# An answer that stays the same for this many seconds and requests is final. Once the env file is renamed the
# generated client follows with its next query.
SETTLED = {IdentityAnswer.OTHER: 3.0, IdentityAnswer.NO_DATABASE: 10.0, IdentityAnswer.SILENT: 10.0}
SETTLED_ANSWERS = 8
RESTARTED = 1.0  # seconds for an answer that differs in the start of the database server only


def verify(
    question: IdentityQuestion,
    *,
    deadline: float,
    route_answered: bool = False,
    on_wait: Callable[[int, str, float], None] = lambda _attempt, _reason, _pause: None,
) -> Said:
    """Ask until the app answers as `question.expected`, an answer is final, or `deadline` seconds have passed.

    What waiting cannot change ends it at once: a refused token, a route that cannot ask. With `route_answered` the route
    is known to be there, and a 404 counts as no answer; else a missing route may still be compiling.
    """
    with _Asking(question, deadline, on_wait, route_answered=route_answered) as asking:
        return asking.run()


class _Asking:
    """The state of one call of :func:`verify`: the pending requests and what was answered so far."""

    def __init__(
        self,
        question: IdentityQuestion,
        deadline: float,
        on_wait: Callable[[int, str, float], None],
        *,
        route_answered: bool,
    ) -> None:
        self._question = question
        self._began = time.monotonic()
        self._end = self._began + deadline
        self._on_wait = on_wait
        self._route_answered = route_answered
        self._answers: queue.SimpleQueue[Said] = queue.SimpleQueue()
        self._pending: set[HTTPConnection] = set()
        self._last = Said(IdentityAnswer.SILENT, "the app did not answer (TimeoutError)")
        self._since = self._began  # of the answer that repeats
        self._repeated = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Give up what is pending: shutting a socket down ends the read of the thread that waits on it."""
        import socket

        for connection in tuple(self._pending):
            if (sock := connection.sock) is not None:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)

    def run(self) -> Said:
        attempt, pause, next_at = 0, FIRST_PAUSE, self._began
        while (now := time.monotonic()) < self._end or attempt == 0:
            if now >= next_at:
                if len(self._pending) < MOST_PENDING:
                    attempt += 1
                    self._send()
                next_at = now + (OVERLAP if len(self._pending) < MANY_PENDING else SLOW_OVERLAP)
            try:
                said = self._answers.get(timeout=max(0.001, min(next_at, self._end) - time.monotonic()))
            except queue.Empty:
                continue
            if self._is_final(self._take(said)):
                break
            self._on_wait(attempt, self._last.detail, pause)
            next_at = time.monotonic() + pause
            pause = min(pause * 2, LONGEST_PAUSE)
        return replace(self._last, seconds=round(time.monotonic() - self._began, 3))

    def _send(self) -> None:
        # Until the deadline: further requests are sent in parallel, and an app that compiles or is busy may take long.
        connection = connect(self._question, max(0.1, self._end - time.monotonic()))
        self._pending.add(connection)

        def work() -> None:
            said = ask(self._question, connection)
            self._pending.discard(connection)
            self._answers.put(said)

        threading.Thread(target=work, name="dbswitch-identity", daemon=True).start()

    def _take(self, said: Said) -> Said:
        if said.answer is IdentityAnswer.NO_ROUTE and self._route_answered:
            said = Said(
                IdentityAnswer.SILENT, "the identity route answers HTTP 404, but answered before", None, 404
            )
        if said == self._last:
            self._repeated += 1
        else:
            self._since, self._repeated = time.monotonic(), 1
        self._last = said
        return said

    def _is_final(self, said: Said) -> bool:
        if said.answer is IdentityAnswer.NO_ROUTE:
            return False
        if said.answer is IdentityAnswer.SAME or said.answer in NOT_ASKABLE:
            return True
        if said.status is None:  # no answer: it may be starting
            return False
        expected = self._question.expected
        restarted = said.seen is not None and expected is not None and said.seen.restart_of(expected)
        enough = RESTARTED if restarted else SETTLED[said.answer]
        return self._repeated >= SETTLED_ANSWERS and time.monotonic() - self._since >= enough


def read_token(state_dir: Path) -> str:
    """Return the project's token, or an empty string where `dbswitch init` has not written one."""
    try:
        return read_regular(state_dir / TOKEN).decode("ascii").strip()
    except (OSError, ValueError):
        return ""
