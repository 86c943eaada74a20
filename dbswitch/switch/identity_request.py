"""Ask the running app, through its own Prisma client, which database it is on, until the answer is final.

While Next.js reloads its environment a request may be answered with 404 seven seconds later, and one sent 0.1 s after it at
once. So the app is asked again while an earlier request is pending.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct
from msgspec.structs import replace

from dbswitch.database.identity import Identity
from dbswitch.durable import parse_json, read_regular
from dbswitch.server.http_requests import connection_to

TOKEN = "token"  # noqa: S105  a file's name
TOKEN_HEADER = "x-dbswitch-token"  # noqa: S105  the header's name, not a token
# A guard in front of the route: a redirect to a login page, or a refusal that is not the route's own.
_INTERCEPTED = frozenset({301, 302, 303, 307, 308, 401, 403})
REGENERATE = "`dbswitch generate client` and `dbswitch generate route` bring the generated files up to date"
NOT_IN_TIME = "the app did not answer in time"
FIRST_PAUSE = 0.01  # seconds, doubled after each answer
LONGEST_PAUSE = 0.25
OVERLAP = 0.15  # seconds after which the app is asked again although the last request is pending
MANY_PENDING = 6  # from then on the app is asked once a second: more requests do not help a busy app
SLOW_OVERLAP = 1.0
MOST_PENDING = 10


class IdentityAnswer(StrEnum):
    """The app's answer to one request."""

    SAME = "same"
    INCOMPLETE = "incomplete"  # the same database; schema or role were not reported
    OTHER = "other"
    NO_DATABASE = "no database"
    CANNOT_ASK = "cannot ask"
    NO_ROUTE = "no route"
    REFUSED = "refused"
    SILENT = "silent"


# An answer that stays the same for this many seconds and requests is final. Once the env file is renamed the
# generated client follows with its next query.
SETTLED = {IdentityAnswer.OTHER: 3.0, IdentityAnswer.NO_DATABASE: 10.0, IdentityAnswer.SILENT: 10.0}
SETTLED_ANSWERS = 8
RESTARTED = 1.0  # seconds for an answer that differs in the start of the database server only
MISSING = 1.0  # seconds of 404, the first time and between two calls of `on_missing`
UNNOTICED = 5.0  # seconds after which Next.js has noticed a new file (16: 0.1 s), so that a 404 is an answer
NOT_ASKABLE = frozenset(
    {IdentityAnswer.INCOMPLETE, IdentityAnswer.CANNOT_ASK, IdentityAnswer.NO_ROUTE, IdentityAnswer.REFUSED}
)


class Said(Struct, frozen=True):
    """One answer of the app; `seconds` is how long it was asked until this was the answer that counts."""

    answer: IdentityAnswer
    detail: str
    seen: Identity | None = None
    status: int | None = None
    seconds: float = 0.0

    @property
    def verified(self) -> bool:
        """Whether the app itself answered as the target."""
        return self.answer is IdentityAnswer.SAME

    @property
    def on_target(self) -> bool:
        """Whether it answered from the target's database; schema or role may not have been reported."""
        return self.answer in {IdentityAnswer.SAME, IdentityAnswer.INCOMPLETE}

    @property
    def outcome(self) -> bool | None:
        """True: it answered as the target; False: it did not; None: it could not be asked."""
        return None if self.answer in NOT_ASKABLE else self.verified

    def fails_like(self, other: Said | None) -> bool:
        """Whether both are the same failure of the route itself, so that the switch is not its cause."""
        return (
            other is not None
            and self.status is not None
            and self.answer in {IdentityAnswer.NO_DATABASE, IdentityAnswer.SILENT}
            and (self.answer, self.detail, self.status) == (other.answer, other.detail, other.status)
        )


class IdentityQuestion(Struct, frozen=True):
    """The app to ask, and what its answer is compared with."""

    base_url: str
    route: str
    token: str
    # what psycopg saw on the target; None while that is not known, then any identity is `Answer.OTHER`
    expected: Identity | None
    target: str = ""  # the target for display: its name, database, host and port
    # the same for where the app was before the switch, with the identity it gave then
    origin: tuple[str, Identity] | None = None


def ask(question: IdentityQuestion, timeout: float) -> Said:
    """Ask once; `timeout` in seconds bounds the connection and each read."""
    from http.client import HTTPException

    parts = urlsplit(question.base_url)
    https = parts.scheme == "https"
    port = parts.port or (443 if https else 80)
    connection = connection_to(parts.hostname or "localhost", port, timeout, https=https)
    headers = {TOKEN_HEADER: question.token, "Accept": "application/json"}
    path = question.route
    try:
        while True:
            connection.request("GET", f"{path}?identity=1", headers=headers)
            response = connection.getresponse()
            body, leads_to = response.read(65_536), response.getheader("Location") or ""
            if path != question.route or not _is_same_path(leads_to, path):
                break
            connection.close()
            path = urlsplit(leads_to).path
    except TimeoutError:
        return Said(IdentityAnswer.SILENT, NOT_IN_TIME)
    except (OSError, HTTPException) as error:
        why = getattr(error, "strerror", None) or type(error).__name__
        return Said(IdentityAnswer.SILENT, f"the app did not answer ({why})")
    finally:
        connection.close()
    is_page = (response.getheader("Content-Type") or "").startswith("text/html")
    return judge(response.status, body, question, leads_to=leads_to, is_page=is_page)


def _is_same_path(location: str, route: str) -> bool:
    """Whether a redirect leads to the route itself, as that of `trailingSlash: true` does (Next.js documentation)."""
    path = urlsplit(location).path
    return path != route and path.rstrip("/") == route.rstrip("/")


def judge(
    status: int, body: bytes, question: IdentityQuestion, *, leads_to: str = "", is_page: bool = False
) -> Said:
    """Return what a response means; `leads_to` is its Location header, `is_page` whether it is HTML. Pure."""

    def said(answer: IdentityAnswer, detail: str, seen: Identity | None = None) -> Said:
        return Said(answer, detail, seen, status)

    payload: Any = None
    with contextlib.suppress(ValueError):
        payload = parse_json(body)
    ours = isinstance(payload, dict) and payload.get("dbswitch") == 1
    if not ours and status == 404:
        return said(IdentityAnswer.NO_ROUTE, "the app has no identity route")
    if not ours and (status in _INTERCEPTED or (is_page and status == 200)):
        where = f" (to {urlsplit(leads_to).path or leads_to})" if leads_to else ""
        return said(
            IdentityAnswer.CANNOT_ASK,
            f"the identity route was not reached: the app's middleware or proxy answered HTTP {status}{where}; "
            f"exclude {question.route} from it",
        )
    if not ours:
        return said(IdentityAnswer.SILENT, f"the identity route answered HTTP {status} without an identity")
    if status in {401, 403}:
        return said(IdentityAnswer.REFUSED, f"the identity route refused the project's token (HTTP {status})")
    if "identity" not in payload:
        why = payload.get("error", f"HTTP {status}")
        if why != "cannot ask":  # an error that is not the database's
            return said(IdentityAnswer.NO_DATABASE, f"the app cannot reach its database ({why})")
        reason = payload.get("reason") or "it gives no reason"
        return said(IdentityAnswer.CANNOT_ASK, f"the identity route cannot ask: {reason}")
    try:
        seen = Identity.from_json(payload["identity"])
    except (KeyError, TypeError, ValueError, AttributeError):
        return said(IdentityAnswer.SILENT, "the identity route answered with an incomplete identity")
    expected, version = question.expected, seen.product
    if expected is None:
        return said(IdentityAnswer.OTHER, f"the app answers from {seen.database}, {version}", seen)
    target = question.target or expected.database
    if not seen.same_as(expected):
        where = seen.database
        if question.origin is not None and seen.same_as(question.origin[1]):
            where = question.origin[0]
        elif seen.database == expected.database:
            where = f"another database named {seen.database}"
        text = f"the app still answers from {where} ({version}), not from {target}"
        return said(IdentityAnswer.OTHER, text, seen)
    detail = f"the app answers from {target}, {version}"
    if difference := seen.differs_in(expected):
        return said(IdentityAnswer.OTHER, f"{detail}, {difference}", seen)
    if untold := seen.leaves_open(expected):
        return said(IdentityAnswer.INCOMPLETE, f"{detail}, but {untold}; {REGENERATE}", seen)
    return said(IdentityAnswer.SAME, detail, seen)


def ask_in_background(question: IdentityQuestion, timeout: float, answers: queue.SimpleQueue[Said]) -> None:
    """Ask once on a thread of its own; the answer goes to `answers`."""
    work = threading.Thread(target=lambda: answers.put(ask(question, timeout)), daemon=True)
    work.start()


def verify(
    question: IdentityQuestion,
    *,
    deadline: float,
    route_answered: bool = False,
    on_wait: Callable[[int, str, float], None] = lambda _attempt, _reason, _pause: None,
    on_missing: Callable[[], None] = lambda: None,
) -> Said:
    """Ask until the app answers as `question.expected`, an answer is final, or `deadline` seconds have passed.

    With `route_answered` the route is known to be there, and a 404 counts as no answer; else a missing route may still be
    compiling. `on_missing` is called each second for which the route has been missing.
    """
    began = since = next_at = time.monotonic()
    end = began + deadline
    answers: queue.SimpleQueue[Said] = queue.SimpleQueue()
    last = Said(IdentityAnswer.SILENT, NOT_IN_TIME)
    asked = answered = repeated = 0
    pause, missing_at = FIRST_PAUSE, MISSING
    while (now := time.monotonic()) < end or not asked:
        if now >= next_at:
            pending = asked - answered
            if pending < MOST_PENDING:
                asked += 1
                # Until the deadline: an app that compiles or is busy may take long, and is asked again meanwhile.
                ask_in_background(question, max(0.1, end - now), answers)
            next_at = time.monotonic() + (OVERLAP if pending < MANY_PENDING else SLOW_OVERLAP)
        try:
            said = answers.get(timeout=max(0.001, min(next_at, end) - time.monotonic()))
        except queue.Empty:
            continue
        answered += 1
        missing = said.answer is IdentityAnswer.NO_ROUTE
        if missing and route_answered:
            text = "the identity route answers HTTP 404, but answered before"
            said = Said(IdentityAnswer.SILENT, text, None, said.status)
        if said != last:
            last, since, repeated, missing_at = said, time.monotonic(), 0, MISSING
        repeated += 1
        unchanged = time.monotonic() - since
        if _is_final(said, question.expected, repeated, unchanged):
            break
        if missing and unchanged >= missing_at:
            on_missing()
            missing_at = unchanged + MISSING
        on_wait(asked, said.detail, pause)
        next_at = time.monotonic() + pause
        pause = min(pause * 2, LONGEST_PAUSE)
    return replace(last, seconds=round(time.monotonic() - began, 3))


def _is_final(said: Said, expected: Identity | None, repeated: int, seconds: float) -> bool:
    if said.answer is IdentityAnswer.NO_ROUTE:
        return expected is None and seconds >= UNNOTICED
    if expected is None or said.answer is IdentityAnswer.SAME or said.answer in NOT_ASKABLE:
        return True
    if said.status is None:  # no answer: it may be starting
        return False
    restarted = said.seen is not None and said.seen.restart_of(expected)
    return repeated >= SETTLED_ANSWERS and seconds >= (RESTARTED if restarted else SETTLED[said.answer])


def read_token(state_dir: Path) -> str:
    """Return the project's token, or an empty string where `dbswitch init` has not written one."""
    try:
        return read_regular(state_dir / TOKEN).decode("ascii").strip()
    except (OSError, ValueError):
        return ""
