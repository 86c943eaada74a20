"""Look up a host name within a time limit.

getaddrinfo(3) has no limit of its own and cannot be cancelled, so it runs in a daemon thread; a later call for the same
host waits for the lookup that is still under way.
"""

from __future__ import annotations

import socket
import threading
import time
from typing import TYPE_CHECKING, Final

from dbswitch.database.failures import AttemptError, FailureKind

if TYPE_CHECKING:
    from concurrent.futures import Future

_UNKNOWN: Final = {getattr(socket, name, None) for name in ("EAI_NONAME", "EAI_NODATA")}
_under_way: dict[str, Future[tuple[str, ...]]] = {}


def addresses(host: str, until: float) -> tuple[str, ...]:
    """Return the host's addresses in the system's order; give up at `until` (`time.monotonic()`). Raises AttemptError."""
    from concurrent.futures import Future  # it imports logging

    future = _under_way.get(host)
    if future is None:
        future = _under_way[host] = Future()
        threading.Thread(target=_look_up, args=(host, future), name="dbswitch-resolve", daemon=True).start()
    try:
        return future.result(max(0.0, until - time.monotonic()))
    except TimeoutError:
        raise AttemptError(FailureKind.NAME_LOOKUP) from None
    except OSError as error:
        kind = FailureKind.NAME_UNKNOWN if error.errno in _UNKNOWN else FailureKind.NAME_LOOKUP
        raise AttemptError(kind, str(error.args[-1])) from None
    except UnicodeError as error:
        # A label that is too long or empty does not even reach the system's resolver.
        raise AttemptError(FailureKind.NAME_UNKNOWN, str(error.args[-1])) from None
    finally:
        if future.done():
            _under_way.pop(host, None)


def _look_up(host: str, future: Future[tuple[str, ...]]) -> None:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        if not found:
            raise socket.gaierror(socket.EAI_NONAME, "no addresses")
    except (OSError, UnicodeError) as error:
        future.set_exception(error)
    else:
        future.set_result(tuple(dict.fromkeys(str(entry[4][0]) for entry in found)))
