"""The suite's own guards, each seen to bite."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.amounts import first_and_sweep

if TYPE_CHECKING:
    from collections.abc import Callable

REPOSITORY = Path(__file__).parents[2]
WITHOUT = ("-p", "no:cacheprovider", "-p", "no:hypothesispytest")  # hypothesis takes a second to import


def run_pytest(
    folder: Path,
    source: str,
    *arguments: str,
    before: Callable[[], object] | None = None,
    **environment: str,
) -> subprocess.CompletedProcess[str]:
    """Run one test file under the suite's own conftest; call `before` in the new process first."""
    (folder / "conftest.py").write_text("from tests.conftest import *\n")
    (folder / "test_it.py").write_text(source)
    (folder / "pytest.ini").write_text("[pytest]\nmarkers =\n real: real stack\n sweep: all\n root: root\n")
    kept = {key: value for key, value in os.environ.items() if key not in {"CI", "PYTEST_ADDOPTS"}}
    kept = {key: value for key, value in kept.items() if not key.startswith("PYTEST_XDIST")}
    return subprocess.run(
        [sys.executable, "-m", "pytest", *WITHOUT, "-rA", *arguments, str(folder)],
        cwd=folder,
        env=kept | {"PYTHONPATH": str(REPOSITORY)} | environment,
        capture_output=True,
        text=True,
        timeout=280,
        preexec_fn=before,
    )


SKIPPED = "import pytest\n@pytest.mark.real\n@pytest.mark.skip(reason='no node')\ndef test_a(): pass\n"
MODULE = "import pytest\npytest.skip('no node', allow_module_level=True)\n"
LEAVES = "import subprocess\ndef test_a(): subprocess.Popen(['sleep', '600'])\n"


@pytest.mark.parametrize("source", [SKIPPED, MODULE])
def test_a_skip_of_the_real_stack_fails_in_ci_and_only_there(tmp_path, source):
    in_ci = run_pytest(tmp_path, source, CI="true")
    assert in_ci.returncode != 0
    assert "skipped" in in_ci.stdout
    assert "no node" in in_ci.stdout
    assert run_pytest(tmp_path, source).returncode in {0, 5}


@pytest.mark.parametrize("workers", first_and_sweep([("-n", "1"), ()]))
def test_a_process_left_behind_fails_the_run_and_is_named_with_its_test(tmp_path, workers):
    done = run_pytest(tmp_path, LEAVES, *workers)
    assert done.returncode == 1
    assert "LEFT BEHIND" in done.stdout
    assert "sleep 600 (started by" in done.stdout
    assert "test_a" in done.stdout


HANGS = """
import pytest, threading, time
def wait_in_a_thread(): time.sleep(60)
@pytest.mark.timeout(1)
def test_a():
    threading.Thread(target=wait_in_a_thread, daemon=True).start()
    time.sleep(60)
def test_b(): pass
"""
HANGS_IN_TEARDOWN = """
import pytest, time
import tests.conftest
tests.conftest.TEARDOWN_DEADLINE = 1
@pytest.fixture
def waiting():
    yield
    time.sleep(60)
def test_a(waiting): assert False
"""


@pytest.mark.parametrize("workers", first_and_sweep([("-n", "1"), ()]))
def test_a_test_that_does_not_end_fails_with_the_stack_of_every_thread_and_the_run_goes_on(tmp_path, workers):
    done = run_pytest(tmp_path, HANGS, *workers)
    assert "1 failed, 1 passed" in done.stdout
    assert "Timeout (>1.0s)" in done.stdout
    assert "in wait_in_a_thread" in done.stdout


def test_a_fixture_that_does_not_end_after_a_failure_has_a_deadline(tmp_path):
    done = run_pytest(tmp_path, HANGS_IN_TEARDOWN, "-o", "timeout=30")
    assert "1 failed, 1 error" in done.stdout


def test_a_clean_up_that_waits_after_the_deadline_ends_the_worker_with_a_stack(tmp_path):
    source = "import time\ndef test_a():\n try: time.sleep(60)\n finally: time.sleep(60)\n"
    options = ("timeout=1", "faulthandler_timeout=3", "faulthandler_exit_on_timeout=true")
    done = run_pytest(tmp_path, source, "-n", "1", *(word for option in options for word in ("-o", option)))
    assert done.returncode == 1
    assert "crashed while running 'test_it.py::test_a'" in done.stdout


SIGNALS = """
import signal, subprocess, sys
CODE = 'import signal; print(signal.getsignal(signal.SIGINT).__name__, signal.getsignal(signal.SIGHUP).name)'
def test_a():
    done = subprocess.run([sys.executable, '-c', CODE], capture_output=True, text=True)
    assert done.stdout == 'default_int_handler SIG_DFL\\n'
"""


@pytest.mark.parametrize("workers", first_and_sweep([("-n", "1"), ()]))
def test_programs_get_default_signals_whoever_started_pytest(tmp_path, workers):
    def ignore() -> None:
        for number in (signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)

    done = run_pytest(tmp_path, SIGNALS, *workers, before=ignore)
    assert done.returncode == 0, done.stdout


def test_tests_run_with_stdin_closed(tmp_path):
    source = "import subprocess\ndef test_a(): subprocess.run(['cat'], check=True, timeout=100)\n"
    done = run_pytest(tmp_path, source, "-n", "1", before=lambda: os.close(0))
    assert done.returncode == 0, done.stdout + done.stderr


STATE = """
import os, subprocess
from pathlib import Path
def test_a():
    assert Path(os.environ['XDG_STATE_HOME']).is_dir()
    assert not Path(os.environ['XDG_STATE_HOME']).is_relative_to(Path.home())
"""


def test_the_state_of_this_user_is_not_touched(tmp_path):
    done = run_pytest(tmp_path, STATE)
    assert done.returncode == 0, done.stdout
