"""A server in another pid namespace: every command says that it runs, and none that nothing does."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from dbswitch.server.ports import is_free
from dbswitch.server.processes import LINUX
from tests.cli.conftest import TOKEN
from tests.cli.running import DEADLINE, environment
from tests.server.conftest import wait_for

if TYPE_CHECKING:
    from tests.cli.conftest import Folder

NAMESPACE = ("unshare", "--pid", "--fork", "--mount-proc")


def _can_unshare() -> bool:
    if not LINUX or shutil.which("unshare") is None:
        return False
    return subprocess.run([*NAMESPACE, "true"], check=False, stderr=subprocess.DEVNULL).returncode == 0


pytestmark = pytest.mark.skipif(not _can_unshare(), reason="needs the right to make a pid namespace")


def elsewhere(folder: Folder, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run dbswitch where no process of this namespace can be seen."""
    return subprocess.run(
        [*NAMESPACE, sys.executable, "-m", "dbswitch", *arguments],
        cwd=folder.root,
        env=environment(**{TOKEN: folder.token}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )


def test_stop_restart_and_dev_fail_and_say_what_shows_that_a_server_runs(served: Folder) -> None:
    assert served.run("dev", "--detach").returncode == 0
    before = {process.pid for process in served.living()}
    for command in (("stop",), ("restart",), ("dev", "--detach")):
        done = elsewhere(served, *command)
        assert done.returncode == 6, done.stderr
        assert "nothing was running" not in done.stderr
        assert "cannot be seen" in done.stderr
        assert str(served.port) in done.stderr
        assert "lock is held" in done.stderr
    assert {process.pid for process in served.living()} == before
    assert not is_free(served.port)
    assert served.run("stop").returncode == 0
    wait_for(lambda: is_free(served.port))


def test_where_only_the_port_shows_a_server_it_may_be_another_projects(served: Folder) -> None:
    assert served.run("dev", "--detach").returncode == 0
    before = {process.pid for process in served.living()}
    (served.root / ".next/dev/lock").rename(served.root / "moved")

    stop = elsewhere(served, "stop")
    assert stop.returncode == 6, stop.stderr
    assert "cannot be seen" in stop.stderr
    assert f"port {served.port}" in stop.stderr
    assert "a Next.js development server answers there" in elsewhere(served, "status").stdout
    for command in (("restart",), ("dev", "--detach")):
        done = elsewhere(served, *command)
        assert done.returncode == 6, done.stderr
        assert f"port {served.port} is held" in done.stderr
    switched = elsewhere(served, "prod", "--confirm", "shop")
    assert switched.returncode == 0, switched.stderr
    assert "no dev server of this project can be seen" in switched.stderr
    assert {process.pid for process in served.living()} == before


def test_status_and_doctor_name_it_and_a_switch_changes_nothing(served: Folder) -> None:
    assert served.run("dev", "--detach").returncode == 0
    files = (served.root / ".env.local").read_bytes()

    status = json.loads(elsewhere(served, "status", "--json").stdout)["server"]
    assert (status["state"], status["url"]) == ("hidden", f"http://localhost:{served.port}")
    assert any("lock is held" in fact for fact in status["hidden"])
    assert "its processes cannot be seen" in elsewhere(served, "status").stdout
    assert "none of its processes can be seen" in elsewhere(served, "doctor").stdout
    done = elsewhere(served, "prod", "--confirm", "shop")
    assert done.returncode == 6, done.stderr
    assert (served.root / ".env.local").read_bytes() == files
    assert not is_free(served.port)


def test_where_nothing_runs_nothing_is_said_to_run(served: Folder) -> None:
    assert served.run("dev", "--detach").returncode == 0
    assert served.run("stop").returncode == 0
    done = elsewhere(served, "stop", "-v")
    assert done.returncode == 0, done.stderr
    assert "nothing was running" in done.stderr
