"""The route is asked once where a server runs."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from dbswitch.project.discovery import load
from dbswitch.project.generated import header_line
from dbswitch.server.state import ServerState
from dbswitch.switch import app_identity
from dbswitch.switch.identity_request import IdentityAnswer
from tests.switch.test_verify import LOCAL, app, identity

if TYPE_CHECKING:
    from pathlib import Path

    from tests.switch.test_verify import Reply

PATH = "/api/dbswitch/identity"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "package.json").write_text('{"dependencies": {"next": "16.0.7"}}')
    route = tmp_path / f"app{PATH}/route.ts"
    route.parent.mkdir(parents=True)
    route.write_bytes(header_line("identity", b""))
    return tmp_path


def serve(monkeypatch: pytest.MonkeyPatch, url: str | None, state: ServerState = ServerState.READY) -> None:
    monkeypatch.setattr(
        app_identity.observation, "observe", lambda _spec: SimpleNamespace(url=url, state=state)
    )


def test_the_answer_is_told_also_where_next_notices_the_new_file_late(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def reply(n: int, path: str, _token: str | None) -> Reply:
        asked.append(path)
        return (404, b"<html>") if n == 1 else identity(LOCAL)

    with app(reply) as url:
        serve(monkeypatch, url)
        said = app_identity.try_route(load(project))
    assert said is not None
    assert said.detail.startswith("the app answers from shop_local")
    assert len(asked) > 1
    assert set(asked) == {f"{PATH}?identity=1"}


@pytest.mark.usefixtures("one_at_a_time")
def test_a_route_that_cannot_ask_gives_its_reason_at_once(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def reply(n: int, _path: str, _token: str | None) -> Reply:
        asked.append(n)
        return 307, b"", {"Location": "/login"}

    with app(reply) as url:
        serve(monkeypatch, url)
        said = app_identity.try_route(load(project))
    assert said is not None
    assert (said.answer, asked) == (IdentityAnswer.CANNOT_ASK, [1])


def test_the_route_is_asked_under_the_base_path_that_the_server_recorded(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / ".next" / "dev").mkdir(parents=True)
    (project / ".next" / "dev" / "routes-manifest.json").write_text('{"basePath": "/shop"}')
    with app(lambda _n, path, _token: identity(LOCAL) if path.startswith("/shop/api") else (404, b"")) as url:
        serve(monkeypatch, url)
        said = app_identity.try_route(load(project))
    assert said is not None
    assert said.seen == LOCAL


def test_nothing_is_asked_without_a_server_or_a_route(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    serve(monkeypatch, None, ServerState.STOPPED)
    assert app_identity.try_route(load(project)) is None
    (project / f"app{PATH}/route.ts").unlink()
    serve(monkeypatch, "http://127.0.0.1:1")
    assert app_identity.try_route(load(project)) is None
