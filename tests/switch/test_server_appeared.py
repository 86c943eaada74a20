"""A dev server that is started by hand while a run waits for the database is not left on the old one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest

from dbswitch.cli import messages
from dbswitch.errors import EnvFileError
from dbswitch.project.discovery import load
from dbswitch.switch import run, start_and_stop, switch_steps
from dbswitch.switch.events import Notice, Outcome, Phase, PhaseChanged, PhaseState
from dbswitch.switch.plan import Mode
from dbswitch.switch.session import Request
from tests.cli.conftest import STANDIN, TOKEN
from tests.cli.running import environment
from tests.support.nextapp import wait_until
from tests.switch.test_killed import servers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dbswitch.switch.events import Event
    from tests.cli.conftest import Folder


class ByHand:
    """Starts the app by hand at the first probe, and keeps the events."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self.app: subprocess.Popen[bytes] | None = None
        self.events: list[Event] = []

    def __call__(self, event: Event) -> None:
        self.events.append(event)
        if self.app is None and isinstance(event, PhaseChanged) and event.phase is Phase.PROBE:
            assert event.state is PhaseState.STARTED
            self.app = subprocess.Popen(
                [sys.executable, str(STANDIN), "dev", "-p", str(self.folder.port)],
                cwd=self.folder.root,
                env=environment(**{TOKEN: self.folder.token, "STARTED": "by hand"}),
                stdout=subprocess.DEVNULL,
            )
            wait_until(self.answer, 60, lambda: "it does not answer")

    def answer(self) -> dict[str, Any] | None:
        try:
            with urllib.request.urlopen(
                f"http://localhost:{self.folder.port}/api/db", timeout=60
            ) as response:
                return dict(json.load(response))
        except OSError:
            return None

    def told(self, code: str) -> list[str]:
        return [one.text for one in self.events if isinstance(one, Notice) and one.code == code]


@pytest.fixture
def by_hand(served: Folder) -> Iterator[ByHand]:
    one = ByHand(served)
    yield one
    if one.app is not None:
        one.app.kill()
        one.app.wait()


def to_prod(by_hand: ByHand, mode: Mode | None = None) -> Any:
    request = Request("prod", confirm="prod", mode=mode, ambient=dict(os.environ))
    return run.switch(load(by_hand.folder.root), request, by_hand)


def test_a_switch_restarts_it(by_hand: ByHand) -> None:
    result = to_prod(by_hand)
    assert (result.outcome, result.mode) == (Outcome.SWITCHED, "restart"), result
    assert by_hand.told("server-appeared") == ["a dev server was started in the meantime and is restarted"]
    found = by_hand.answer()
    assert found is not None
    assert found["client"] in (by_hand.folder.root / ".env.local").read_text().splitlines()[0]
    assert by_hand.told("taken-over")


def test_without_a_restart_it_is_named_and_the_result_does_not_say_that_none_runs(by_hand: ByHand) -> None:
    result = to_prod(by_hand, Mode.NONE)
    assert (result.outcome, result.mode) == (Outcome.SWITCHED, "none"), result
    [text] = by_hand.told("server-appeared")
    assert text.endswith("it stays on its database until `dbswitch restart`")
    notices = [one for one in by_hand.events if isinstance(one, Notice)]
    assert not any("no dev server" in line for line in messages.verdict(result, notices))
    assert by_hand.app is not None
    assert by_hand.app.poll() is None


def test_a_rollback_starts_it_again_with_its_own_environment(
    by_hand: ByHand, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object) -> None:
        raise EnvFileError("the disk is full")

    monkeypatch.setattr(switch_steps.transaction, "apply", fail)
    result = to_prod(by_hand)
    assert result.exit == 7, result
    assert by_hand.answer() is not None
    [server] = servers(by_hand.folder)
    assert server.environ()["STARTED"] == "by hand"


def test_dev_leaves_it_running_and_says_so(by_hand: ByHand) -> None:
    request = Request(ambient=dict(os.environ))
    result = start_and_stop.start_server(load(by_hand.folder.root), request, by_hand)
    assert (result.exit, result.outcome) == (0, Outcome.UNCHANGED), result
    assert by_hand.told("already-running") == [
        f"Already running on local at http://localhost:{by_hand.folder.port}"
    ]
    assert by_hand.app is not None
    assert by_hand.app.poll() is None
