"""Ask the running app, through its own Prisma client, which database it is on.

The generated route answers `GET <route>?identity=1` with the identity its own connection sees; that is compared with
what psycopg saw on the target. Nothing else counts as proof: the env files only say where the app *should* be.
"""

from __future__ import annotations

import json
import time
from enum import StrEnum
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from msgspec import Struct

from dbswitch.database.identity import Identity

if TYPE_CHECKING:
    from collections.abc import Callable
    from http.client import HTTPConnection
    from pathlib import Path

TOKEN_HEADER = "x-dbswitch-token"  # noqa: S105  the header's name, not a token
UNAUTHORIZED, FORBIDDEN, NOT_FOUND = 401, 403, 404
ATTEMPT_TIMEOUT = 10.0  # seconds; the first request after a start waits for the route to be compiled
FIRST_PAUSE = 0.01
LONGEST_PAUSE = 0.25


class Answer(StrEnum):
    """What the app said to one question."""

    SAME = "same"
    OTHER = "other"
    NO_DATABASE = "no database"
    NO_ROUTE = "no route"
    REFUSED = "refused"
    SILENT = "silent"


class Verification(Struct, frozen=True):
    """The last answer before the deadline; `detail` is one line for people, `seconds` how long asking took.

    `seen` is the identity the app gave, where it gave one.
    """

    answer: Answer
    detail: str
    seconds: float
    seen: Identity | None = None

    @property
    def verified(self) -> bool:
        """Whether the app itself answered as the target."""
        return self.answer is Answer.SAME

    @property
    def outcome(self) -> bool | None:
        """True: it answered as the target; False: it did not; None: it could not be asked."""
        return None if self.answer in {Answer.NO_ROUTE, Answer.REFUSED} else self.verified


class Said(Struct, frozen=True):
    """One answer of the app: what it amounts to, in words for people, and the identity it gave."""

    answer: Answer
    detail: str
    seen: Identity | None = None


def ask(base_url: str, route: str, token: str, expected: Identity, *, timeout: float) -> Said:
    """Ask once; `timeout` in seconds bounds the connection and each read."""
    import http.client

    connection = _connection(base_url, timeout)
    try:
        connection.request(
            "GET", f"{route}?identity=1", headers={TOKEN_HEADER: token, "Accept": "application/json"}
        )
        response = connection.getresponse()
        body = response.read(65_536)
    except (OSError, http.client.HTTPException) as error:
        return Said(Answer.SILENT, f"the app did not answer ({type(error).__name__})")
    finally:
        connection.close()
    return _judge(response.status, body, expected)


def _connection(base_url: str, timeout: float) -> HTTPConnection:
    from http.client import HTTPConnection, HTTPSConnection

    parts = urlsplit(base_url)
    host = parts.hostname or "localhost"
    if parts.scheme != "https":
        return HTTPConnection(host, parts.port or 80, timeout=timeout)
    import ssl

    # `next dev --experimental-https` on this machine signs its certificate itself.
    return HTTPSConnection(
        host,
        parts.port or 443,
        timeout=timeout,
        context=ssl._create_unverified_context(),  # noqa: S323, SLF001  loopback; the token is the project's own
    )


def _judge(status: int, body: bytes, expected: Identity) -> Said:
    payload = _payload(body)
    if payload is None and status == NOT_FOUND:
        return Said(Answer.NO_ROUTE, "the app has no identity route")
    if payload is None:
        return Said(Answer.SILENT, f"the identity route answered HTTP {status} and no identity")
    if status in {UNAUTHORIZED, FORBIDDEN}:
        return Said(Answer.REFUSED, f"the identity route refused the project's token (HTTP {status})")
    if "identity" not in payload:
        why = payload.get("error", f"HTTP {status}")
        return Said(Answer.NO_DATABASE, f"the app cannot reach its database ({why})")
    try:
        seen = Identity.from_json(payload["identity"])
    except (KeyError, TypeError, ValueError):
        return Said(Answer.SILENT, "the identity route answered with an incomplete identity")
    where = f"{seen.database} (PostgreSQL {seen.server_version})"
    if seen.same_as(expected):
        return Said(Answer.SAME, f"the app answers from {where}", seen)
    return Said(Answer.OTHER, f"the app still answers from {where}", seen)


def _payload(body: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(body)
    except ValueError:
        return None
    return value if isinstance(value, dict) and value.get("dbswitch") == 1 else None


def verify(
    base_url: str,
    route: str,
    token: str,
    expected: Identity,
    *,
    deadline: float,
    on_wait: Callable[[int, str, float], None] = lambda _attempt, _reason, _pause: None,
) -> Verification:
    """Ask until the app answers as `expected` or `deadline` seconds have passed.

    A refused token ends it at once, since it does not change by waiting; a missing route may still be compiling.
    """
    began = time.monotonic()
    pause = FIRST_PAUSE
    attempt = 0
    while True:
        attempt += 1
        left = deadline - (time.monotonic() - began)
        said = ask(base_url, route, token, expected, timeout=max(0.1, min(ATTEMPT_TIMEOUT, left)))
        elapsed = time.monotonic() - began
        if said.answer in {Answer.SAME, Answer.REFUSED} or elapsed + pause >= deadline:
            return Verification(said.answer, said.detail, round(elapsed, 3), said.seen)
        on_wait(attempt, said.detail, pause)
        time.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE)


def read_token(path: Path) -> str:
    """Return the project's token, or an empty string where `dbswitch init` has not written one."""
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""
