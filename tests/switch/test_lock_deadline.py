"""A waiter waits for the lock longer than a run may hold it, however the project is configured."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from dbswitch.project import config
from dbswitch.switch.database_start import START_TIMEOUT
from dbswitch.switch.session import lock_deadline

if TYPE_CHECKING:
    from pathlib import Path

    from dbswitch.project.discovery import Project


def deadline(root: Path, text: str = "") -> float:
    return lock_deadline(cast("Project", SimpleNamespace(root=root, config=config.parse(text.encode()))))


def test_without_a_database_to_start_it_covers_a_failed_switch_and_its_way_back(tmp_path: Path) -> None:
    limits = config.Config()
    probes = 2 * limits.database.restart_deadline
    starts = 2 * limits.server.ready_timeout
    stops = 3 * (limits.server.term_timeout + limits.server.kill_timeout)
    asked = limits.verify.hot_deadline + 2 * limits.verify.restart_deadline
    assert deadline(tmp_path) > probes + starts + stops + asked


def test_a_database_that_has_to_be_started_is_waited_for(tmp_path: Path) -> None:
    assert deadline(tmp_path) > START_TIMEOUT + 2 * config.Config().database.start_deadline


@pytest.mark.parametrize(
    ("setting", "seconds"),
    [
        ("[server]\nready_timeout = 1060\n", 2000),
        ("[server]\nterm_timeout = 1005\n", 3000),
        ("[database]\nrestart_deadline = 1030\n", 2000),
        ("[verify]\nrestart_deadline = 1030\n", 2000),
        ('[targets.prod]\ncommand = ["true"]\ncommand_timeout = 1000\n', 1000),
    ],
)
def test_every_configured_time_counts(tmp_path: Path, setting: str, seconds: float) -> None:
    assert deadline(tmp_path, setting) >= deadline(tmp_path) + seconds
