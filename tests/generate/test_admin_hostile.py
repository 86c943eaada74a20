"""The admin route against what is not made by its page: raw bodies, other methods, programs that are no dbswitch, a kill."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from typing import TYPE_CHECKING

import pytest

from tests.generate import javascript
from tests.generate.admin import LONG, PAGE, ROUTE, Admin, generate, serve, with_clock

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.support.nextapp import AppFolder, NextApp
    from tests.support.postgres import ShopServer

pytestmark = [pytest.mark.real, pytest.mark.slow]

STATUS = {
    "event": "status",
    "active": "one",
    "target": "local",
    "targets": [{"name": "local", "protected": False}, {"name": "other", "protected": False}],
}
NO_PROGRAMS = {
    "ends at once": "exit 3",
    "prints a number": "echo 5",
    "prints an array": "echo '[]'",
    "prints a secret": "echo 'postgresql://u:hunter2@h/db /root/x'; exit 1",
    "prints half a status": """echo '{"event":"status"}'""",
    "prints without an end": "exec tr '\\0' x </dev/zero",
}


def chunks(parts: Iterable[bytes], *, end: bool = True) -> bytes:
    body = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
    return body + (b"0\r\n\r\n" if end else b"")


def raw(admin: Admin, framing: str, body: bytes) -> int:
    """POST with the framing that is named in the header line `framing`; return the status."""
    host = f"localhost:{admin.app.port}"
    head = (
        f"POST {ROUTE} HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\nContent-Type: application/json\r\n"
        f"x-dbswitch-token: {admin.token}\r\nConnection: close\r\n{framing}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", admin.app.port), timeout=LONG) as connection:
        # The server may answer, and close, before everything is sent.
        with contextlib.suppress(ConnectionError):
            connection.sendall(head.encode() + body)
        return int(connection.recv(4096).split()[1])


def place_program(app: AppFolder, script: str) -> None:
    program = app.write("node_modules/.bin/dbswitch.new", f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    program.rename(program.with_suffix(""))
    time.sleep(0.01)  # the route asks again when a file has another time
    (app.root / "package.json").touch()


def test_bodies_that_are_endless_or_late_and_programs_that_are_no_dbswitch_end_in_an_honest_answer(
    next_app: NextApp, postgres_local: ShopServer, postgres_prod: ShopServer
) -> None:
    app = with_clock(generate(next_app(local=postgres_local.url, prod=postgres_prod.url), "client", "route"))
    app.start_by_hand(env={"PATH": "/usr/bin:/bin"})
    admin = Admin(app)
    place_program(app, f"echo '{json.dumps(STATUS)}'")
    assert [target["name"] for target in admin.ask().body["targets"]] == ["local", "other"]

    # It hangs after its line: the line counts.
    accepted = json.dumps({"event": "accepted", "id": "20260101T000000000Z-00000000"})
    place_program(
        app,
        f"case $1 in status) echo '{json.dumps(STATUS)}';; *) echo {accepted!r}; exec sleep 600;; esac",
    )
    assert admin.ask().status == 200
    said = admin.post("other")
    assert (said.status, said.body["id"]) == (202, "20260101T000000000Z-00000000")

    chunked = "Transfer-Encoding: chunked"
    assert raw(admin, chunked, chunks([b'{"target":', b'"unknown"}'])) == 404
    assert raw(admin, chunked, chunks([b'{"target":"', *[b"x" * 65_536] * 256])) == 400
    assert raw(admin, chunked, chunks([b'{"target":"other"}'], end=False)) == 400
    for method in ("DELETE", "OPTIONS", "PATCH", "PUT"):
        assert admin.ask(method).status == 405
        assert admin.ask(method, headers={"Host": "evil.example"}).status == 404

    for what, script in NO_PROGRAMS.items():
        place_program(app, script)
        for said in (admin.ask(), admin.ask_in_time("POST", body={"target": "other"})):
            problem = said.body["problem"] if said.status == 200 else said.body
            assert (what, problem["what"]) == (what, "dbswitch gave no answer.")
        assert said.status == 503
    app.write(".dbswitch/history.jsonl", 'null\n5\n{"to": 1, "at": 2}\n{"to": "prod", "at": "x"}\n{"to": \n')
    assert admin.ask().body["history"] == []
    for hidden in ("hunter2", "/root", "://", str(app.root)):
        assert hidden not in admin.everything


def to_javascript(app: AppFolder) -> None:
    """Turn the demo app into a JavaScript project without an alias of its own making."""
    for path, text in javascript.build([*app.root.glob("app/**/*.ts*"), *app.root.glob("lib/*.ts")]).items():
        path.with_suffix(".js").write_text(text)
        path.unlink()
    (app.root / "tsconfig.json").rename(app.root / "jsconfig.json")


def with_cache_components(app: AppFolder) -> None:
    """Set the option under which Next.js refuses to compile a file that exports `dynamic`."""
    config = app.read("next.config.mjs").replace("turbopack:", "cacheComponents: true, turbopack:")
    app.write("next.config.mjs", config)
    route = app.read("app/api/items/route.js")
    app.write(
        "app/api/items/route.js", "".join(line for line in route.splitlines(True) if "dynamic" not in line)
    )
    (app.root / "app/route.js").unlink()


def test_a_javascript_project_with_cache_components_gets_a_route_and_a_page_that_work(
    next_app: NextApp, postgres_local: ShopServer, postgres_prod: ShopServer
) -> None:
    app = next_app(local=postgres_local.url, prod=postgres_prod.url)
    to_javascript(app)
    with_cache_components(app)
    admin = serve(generate(app, "client", "page"))
    assert (app.root / "app/admin/configuration/page.js").exists()
    page = app.get(PAGE)
    assert page.status == 200
    assert "Development only" in page.body
    framed = app.get(PAGE, headers={"Sec-Fetch-Dest": "iframe", "Sec-Fetch-Site": "cross-site"})
    assert "Development only" not in framed.body
    assert "Development only" not in app.get(PAGE, headers={"Host": "evil.example"}).body
    said = admin.post("prod", postgres_prod.shop.database)
    assert said.status == 202
    result = admin.finish(said.body["id"])
    assert (result["outcome"], result["verified"], result["mode"]) == ("switched", True, "hot")
    app.assert_answers_from(postgres_prod)
