"""A program that the dev script launched into a session of its own survives every restart and is named each time."""

from __future__ import annotations

import contextlib
import json
import sys
from typing import TYPE_CHECKING

import psutil

from tests.cli.conftest import STANDIN
from tests.support.nextapp import wait_until

if TYPE_CHECKING:
    from tests.cli.conftest import Folder


def sleepers(folder: Folder, count: int) -> list[psutil.Process]:
    """Wait until so many run: the script starts each in the background."""

    def found() -> list[psutil.Process] | None:
        with contextlib.suppress(psutil.Error):  # one has just ended
            those = [process for process in folder.living() if process.name() == "sleep"]
            return those if len(those) == count else None
        return None

    return wait_until(found, 60, lambda: f"there are not {count} of them")


def test_it_is_named_once_for_each_stop_and_lives_on(served: Folder) -> None:
    script = f"setsid sleep 600 & exec {sys.executable} {STANDIN} dev"
    settings = (served.root / "dbswitch.toml").read_text().splitlines()
    settings[1] = f"command = {json.dumps(['sh', '-c', script])}"
    served.write("dbswitch.toml", "\n".join(settings) + "\n")
    assert served.run("dev", "--detach").returncode == 0
    [first] = sleepers(served, 1)

    done = served.run("prod", "--confirm", "shop")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("left alone") == 1
    assert f"left alone: sleep, pid {first.pid}, started by the dev script" in done.stderr
    both = sleepers(served, 2)  # the dev script launched another one

    code, events = served.json("stop")
    assert code == 0
    named = [event["text"] for event in events if event.get("code") == "left-alone"]
    assert sorted(named) == sorted(
        f"left alone: sleep, pid {one.pid}, started by the dev script" for one in both
    )
    assert first.is_running()
