"""Env files that cannot be read or replaced: seen before a server is touched, and no reason to leave one running."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from tests.support.state import private_dir

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
    assert "stopped anyway" in done.stderr
    assert not served.living()


@pytest.mark.parametrize("command", ["no-such-program-here", "/nowhere/node", "./package.json"])
def test_a_server_that_could_not_be_started_again_is_not_stopped(served: Folder, command: str) -> None:
    assert served.run("dev", "--detach").returncode == 0
    before = {process.pid for process in served.living()}
    old = (served.root / ".env.local").read_bytes()
    served.write(
        "dbswitch.toml",
        f'[server]\ncommand = ["{command}", "dev"]\nport = {served.port}\nports = [{served.port}]\n',
    )
    code, events = served.json("local", "--restart")
    assert code == 6
    assert events[-1]["error"]["what"] == "the dev server's command cannot be run"
    assert {process.pid for process in served.living()} == before
    assert (served.root / ".env.local").read_bytes() == old
    assert not (private_dir(served.root) / "switch.json").exists()


def test_an_env_file_from_the_future_does_not_restart_the_server_at_every_switch(served: Folder) -> None:
    assert served.run("dev", "--detach").returncode == 0
    to_come = time.time() + 86_400
    os.utime(served.root / ".env.local", (to_come, to_come))
    served.json("local")  # setting the time changed the file's ctime, which is reason for one restart
    assert served.json("local")[1][-1]["outcome"] == "unchanged"
