"""A disk that fills up in the middle of a switch: the next command with room puts everything in order.

A state folder is a small file system of its own, which only root can mount.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.state import private_dir
from tests.switch.test_killed import answer, events_of, finish, servers, switching

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cli.conftest import Folder
    from tests.support.postgres import ShopServer

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(sys.platform != "linux", reason="mounts a small file system"),
]


@pytest.fixture
def state(served: Folder) -> Iterator[Path]:
    """The project's private state on 256 KiB of its own; the project's server runs."""
    made = private_dir(served.root)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k,mode=0700", "tmpfs", str(made)], check=True)
    try:
        assert served.run("dev", "--detach").returncode == 0
        yield made
    finally:
        served.run("stop")
        subprocess.run(["umount", "--lazy", str(made)], check=True)


def fill(state: Path) -> Path:
    """Take all the room there is."""
    filler = state / "filler"
    with filler.open("wb", buffering=0) as stream, contextlib.suppress(OSError):
        while stream.write(b"\0" * 512):
            pass
    return filler


@pytest.mark.parametrize("point", [("write", "done"), ("start", "done")])
def test_a_disk_that_filled_up_in_a_switch_costs_no_server(
    served: Folder, state: Path, postgres_prod: ShopServer, point: tuple[str, str]
) -> None:
    old = (served.root / ".env.local").read_text()
    process = switching(served, "prod", "--confirm", postgres_prod.shop.database)
    for event in events_of(process, 1000):
        if event["event"] == "phase" and (event["phase"], event["state"]) == point:
            break
    filler = fill(state)
    process.send_signal(signal.SIGINT)
    code, events, err = finish(process)
    assert code in {8, 130}, (events, err)
    assert "Traceback" not in err
    filler.unlink()
    done = served.run("restart")
    assert done.returncode == 0, done.stderr
    text = (served.root / ".env.local").read_text()
    assert text == old or code == 8  # without room for its journal the way back is refused, and said
    assert len(servers(served)) == 1
    assert answer(served)["client"] in text.splitlines()[0]
    assert not (state / "switch.json").exists()


def test_a_server_is_stopped_on_a_full_disk_and_a_switch_refused(
    served: Folder, state: Path, postgres_prod: ShopServer
) -> None:
    old = (served.root / ".env.local").read_text()
    fill(state)
    done = served.run("prod", "--confirm", postgres_prod.shop.database)
    assert done.returncode == 2
    assert "No space left on device" in done.stderr
    assert (served.root / ".env.local").read_text() == old
    assert len(servers(served)) == 1
    assert served.run("stop").returncode == 0
    assert servers(served) == []
