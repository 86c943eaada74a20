"""After a rollback the app is asked again, and the text says no more than what is known then."""

from __future__ import annotations

import queue
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast
from unittest.mock import Mock

import pytest

from dbswitch.database.identity import Identity
from dbswitch.database.url import DatabaseUrl
from dbswitch.errors import DatabaseNotReadyError, ServerError
from dbswitch.switch import app_identity
from dbswitch.switch.app_identity import AppIdentity
from dbswitch.switch.events import Event, Phase, PhaseChanged, PhaseState
from dbswitch.switch.identity_request import IdentityAnswer, IdentityQuestion, Said
from dbswitch.switch.session import Reporter

if TYPE_CHECKING:
    from pathlib import Path

    from dbswitch.switch.project_state import Observed

URL = "http://localhost:3000"


def identity(database: str) -> Identity:
    return Identity(database, "5", "1", "7", "16.4", in_recovery=False, read_only=False)


class Asked:
    """The app's answers: `earlier`, before the switch, and `again`, after the rollback."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
        self.questions: list[IdentityQuestion] = []
        self.url: str | None = URL
        self.again = Said(IdentityAnswer.SAME, "the app answers from local: 127.0.0.1:5432/shop")
        monkeypatch.setattr(
            app_identity,
            "observation",
            SimpleNamespace(observe=lambda *_, **__: SimpleNamespace(url=self.url)),
        )
        monkeypatch.setattr(app_identity, "verify", self.verify)
        monkeypatch.setattr(app_identity, "asks_elsewhere", lambda *_: "")
        limits = SimpleNamespace(hot_deadline=1.0, restart_deadline=2.0)
        self.observed: Any = SimpleNamespace(
            spec=None,
            route="/api/dbswitch",
            generated=None,
            previous="local",
            present=(DatabaseUrl.parse("postgresql://shop:x@127.0.0.1:5432/shop"),),
            project=SimpleNamespace(config=SimpleNamespace(verify=limits), state_dir=root),
        )

    def verify(self, question: IdentityQuestion, **_options: object) -> Said:
        self.questions.append(question)
        return self.again

    def after(self, earlier: Said | None) -> str:
        app = AppIdentity(cast("Observed", self.observed), Reporter(lambda _event: None, "id"))
        if earlier is not None:
            app._earlier = earlier
        return app.ask_after_rollback(restarted=True)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Asked:
    return Asked(monkeypatch, tmp_path)


BEFORE = Said(IdentityAnswer.OTHER, "the app answers from shop", identity("shop"), 200)


def test_everything_is_as_it_was_where_the_app_says_what_it_said_before(asked: Asked) -> None:
    text = asked.after(BEFORE)
    assert text == "everything is as it was: the app answers from local: 127.0.0.1:5432/shop"
    assert asked.questions[0].expected == BEFORE.seen


def test_an_app_that_is_provably_elsewhere_is_no_rollback(asked: Asked) -> None:
    asked.again = Said(IdentityAnswer.OTHER, "the app answers from shop_prod", identity("shop_prod"), 200)
    with pytest.raises(ServerError, match="not on its previous database"):
        asked.after(BEFORE)


@pytest.mark.parametrize(
    "again",
    [
        Said(IdentityAnswer.SILENT, "the app did not answer"),
        Said(IdentityAnswer.NO_DATABASE, "the app cannot reach its database", status=503),
        Said(IdentityAnswer.REFUSED, "the identity route refused the token", status=401),
    ],
)
def test_an_app_that_does_not_tell_leaves_it_unknown(asked: Asked, again: Said) -> None:
    asked.again = again
    text = asked.after(BEFORE)
    assert text == f"it is not known which database the app is on: {again.detail}"


NOT_TOLD = [None, Said(IdentityAnswer.SILENT, "the app did not answer")]


@pytest.mark.parametrize("earlier", NOT_TOLD)
def test_an_app_that_did_not_tell_before_is_compared_with_the_database_of_the_env_files(
    asked: Asked, monkeypatch: pytest.MonkeyPatch, earlier: Said | None
) -> None:
    found = identity("shop")
    monkeypatch.setattr(app_identity, "wait_until_ready", lambda *_: SimpleNamespace(identity=found))
    text = asked.after(earlier)
    assert text.startswith("everything is as it was")
    assert asked.questions[0].expected == found
    asked.again = Said(IdentityAnswer.OTHER, "the app answers from shop_prod", identity("shop_prod"), 200)
    text = asked.after(earlier)
    assert text == "the app answers from shop_prod; its database before the switch is not known"


@pytest.mark.parametrize("earlier", NOT_TOLD)
def test_where_that_database_does_not_answer_either_nothing_is_known(
    asked: Asked, monkeypatch: pytest.MonkeyPatch, earlier: Said | None
) -> None:
    def down(*_arguments: object) -> None:
        raise DatabaseNotReadyError("the database did not answer within 5 s")

    monkeypatch.setattr(app_identity, "wait_until_ready", down)
    text = asked.after(earlier)
    assert text == "it is not known which database the app is on: the database did not answer within 5 s"
    assert not asked.questions


@pytest.mark.parametrize("missing", ["route", "server"])
def test_without_a_route_or_a_server_nothing_is_said(asked: Asked, missing: str) -> None:
    if missing == "route":
        asked.observed.route = None
    else:
        asked.url = None
    assert asked.after(BEFORE) == ""


def test_waiting_for_the_answer_from_before_the_switch_is_a_phase_of_its_own(asked: Asked) -> None:
    events: list[Event] = []
    app = AppIdentity(cast("Observed", asked.observed), Reporter(events.append, "id"))
    app._answers = cast("Any", SimpleNamespace(get=Mock(side_effect=[queue.Empty, BEFORE])))
    app.await_earlier(5.0)
    app.await_earlier(5.0)  # now there is nothing to wait for
    assert [(event.phase, event.state) for event in events if isinstance(event, PhaseChanged)] == [
        (Phase.BASELINE, PhaseState.STARTED),
        (Phase.BASELINE, PhaseState.DONE),
    ]
