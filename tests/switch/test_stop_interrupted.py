"""A stop that a signal ends half-way does not claim that nothing was changed."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from dbswitch.errors import ExitCode
from dbswitch.project.discovery import load
from dbswitch.server import stopping
from dbswitch.switch.start_and_stop import stop_server

if TYPE_CHECKING:
    import pytest

    from tests.cli.conftest import Folder


def test_a_stop_cut_by_term_says_that_the_server_may_be_stopped(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stopping, "stop", lambda *_a, **_k: os.kill(os.getpid(), signal.SIGTERM))
    result = stop_server(load(folder.root), lambda _event: None)
    assert result.exit == ExitCode.TERMINATED
    assert result.error is not None
    assert result.error.facts == (
        "some of the server's processes may be stopped; `dbswitch status` shows its state",
    )
