"""A newer request for another target ends the wait of an older one, as long as that has changed nothing."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from dbswitch.demo.postgres import free_port

if TYPE_CHECKING:
    from tests.cli.conftest import Folder

PATIENCE = 600.0  # seconds; far more than the newer request needs


def test_a_switch_that_waits_for_a_database_that_is_down_gives_way_at_once(served: Folder) -> None:
    env = served.root / ".env.local"
    env.write_text(re.sub(r"(_PRODUCTION=.*):\d+/", rf"\1:{free_port()}/", env.read_text()))
    before = env.read_bytes()
    with served.terminal("prod", "--confirm", "prod", "--timeout", f"{PATIENCE:.0f}") as terminal:
        terminal.until("refused")
        began = time.monotonic()
        code, events = served.json("local")
        assert (code, events[-1]["outcome"]) == (0, "unchanged")
        assert terminal.end() == 5
        assert time.monotonic() - began < PATIENCE / 2
    assert env.read_bytes() == before
