"""`dbswitch demo` as a person runs it: the real thing, and nothing left behind however it ends."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

import pytest

from tests.support.nextapp import BASE, REPOSITORY, wait_until
from tests.support.npm import node_modules_for
from tests.support.processes import end, with_variable

pytestmark = pytest.mark.real
VARIABLE = "DBSWITCH_TEST_DEMO"
LONG = 540.0  # seconds; below the deadline of a test of the real stack, so that what the demo said is shown


class Demo:
    """One run in a temporary folder of its own, which makes what it leaves behind visible."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.temporary = folder / "tmp"
        self.temporary.mkdir()
        self.temporary.chmod(0o711)
        self.programs = folder / "bin"
        self.programs.mkdir()
        self.output = folder / "output"
        self.environment = os.environ | {
            "TMPDIR": str(self.temporary),
            "PYTHONPATH": str(REPOSITORY),
            "PATH": f"{self.programs}{os.pathsep}{os.environ['PATH']}",
            "npm_config_prefer_offline": "true",
            "COLUMNS": "200",
            VARIABLE: folder.name,
        }

    def program(self, name: str, script: str) -> None:
        path = self.programs / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def quick_npm(self) -> None:
        """Let `npm ci` take the packages from the tests' cache; everything else is npm's own."""
        npm, modules = shutil.which("npm"), node_modules_for(BASE)
        copy = f"cp -al '{modules}' node_modules 2>/dev/null || {{ rm -rf node_modules; cp -a '{modules}' node_modules; }}"
        self.program("npm", f'if [ "$1" = ci ]; then {copy}; else exec "{npm}" "$@"; fi')

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        with self.output.open("ab") as stream:
            return subprocess.Popen(
                [sys.executable, "-m", "dbswitch", "demo", *arguments],
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                start_new_session=True,
            )

    def run(self, *arguments: str) -> int:
        return self.start(*arguments).wait(LONG)

    @property
    def said(self) -> str:
        return self.output.read_text()

    def processes(self):
        return with_variable(VARIABLE, self.folder.name)

    def assert_nothing_left(self) -> None:
        assert self.processes() == []
        assert list(self.temporary.iterdir()) == []


@pytest.fixture
def demo():
    # Not pytest's own temporary folder: root's servers run as a user who may not enter it. And on the disk, where the
    # packages of the tests can be had by hard links.
    folder = Path(tempfile.mkdtemp(prefix="dbswitch-test-demo-", dir="/tmp"))
    folder.chmod(0o711)
    yield Demo(folder)
    end(with_variable(VARIABLE, folder.name))
    shutil.rmtree(folder)


def assert_switched_there_and_back(demo: Demo) -> None:
    """What the demo printed: the app's answers after each switch, and no password."""
    answers = [line for line in demo.said.splitlines() if '"database":' in line]
    assert ['"shop_dev"' in answer for answer in answers] == [True, False, True], demo.said
    assert [word in demo.said for word in ("Local test shop", "Production shop", "uploads-production")] == [
        True
    ] * 3
    assert demo.said.count("confirmed by the app") == 2
    assert [secret for secret in ("local-demo", "pr@d", "pr%40d") if secret in demo.said] == []


@pytest.mark.slow
@pytest.mark.sweep
def test_the_demo_with_its_packages_from_npm_switches_there_and_back_and_leaves_nothing(demo):
    assert demo.run() == 0, demo.said
    assert_switched_there_and_back(demo)
    demo.assert_nothing_left()


WITHOUT_THE_APP = """
import sys
from dbswitch.__main__ import main
from dbswitch.demo import demo_run, shop_app
shop_app.install_packages = shop_app.generate_client = demo_run._Demo._dbswitch = lambda *_: None
demo_run._Demo.play = lambda demo: print(*(server.process.pid for server, _ in demo.servers.values()), flush=True)
sys.exit(main(["demo"]))
"""


def test_a_demo_that_has_ended_has_stopped_its_servers_and_removed_its_folder(demo):
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_THE_APP],
        cwd=demo.folder,
        env=demo.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.split()) == 2  # both servers ran
    demo.assert_nothing_left()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("moment", "number", "code"),
    [
        ("PostgreSQL", signal.SIGINT, 130),
        pytest.param("$ dbswitch dev", signal.SIGINT, 130, marks=pytest.mark.sweep),
        pytest.param("$ dbswitch prod", signal.SIGTERM, 143, marks=pytest.mark.sweep),
    ],
)
def test_a_signal_midway_leaves_nothing(demo, moment, number, code):
    demo.quick_npm()
    process = demo.start()
    wait_until(lambda: moment in demo.said or None, LONG, lambda: demo.said)
    process.send_signal(number)
    assert process.wait(LONG) == code, demo.said
    demo.assert_nothing_left()


def test_a_signal_while_npm_installs_ends_npm_too(demo):
    started = demo.folder / "npm-started"
    demo.program("npm", f"touch '{started}'; sleep 300; true")
    process = demo.start()
    wait_until(lambda: started.exists() or None, LONG, lambda: demo.said)
    process.send_signal(signal.SIGINT)
    assert process.wait(LONG) == 130, demo.said
    demo.assert_nothing_left()


@pytest.mark.slow
def test_the_demo_switches_there_and_back_shows_no_password_and_a_kept_one_goes_on_until_it_is_stopped(demo):
    demo.quick_npm()
    assert demo.run("--keep") == 0, demo.said
    assert_switched_there_and_back(demo)
    address = next(line.split()[1] for line in demo.said.splitlines() if line.strip().startswith("curl "))
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(address, timeout=LONG) as response:
        assert b"shop_dev" in response.read()
    assert demo.run("--stop") == 0, demo.said
    demo.assert_nothing_left()


@pytest.mark.slow
def test_what_a_killed_demo_left_is_removed_by_the_next_one(demo):
    demo.quick_npm()
    process = demo.start()
    wait_until(lambda: "packages installed" in demo.said or None, LONG, lambda: demo.said)
    process.kill()
    process.wait()
    assert demo.processes() != []
    assert demo.run("--stop") == 0, demo.said
    demo.assert_nothing_left()


def test_failing_npm_is_explained_and_leaves_nothing(demo):
    demo.program("npm", "echo 'npm error code ENOTFOUND' >&2; exit 1")
    assert demo.run() == 2
    assert "ENOTFOUND" in demo.said
    assert "npm ping" in demo.said
    assert "Traceback" not in demo.said
    demo.assert_nothing_left()


def test_an_old_node_is_refused_before_anything_is_made(demo):
    demo.program("node", "echo v18.19.0")
    assert demo.run() == 2
    assert "v18.19.0" in demo.said
    assert "20.19" in demo.said
    demo.assert_nothing_left()
