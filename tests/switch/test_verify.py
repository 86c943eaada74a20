"""Verified means asked: only the app's own matching answer counts."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from dbswitch.database.identity import Identity
from dbswitch.switch.verify import Answer, read_token, verify

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PROD = Identity(
    database="shop_prod",
    database_oid="16384",
    started_at="1700000000000000",
    system_identifier="7300000000000000001",
    server_version="16.4",
    in_recovery=False,
    read_only=False,
)
LOCAL = Identity(
    database="shop_local",
    database_oid="16390",
    started_at="1600000000000000",
    system_identifier="7300000000000000002",
    server_version="16.4",
    in_recovery=False,
    read_only=False,
)
Reply = tuple[int, bytes]


def identity(of: Identity) -> Reply:
    return 200, json.dumps({"dbswitch": 1, "identity": of.to_json()}).encode()


@contextmanager
def app(reply: Callable[[int, str, str | None], Reply]) -> Iterator[str]:
    """A fake app: `reply` gets the number of the request, its path and its token."""
    count = 0

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            nonlocal count
            count += 1
            status, body = reply(count, self.path, self.headers.get("x-dbswitch-token"))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_the_same_identity_is_verified_at_the_first_answer() -> None:
    with app(lambda _n, _path, _token: identity(PROD)) as url:
        result = verify(url, "/api/x", "t", PROD, deadline=5)
    assert result.verified
    assert "shop_prod" in result.detail


def test_an_app_that_moves_over_after_some_answers_is_waited_for() -> None:
    waits: list[str] = []
    with app(lambda n, _path, _token: identity(LOCAL if n < 4 else PROD)) as url:
        result = verify(
            url, "/api/x", "t", PROD, deadline=10, on_wait=lambda _a, text, _p: waits.append(text)
        )
    assert result.verified
    assert len(waits) == 3


def test_an_app_that_stays_elsewhere_is_never_rounded_up() -> None:
    with app(lambda _n, _path, _token: identity(LOCAL)) as url:
        result = verify(url, "/api/x", "t", PROD, deadline=0.2)
    assert result.answer is Answer.OTHER
    assert not result.verified
    assert "shop_local" in result.detail


def test_the_token_goes_in_a_header_and_never_in_the_address() -> None:
    seen: list[tuple[str, str | None]] = []

    def reply(_n: int, path: str, token: str | None) -> Reply:
        seen.append((path, token))
        return identity(PROD)

    with app(reply) as url:
        verify(url, "/api/x", "very-secret", PROD, deadline=5)
    assert seen == [("/api/x?identity=1", "very-secret")]


def test_a_refused_token_ends_the_asking_at_once() -> None:
    requests: list[int] = []

    def reply(n: int, _path: str, _token: str | None) -> Reply:
        requests.append(n)
        return 401, b'{"dbswitch":1,"error":"unauthorized"}'

    with app(reply) as url:
        result = verify(url, "/api/x", "wrong", PROD, deadline=10)
    assert result.answer is Answer.REFUSED
    assert requests == [1]


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ((404, b"<html>not found</html>"), Answer.NO_ROUTE),
        ((503, b'{"dbswitch":1,"error":"P1001"}'), Answer.NO_DATABASE),
        ((500, b"<html>oops</html>"), Answer.SILENT),
        ((200, b"[1, 2]"), Answer.SILENT),
        ((200, b'{"dbswitch":1,"identity":{"database":"x"}}'), Answer.SILENT),
        ((200, b"\xff\xfe\x00"), Answer.SILENT),
    ],
)
def test_every_other_answer_has_its_name(reply: Reply, answer: Answer) -> None:
    with app(lambda _n, _path, _token: reply) as url:
        result = verify(url, "/api/x", "t", PROD, deadline=0.1)
    assert result.answer is answer
    assert not result.verified


def test_nobody_there_is_silence() -> None:
    with app(lambda _n, _path, _token: identity(PROD)) as url:
        pass
    assert verify(url, "/api/x", "t", PROD, deadline=0.1).answer is Answer.SILENT


def test_a_missing_or_unreadable_token_is_an_empty_one(tmp_path: Path) -> None:
    assert read_token(tmp_path / "token") == ""
    (tmp_path / "token").write_bytes(b"\xff\xfe")
    assert read_token(tmp_path / "token") == ""
    (tmp_path / "token").write_text("abc\n")
    assert read_token(tmp_path / "token") == "abc"
