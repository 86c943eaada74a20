"""A program that the dev script launched into a session of its own survives every restart and is named each time."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from tests.cli.conftest import STANDIN

if TYPE_CHECKING:
    import psutil

    from tests.cli.conftest import Folder


def sleepers(folder: Folder) -> list[psutil.Process]:
    return [process for process in folder.living() if process.name() == "sleep"]


def test_it_is_named_once_for_each_stop_and_lives_on(served: Folder) -> None:
    script = f"setsid sleep 600 & exec {sys.executable} {STANDIN} dev"
    settings = (served.root / "dbswitch.toml").read_text().splitlines()
    settings[1] = f"command = {json.dumps(['sh', '-c', script])}"
    served.write("dbswitch.toml", "\n".join(settings) + "\n")
    assert served.run("dev", "--detach").returncode == 0
    [first] = sleepers(served)

    done = served.run("prod", "--confirm", "shop")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("left alone") == 1
    assert f"left alone: sleep, pid {first.pid}, started by the dev script" in done.stderr
    assert len(sleepers(served)) == 2  # the dev script launched another one

    code, events = served.json("stop")
    assert code == 0
    named = [event["text"] for event in events if event.get("code") == "left-alone"]
    assert sorted(named) == sorted(
        f"left alone: sleep, pid {one.pid}, started by the dev script" for one in sleepers(served)
    )
    assert first.is_running()
