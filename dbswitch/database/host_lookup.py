"""Look up a host name within a time limit.

getaddrinfo(3) has no limit of its own and cannot be cancelled, so it runs in a daemon thread.
"""

from __future__ import annotations

import queue
import socket
import threading
import time
from typing import Final

from dbswitch.database.failures import AttemptError, Evidence, Stage, classify

_NAMES: Final = {
    getattr(socket, name): name
    for name in ("EAI_AGAIN", "EAI_FAIL", "EAI_NODATA", "EAI_NONAME")
    if hasattr(socket, name)
}
_Answer = tuple[str, ...] | OSError | UnicodeError


class Resolver:
    """Looks up one host, repeatedly; at most one lookup runs at a time."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._answers: queue.SimpleQueue[_Answer] = queue.SimpleQueue()
        self._under_way = False

    def addresses(self, until: float) -> tuple[str, ...]:
        """Return the host's addresses in the system's order, which is Node's too.

        Args:
            until: give up at this time (`time.monotonic()`).

        Raises:
            AttemptError: unknown, a temporary failure of the lookup, or no answer in time.
        """
        if _is_address(self._host):
            return (self._host,)
        if not self._under_way:
            self._under_way = True
            threading.Thread(target=self._look_up, name="dbswitch-resolve", daemon=True).start()
        try:
            answer = self._answers.get(timeout=max(0.0, until - time.monotonic()))
        except queue.Empty:
            raise AttemptError(classify(Evidence(Stage.RESOLVE, timed_out=True))) from None
        self._under_way = False
        if isinstance(answer, tuple):
            if answer:
                return answer
            raise AttemptError(classify(Evidence(Stage.RESOLVE, "no addresses", resolver="EAI_NODATA")))
        # A label that is too long or empty does not even reach the system's resolver.
        code = _NAMES.get(answer.errno) if isinstance(answer, OSError) else "EAI_NONAME"
        raise AttemptError(classify(Evidence(Stage.RESOLVE, str(answer.args[-1]), resolver=code)))

    def _look_up(self) -> None:
        try:
            found = socket.getaddrinfo(self._host, None, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            self._answers.put(error)
        else:
            self._answers.put(tuple(dict.fromkeys(str(entry[4][0]) for entry in found)))


def _is_address(host: str) -> bool:
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
        except OSError:
            continue
        return True
    return False
