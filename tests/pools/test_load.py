"""Switches of a pool while four programs write through it: no query fails, no write is lost, doubled or misplaced."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

import pytest

from tests.support.fleet_load import load_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.fleet import Fleet

pytestmark = pytest.mark.real
SWITCHES = 20


@pytest.mark.parametrize(
    ("poolers", "switches"),
    [
        (1, 2),
        pytest.param(1, SWITCHES, marks=[pytest.mark.sweep, pytest.mark.slow]),
        pytest.param(2, SWITCHES, marks=[pytest.mark.sweep, pytest.mark.slow]),
    ],
)
def test_no_query_fails_and_no_write_is_lost_or_doubled(
    fleet_of: Callable[..., Fleet], tmp_path: Path, poolers: int, switches: int
) -> None:
    load = load_of(fleet_of(poolers), tmp_path / "load")
    with contextlib.ExitStack() as stack:
        stack.callback(load.stop)
        load.start()
        for number in range(switches):
            load.switch("local" if number % 2 else "prod")
            for program in load.programs:
                program.wait(time.time())  # on the new database
        assert not load.fleet.left
    assert load.failed() == []
    assert load.require_every_write_once() > 50 * switches
