"""The suite's own guards, each seen to bite."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]


def run_pytest(
    folder: Path, source: str, *arguments: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run one test file under the suite's own conftest."""
    (folder / "conftest.py").write_text("from tests.conftest import *\n")
    (folder / "test_it.py").write_text(source)
    (folder / "pytest.ini").write_text("[pytest]\nmarkers = real: real stack\n")
    kept = {key: value for key, value in os.environ.items() if key not in {"CI", "PYTEST_ADDOPTS"}}
    kept = {key: value for key, value in kept.items() if not key.startswith("PYTEST_XDIST")}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rA", *arguments, str(folder)],
        cwd=folder,
        env=kept | {"PYTHONPATH": str(REPOSITORY)} | environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


SKIPPED = "import pytest\n@pytest.mark.real\n@pytest.mark.skip(reason='no node')\ndef test_a(): pass\n"
MODULE = "import pytest\npytest.skip('no node', allow_module_level=True)\n"
LEAVES = "import subprocess\ndef test_a(): subprocess.Popen(['sleep', '60'])\n"


@pytest.mark.parametrize("source", [SKIPPED, MODULE])
def test_a_skip_of_the_real_stack_fails_in_ci_and_only_there(tmp_path, source):
    in_ci = run_pytest(tmp_path, source, CI="true")
    assert in_ci.returncode != 0
    assert "skipped" in in_ci.stdout
    assert "no node" in in_ci.stdout
    assert run_pytest(tmp_path, source).returncode in {0, 5}


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_a_process_left_behind_fails_the_run_and_is_named_with_its_test(tmp_path, workers):
    done = run_pytest(tmp_path, LEAVES, *workers)
    assert done.returncode == 1
    assert "LEFT BEHIND" in done.stdout
    assert "sleep 60 (started by" in done.stdout
    assert "test_a" in done.stdout
