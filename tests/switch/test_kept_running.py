"""A switch that leaves the server running: what the app still holds of the old database, and a database that restarts."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast
from unittest.mock import Mock

import pytest
from msgspec.structs import replace

from dbswitch.database.identity import Identity
from dbswitch.database.url import DatabaseUrl
from dbswitch.switch import app_identity, run
from dbswitch.switch.app_identity import AppIdentity
from dbswitch.switch.events import Phase
from dbswitch.switch.identity_request import IdentityAnswer, Said
from dbswitch.switch.plan import Mode
from dbswitch.switch.session import Reporter

if TYPE_CHECKING:
    from pathlib import Path

    from dbswitch.switch.database_start import Destination
    from dbswitch.switch.project_state import Observed

URL = "http://localhost:3000"
STARTED = Identity("shop", "5", "1", "7", "16.4", in_recovery=False, read_only=False)
RESTARTED = replace(STARTED, started_at="8")
ON_TARGET = Said(IdentityAnswer.SAME, "the app answers from prod", STARTED, 200)


@pytest.mark.parametrize(
    ("remains", "answer"), [(None, IdentityAnswer.SAME), ("pid 7 keeps a connection", IdentityAnswer.OTHER)]
)
def test_without_a_restart_an_app_with_a_connection_to_the_old_database_is_not_verified(
    remains: str | None, answer: IdentityAnswer
) -> None:
    apply = Mock()
    apply.app.verify.return_value = ON_TARGET
    apply.app.old_connections.return_value = remains
    plan = SimpleNamespace(mode=Mode.NONE, unchanged=False, verify=True)
    said = run._keep_running(apply, cast("Any", SimpleNamespace(plan=plan, goal=Mock())), STARTED)
    assert said is not None
    assert said.answer is answer
    codes = [call.args[0] for call in apply.reporter.notice.call_args_list]
    assert codes == (["old-connections"] if remains else [])


@pytest.mark.parametrize(("seen", "probes"), [(STARTED, 0), (RESTARTED, 1)])
def test_a_database_that_restarted_after_its_probe_is_probed_again_and_the_app_asked_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, seen: Identity, probes: int
) -> None:
    expected: list[Identity] = []
    probed: list[Phase] = []

    def verify(question: Any, **_options: object) -> Said:
        expected.append(question.expected)
        same = IdentityAnswer.SAME if question.expected == seen else IdentityAnswer.OTHER
        return Said(same, "the app answers from prod", seen, 200)

    def probe(_goal: object, _reporter: object, phase: Phase) -> Any:
        probed.append(phase)
        return SimpleNamespace(identity=seen)

    monkeypatch.setattr(app_identity, "verify", verify)
    monkeypatch.setattr(app_identity, "probe", probe)
    monkeypatch.setattr(app_identity, "asks_elsewhere", lambda *_: "")
    limits = SimpleNamespace(hot_deadline=1.0, restart_deadline=2.0)
    project = SimpleNamespace(config=SimpleNamespace(verify=limits), state_dir=tmp_path)
    observed = SimpleNamespace(
        route="/api/dbswitch",
        generated=None,
        server=SimpleNamespace(url=URL),
        previous=None,
        present=(),
        project=project,
    )
    target = SimpleNamespace(name="prod", url=DatabaseUrl.parse("postgresql://shop:x@127.0.0.1:5432/shop"))
    app = AppIdentity(cast("Observed", observed), Reporter(lambda _event: None, "id"))

    said = app.verify(cast("Destination", SimpleNamespace(target=target)), STARTED)

    assert said is not None
    assert said.verified
    assert expected == [STARTED] + [RESTARTED] * probes
    assert probed == [Phase.REPROBE] * probes
