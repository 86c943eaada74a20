"""HTTP requests to the server: only an answer from the app counts, not an open port or a line in the log.

Every living development server (Next.js 16.0.7 and 16.4.6) answers `alive_path` with 200 within milliseconds. Where it does, a
404 or 5xx for another path is the app's own business; where it fails too, the server is half-dead.
"""

from __future__ import annotations

import contextlib
import select
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from dbswitch.durable import read_object
from dbswitch.server.state import Reply

if TYPE_CHECKING:
    from http.client import HTTPConnection

    from dbswitch.server.spec import ServerSpec

_NOT_FOUND = 404
_FAILING = 500
_SLICE = 0.25  # seconds between two checks whether to continue waiting
_HANDSHAKE = 5.0  # seconds to connect with TLS
_HEADERS = {"Accept": "text/html,*/*", "Connection": "close"}


class NoAnswerError(Exception):
    """No HTTP answer: `connected` says whether the connection was accepted."""

    def __init__(self, reason: str, *, connected: bool) -> None:
        super().__init__(reason)
        self.connected = connected


def connection_to(host: str, port: int, timeout: float, *, https: bool) -> HTTPConnection:
    """Return a connection to the app, not opened yet; `timeout` in seconds bounds the connection and each read."""
    from http.client import HTTPConnection, HTTPSConnection  # 30 ms that a stop need not pay

    if not https:
        return HTTPConnection(host, port, timeout=timeout)
    import ssl

    # `next dev --experimental-https` on this machine signs its certificate itself.
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return HTTPSConnection(host, port, timeout=timeout, context=context)


def _connection(spec: ServerSpec, port: int) -> HTTPConnection:
    return connection_to(spec.hostname, port, _HANDSHAKE if spec.https else _SLICE, https=spec.https)


def get(
    spec: ServerSpec, port: int, path: str, seconds: float, *, go_on: Callable[[], bool] = lambda: True
) -> int:
    """Return the status of one GET within `seconds`; redirects are answers. Waiting ends when `go_on` returns False.

    Raises NoAnswerError: refused, closed, silent, or no longer worth waiting for.
    """
    from http.client import HTTPException

    connection = _connection(spec, port)
    connected = False
    try:
        connection.connect()
        connected = True
        connection.request("GET", path, headers=_HEADERS)
        _wait_for_bytes(connection, seconds, go_on)
        connection.sock.settimeout(max(_SLICE, seconds))
        return connection.getresponse().status
    except TimeoutError:
        raise NoAnswerError(f"no answer within {seconds:g} s", connected=connected) from None
    except (OSError, HTTPException) as error:
        text = "refuses connections" if isinstance(error, ConnectionRefusedError) else type(error).__name__
        raise NoAnswerError(text, connected=connected) from None
    finally:
        connection.close()


def _wait_for_bytes(connection: HTTPConnection, seconds: float, go_on: Callable[[], bool]) -> None:
    """Wait until the answer begins. Raises TimeoutError, also when `go_on` says that waiting makes no sense."""
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        if select.select([connection.sock], [], [], min(left, _SLICE))[0]:
            return
        if not go_on():
            break
    raise TimeoutError


class PageRequest:
    """The first page, asked for in the background so that it is compiled before the user opens it."""

    def __init__(self, spec: ServerSpec, port: int) -> None:
        path = base_path(spec) + "/"
        self.url = spec.url(port, path)
        self._connection = _connection(spec, port)
        self._connection.timeout = spec.limits.request
        with contextlib.suppress(OSError):
            self._connection.request("GET", path, headers=_HEADERS)

    @property
    def failure(self) -> int | None:
        """The status of an answer that is a failure and has arrived; None otherwise. Ask once: the answer is read."""
        from http.client import HTTPException

        sock = self._connection.sock
        with contextlib.suppress(OSError, HTTPException):
            if sock is not None and select.select([sock], [], [], 0)[0]:
                status = self._connection.getresponse().status
                return status if status >= _FAILING else None
        return None

    def __del__(self) -> None:
        connection = getattr(self, "_connection", None)
        if connection is not None:  # else a signal has ended __init__
            connection.close()


def alive(spec: ServerSpec, port: int) -> bool:
    """Say whether a Next.js development server answers on its own path. Raises NoAnswerError."""
    if spec.alive_path is None:
        return False
    return get(spec, port, base_path(spec) + spec.alive_path, spec.limits.ask) < _NOT_FOUND


def judge(spec: ServerSpec, port: int) -> Reply:
    """Ask a server that should be up and classify its answers; Next's own path first, since it is cheap."""
    try:
        if alive(spec, port):
            return Reply.ALIVE
        status = get(spec, port, spec.first_page, spec.limits.ask)
    except NoAnswerError:
        return Reply.NONE
    # Without a path of Next's own a 404 is an answer like any other: the app may have no page there.
    failing = status >= _FAILING or (status == _NOT_FOUND and spec.alive_path is not None)
    return Reply.NOTHING_WORKS if failing else Reply.ALIVE


def base_path(spec: ServerSpec) -> str:
    """Return Next's `basePath`, as the development server recorded it; empty if there is none."""
    for manifest in (spec.dist_dir / "dev" / "routes-manifest.json", spec.dist_dir / "routes-manifest.json"):
        if recorded := read_object(manifest):
            value = recorded.get("basePath", "")
            return value if isinstance(value, str) else ""
    return ""
