"""Env files that cannot be read or replaced: seen before a server is touched, and no reason to leave one running."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Folder
    from tests.support.postgres import ShopServer


@pytest.mark.parametrize("flags", [(), ("--dry-run",)])
def test_an_env_file_that_cannot_be_replaced_is_refused_before_the_server_is_stopped(
    served: Folder, postgres_prod: ShopServer, flags: tuple[str, ...]
) -> None:
    assert served.run("dev", "--detach").returncode == 0
    before = {process.pid for process in served.living()}
    os.link(served.root / ".env.local", served.root / "second-name")
    code, events = served.json("prod", "--confirm", postgres_prod.shop.database, *flags)
    assert code == 2
    assert "second hard link" in events[-1]["error"]["what"]
    assert not {"probe", "stop"} & {event.get("phase") for event in events}
    assert {process.pid for process in served.living()} == before


@pytest.mark.parametrize("broken", ["a folder", "a clash"])
def test_a_server_can_be_stopped_whatever_the_env_files_are_like(served: Folder, broken: str) -> None:
    assert served.run("dev", "--detach").returncode == 0
    if broken == "a folder":
        (served.root / ".env").mkdir()
    else:
        served.write("env/stop.env", "DATABASE_URL=postgresql://a:b@127.0.0.1/x\n")
    assert served.run("status").returncode == 2
    done = served.run("stop")
    assert done.returncode == 0, done.stderr
    assert "stopped all the same" in done.stderr
    assert not served.living()
