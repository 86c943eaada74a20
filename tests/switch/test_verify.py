"""Verified means asked: only the app's own matching answer counts."""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from dbswitch.database.identity import Identity
from dbswitch.switch import identity_request
from dbswitch.switch.identity_request import (
    IdentityAnswer,
    IdentityQuestion,
    Said,
    ask,
    judge,
    read_token,
    verify,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from queue import SimpleQueue

PROD = Identity(
    database="shop_prod",
    database_oid="16384",
    started_at="1700000000000000",
    system_identifier="7300000000000000001",
    server_version="16.4",
    in_recovery=False,
    read_only=False,
    schema="public",
    role="app",
)
LOCAL = Identity(
    database="shop_local",
    database_oid="16390",
    started_at="1600000000000000",
    system_identifier="7300000000000000002",
    server_version="16.4",
    in_recovery=False,
    read_only=False,
    schema="public",
    role="app",
)
Reply = tuple[int, bytes] | tuple[int, bytes, dict[str, str]]


def identity(of: Identity) -> tuple[int, bytes]:
    return 200, json.dumps({"dbswitch": 1, "identity": of.to_json()}).encode()


@contextmanager
def app(reply: Callable[[int, str, str | None], Reply]) -> Iterator[str]:
    """A fake app: `reply` gets the number of the request, its path and its token."""
    count = 0

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            nonlocal count
            count += 1
            status, body, *more = reply(count, self.path, self.headers.get("x-dbswitch-token"))
            with suppress(BrokenPipeError):  # the asking is over
                self.send_response(status)
                for name, value in (more[0] if more else {}).items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.01))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def settled_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that could change with time is final when it came once, so that no deadline has to be short."""
    monkeypatch.setattr(identity_request, "SETTLED", dict.fromkeys(identity_request.SETTLED, 0.0))
    monkeypatch.setattr(identity_request, "SETTLED_ANSWERS", 1)


def test_the_same_identity_is_verified_at_the_first_answer() -> None:
    with app(lambda _n, _path, _token: identity(PROD)) as url:
        result = verify(IdentityQuestion(url, "/api/x", "t", PROD), deadline=60)
    assert result.verified
    assert "shop_prod" in result.detail


@pytest.mark.usefixtures("one_at_a_time")
def test_an_app_that_moves_over_after_some_answers_is_waited_for() -> None:
    waits: list[str] = []
    with app(lambda n, _path, _token: identity(LOCAL if n < 4 else PROD)) as url:
        result = verify(
            IdentityQuestion(url, "/api/x", "t", PROD),
            deadline=60,
            on_wait=lambda _a, text, _p: waits.append(text),
        )
    assert result.verified
    assert len(waits) == 3


@pytest.mark.usefixtures("settled_at_once")
def test_an_app_that_stays_elsewhere_is_never_rounded_up() -> None:
    with app(lambda _n, _path, _token: identity(LOCAL)) as url:
        result = verify(IdentityQuestion(url, "/api/x", "t", PROD), deadline=60)
    assert result.answer is IdentityAnswer.OTHER
    assert not result.verified
    assert "shop_local" in result.detail


@pytest.mark.usefixtures("one_at_a_time")
def test_the_token_goes_in_a_header_and_never_in_the_address() -> None:
    seen: list[tuple[str, str | None]] = []

    def reply(_n: int, path: str, token: str | None) -> Reply:
        seen.append((path, token))
        return identity(PROD)

    with app(reply) as url:
        verify(IdentityQuestion(url, "/api/x", "very-secret", PROD), deadline=60)
    assert seen == [("/api/x?identity=1", "very-secret")]


@pytest.mark.usefixtures("one_at_a_time")
def test_a_refused_token_ends_the_asking_at_once() -> None:
    requests: list[int] = []

    def reply(n: int, _path: str, _token: str | None) -> Reply:
        requests.append(n)
        return 401, b'{"dbswitch":1,"error":"unauthorized"}'

    with app(reply) as url:
        result = verify(IdentityQuestion(url, "/api/x", "wrong", PROD), deadline=60)
    assert result.answer is IdentityAnswer.REFUSED
    assert requests == [1]


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ((404, b"<html>not found</html>"), IdentityAnswer.NO_ROUTE),
        ((503, b'{"dbswitch":1,"error":"P1001"}'), IdentityAnswer.NO_DATABASE),
        ((500, b"<html>oops</html>"), IdentityAnswer.SILENT),
        ((200, b"[1, 2]"), IdentityAnswer.SILENT),
        ((200, b'{"dbswitch":1,"identity":{"database":"x"}}'), IdentityAnswer.SILENT),
        ((200, b"\xff\xfe\x00"), IdentityAnswer.SILENT),
    ],
)
def test_every_other_answer_has_its_name(reply: Reply, answer: IdentityAnswer) -> None:
    with app(lambda _n, _path, _token: reply) as url:
        question = IdentityQuestion(url, "/api/x", "t", PROD)
        result = ask(question, 60)
    assert result.answer is answer
    assert not result.verified


def test_a_route_that_is_missing_may_still_be_compiling_until_the_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # More answers than make any other one final.
    with app(lambda n, _path, _token: (404, b"<html>not found</html>") if n < 10 else identity(PROD)) as url:
        assert verify(IdentityQuestion(url, "/api/x", "t", PROD), deadline=60).verified
    passed = 0.0
    clock = SimpleNamespace(monotonic=lambda: time.monotonic() + passed)
    monkeypatch.setattr(identity_request, "time", clock)

    def the_deadline_comes(_asked: int, _text: str, _pause: float) -> None:
        nonlocal passed
        passed = 60.0

    with app(lambda _n, _path, _token: (404, b"<html>not found</html>")) as url:
        result = verify(IdentityQuestion(url, "/api/x", "t", PROD), deadline=60, on_wait=the_deadline_comes)
    assert result.answer is IdentityAnswer.NO_ROUTE


def test_a_request_that_hangs_does_not_keep_a_later_one_from_being_answered() -> None:
    """As Next.js does just after it reloads its environment: 404 after seven seconds, 200 to who asks 0.1 s later."""

    verified = threading.Event()

    def reply(n: int, _path: str, _token: str | None) -> Reply:
        if n == 1:
            verified.wait(60)
            return 404, b"<html>not found</html>"
        return identity(PROD)

    with app(reply) as url:
        result = verify(IdentityQuestion(url, "/api/x", "t", PROD), deadline=60)
        verified.set()
    assert result.verified
    assert result.seconds < 60


def test_a_404_of_a_route_that_answered_before_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    with app(lambda n, _path, _token: (404, b"<html>") if n < 4 else identity(PROD)) as url:
        assert verify(IdentityQuestion(url, "/api/x", "t", PROD), deadline=60, route_answered=True).verified
    monkeypatch.setitem(identity_request.SETTLED, IdentityAnswer.SILENT, 0.0)
    with app(lambda _n, _path, _token: (404, b"<html>")) as url:
        result = verify(IdentityQuestion(url, "/api/x", "t", PROD), deadline=60, route_answered=True)
    assert result.answer is IdentityAnswer.SILENT
    assert "answered before" in result.detail


def test_a_route_that_stays_missing_is_told_until_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity_request, "MISSING", 0.0)
    told: list[int] = []
    with app(lambda _n, _path, _token: identity(PROD) if len(told) > 1 else (404, b"<html>")) as url:
        question = IdentityQuestion(url, "/api/x", "t", PROD)
        for known in (True, False):
            told.clear()
            assert verify(
                question, deadline=60, route_answered=known, on_missing=lambda: told.append(1)
            ).verified
            assert len(told) >= 2


@pytest.mark.usefixtures("one_at_a_time")
def test_a_route_that_is_missing_for_a_moment_is_not_told() -> None:
    told: list[int] = []
    with app(lambda n, _path, _token: (404, b"<html>") if n == 1 else identity(PROD)) as url:
        question = IdentityQuestion(url, "/api/x", "t", PROD)
        assert verify(question, deadline=60, on_missing=lambda: told.append(1)).verified
    assert told == []


def test_no_more_than_a_few_requests_are_pending_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity_request, "OVERLAP", 0.01)
    monkeypatch.setattr(identity_request, "SLOW_OVERLAP", 0.01)
    asked: list[int] = []
    over = threading.Event()

    def reply(n: int, _path: str, _token: str | None) -> Reply:
        asked.append(n)
        over.wait(60)
        return identity(PROD)

    with app(reply) as url:
        result = verify(IdentityQuestion(url, "/api/x", "t", PROD), deadline=1)
        over.set()
    assert result.answer is IdentityAnswer.SILENT
    assert len(asked) <= 10


def test_an_app_that_needs_long_for_every_answer_is_given_the_whole_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    several = threading.Event()
    timeouts: list[float] = []
    in_background = identity_request.ask_in_background

    def noted(question: IdentityQuestion, timeout: float, answers: SimpleQueue[Said]) -> None:
        timeouts.append(timeout)
        in_background(question, timeout, answers)

    def reply(n: int, _path: str, _token: str | None) -> Reply:
        if n == 5:
            several.set()
        several.wait(60)  # the first requests are answered only when later ones have been sent
        return identity(PROD)

    monkeypatch.setattr(identity_request, "ask_in_background", noted)
    with app(reply) as url:
        result = verify(IdentityQuestion(url, "/api/x", "t", PROD), deadline=600)
    assert result.verified
    assert len(timeouts) >= 5
    assert min(timeouts) > 300  # what is left of the deadline


def test_the_same_wrong_identity_ends_the_asking_before_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(identity_request.SETTLED, IdentityAnswer.OTHER, 1.0)
    with app(lambda _n, _path, _token: identity(LOCAL)) as url:
        result = verify(IdentityQuestion(url, "/api/x", "t", PROD), deadline=60)
    assert result.answer is IdentityAnswer.OTHER
    assert 1 <= result.seconds < 60


@pytest.mark.usefixtures("one_at_a_time")
def test_a_route_that_cannot_ask_ends_the_asking_at_once_with_its_reason() -> None:
    requests: list[int] = []
    body = (
        b'{"dbswitch":1,"error":"cannot ask","reason":"TypeError: prisma.$queryRawUnsafe is not a function"}'
    )

    def reply(n: int, _path: str, _token: str | None) -> Reply:
        requests.append(n)
        return 503, body

    with app(reply) as url:
        result = verify(IdentityQuestion(url, "/api/x", "t", PROD), deadline=60)
    assert result.answer is IdentityAnswer.CANNOT_ASK
    assert result.outcome is None
    assert requests == [1]
    assert "is not a function" in result.detail


@pytest.mark.usefixtures("one_at_a_time")
@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ((307, b"", {"Location": "/login?next=%2Fapi%2Fx"}), "HTTP 307 (to /login)"),
        ((302, b"", {"Location": "https://auth.example.com/sign-in"}), "HTTP 302 (to /sign-in)"),
        ((308, b"", {"Location": "/en/api/x"}), "HTTP 308 (to /en/api/x)"),
        ((401, b"Unauthorized"), "HTTP 401"),
        ((403, b'{"error":"forbidden"}'), "HTTP 403"),
        ((200, b"<html>sign in</html>", {"Content-Type": "text/html; charset=utf-8"}), "HTTP 200"),
    ],
)
def test_a_guard_in_front_of_the_route_ends_the_asking_at_once_and_is_no_failure(
    reply: Reply, reason: str
) -> None:
    requests: list[int] = []

    def guard(n: int, _path: str, _token: str | None) -> Reply:
        requests.append(n)
        return reply

    with app(guard) as url:
        result = verify(IdentityQuestion(url, "/api/x", "t", PROD), deadline=60, route_answered=True)
    assert (result.answer, result.outcome) == (IdentityAnswer.CANNOT_ASK, None)
    assert reason in result.detail
    assert "exclude /api/x" in result.detail
    assert "database" not in result.detail
    assert requests == [1]


@pytest.mark.usefixtures("one_at_a_time")
def test_the_redirect_to_the_same_path_with_a_slash_is_followed_with_the_token() -> None:
    seen: list[tuple[str, str | None]] = []

    def reply(_n: int, path: str, token: str | None) -> Reply:
        seen.append((path, token))
        if path.startswith("/api/x/"):
            return identity(PROD)
        return 308, b"/api/x/", {"Location": "/api/x/?identity=1"}

    with app(reply) as url:
        assert verify(IdentityQuestion(url, "/api/x", "t", PROD), deadline=60).verified
    assert seen == [("/api/x?identity=1", "t"), ("/api/x/?identity=1", "t")]


def test_a_redirect_to_the_same_path_of_another_host_does_not_get_the_token() -> None:
    seen: list[str | None] = []

    def other(_n: int, _path: str, token: str | None) -> Reply:
        seen.append(token)
        return identity(PROD)

    with app(other) as elsewhere:
        away = (308, b"", {"Location": f"{elsewhere}/api/x/"})
        with app(lambda _n, _path, _token: away) as url:
            question = IdentityQuestion(url, "/api/x", "t", PROD)
            assert ask(question, 60).answer is IdentityAnswer.CANNOT_ASK
    assert seen == []


@pytest.mark.usefixtures("settled_at_once")
def test_the_same_database_as_another_role_or_in_another_schema_is_not_verified() -> None:
    for other in (replace(PROD, role="postgres"), replace(PROD, schema="staging")):
        with app(lambda _n, _path, _token, other=other: identity(other)) as url:
            result = verify(IdentityQuestion(url, "/api/x", "t", PROD), deadline=60)
        assert result.answer is IdentityAnswer.OTHER
        assert "postgres" in result.detail or "staging" in result.detail


@pytest.mark.usefixtures("settled_at_once")
def test_a_route_of_an_older_dbswitch_is_not_verified_and_the_command_that_helps_is_named() -> None:
    with app(lambda _n, _path, _token: identity(replace(PROD, schema=None, role=None))) as url:
        result = verify(IdentityQuestion(url, "/api/x", "t", PROD), deadline=60)
    assert (result.answer, result.outcome) == (IdentityAnswer.INCOMPLETE, None)
    assert "dbswitch generate route" in result.detail
    with app(lambda _n, _path, _token: identity(replace(LOCAL, schema=None, role=None))) as url:
        result = verify(IdentityQuestion(url, "/api/x", "t", PROD), deadline=60)
    assert result.answer is IdentityAnswer.OTHER, (
        "an incomplete answer from another database is still another database"
    )


def test_the_texts_name_target_and_place_of_both_databases() -> None:
    target, origin = "prod: shop_prod at db.example.com:5432", "local: shop_local at localhost:5433"
    question = IdentityQuestion("", "/api/x", "t", PROD, target, (origin, LOCAL))
    assert target in judge(*identity(PROD), question).detail
    still = judge(*identity(LOCAL), question).detail
    assert target in still
    assert origin in still
    twin = judge(*identity(replace(PROD, system_identifier="1", started_at="1")), question).detail
    assert "another database named shop_prod" in twin


@pytest.mark.parametrize(
    ("reply", "alike"),
    [
        ((503, b'{"dbswitch":1,"error":"P1001"}'), True),
        ((500, b"<html>oops</html>"), True),
        ((503, b'{"dbswitch":1,"error":"P1000"}'), False),
        (identity(LOCAL), False),
    ],
)
def test_only_the_very_same_failure_as_before_the_switch_is_not_its_doing(reply: Reply, alike: bool) -> None:
    question = IdentityQuestion("", "/api/x", "t", PROD)
    now = judge(reply[0], reply[1], question)
    before = now if alike else judge(503, b'{"dbswitch":1,"error":"P1001"}', question)
    assert now.fails_like(before) is alike
    assert not now.fails_like(None)


def test_silence_is_never_like_a_failure_of_the_route() -> None:
    silent = Said(IdentityAnswer.SILENT, "the app did not answer in time")
    assert not silent.fails_like(silent)


def test_nobody_there_is_silence() -> None:
    with app(lambda _n, _path, _token: identity(PROD)) as url:
        pass
    said = verify(IdentityQuestion(url, "/api/x", "t", PROD), deadline=0.1)
    assert (said.answer, said.detail) == (
        IdentityAnswer.SILENT,
        "the app did not answer (Connection refused)",
    )


def test_a_missing_or_unreadable_token_is_an_empty_one(tmp_path: Path) -> None:
    assert read_token(tmp_path) == ""
    (tmp_path / "token").write_bytes(b"\xff\xfe")
    assert read_token(tmp_path) == ""
    (tmp_path / "token").write_text("abc\n")
    assert read_token(tmp_path) == "abc"
