"""Streams and state folders that take nothing: an expected failure each, never a bug and never a traceback."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from dbswitch.state_folder import user_folder
from tests.cli.running import DEADLINE, environment

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Folder

needs_full = pytest.mark.skipif(sys.platform != "linux", reason="/dev/full is Linux's")
ANSWERS = [
    ("status",),
    ("status", "--json"),
    ("history",),
    ("history", "--json"),
    ("--help",),
    ("--version",),
    ("logs",),
    ("logs", "--json"),
]


def shell(root: Path, *words: str, to: str) -> subprocess.CompletedProcess[str]:
    """Run with the shell's own redirections, which alone can close a stream."""
    return subprocess.run(
        ["sh", "-c", f'exec "$@" {to}', "sh", sys.executable, "-m", "dbswitch", *words],
        cwd=root,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )


@pytest.fixture
def logged(folder: Folder) -> Folder:
    (folder.root / ".dbswitch").mkdir(mode=0o700)
    folder.write(".dbswitch/server.log", "Ready\n")
    return folder


@needs_full
@pytest.mark.parametrize("words", ANSWERS)
def test_an_answer_that_finds_no_room_is_an_expected_failure(logged: Folder, words: tuple[str, ...]) -> None:
    done = shell(logged.root, *words, to=">/dev/full")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    if "--json" not in words:
        assert "stdout: No space left on device" in done.stderr
    assert not (user_folder() / "dbswitch.log").exists()


@pytest.mark.parametrize("words", ANSWERS)
def test_a_closed_stdout_takes_every_answer(logged: Folder, words: tuple[str, ...]) -> None:
    done = shell(logged.root, *words, to=">&-")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("words", [("local", "--detach"), ("stop",), ("logs",)])
def test_a_file_in_place_of_the_state_folder_is_said_with_what_helps(
    folder: Folder, words: tuple[str, ...]
) -> None:
    folder.write(".dbswitch", "not a folder")
    done = folder.run(*words)
    if words == ("logs",):
        assert done.returncode == 0
        assert "no log yet" in done.stderr
        return
    assert done.returncode == 2
    assert "a file, not a folder" in done.stderr
    assert "fix: remove " in done.stderr


def test_a_path_that_is_no_text_does_not_stop_a_detached_run(tmp_path: Path, folder: Folder) -> None:
    strange = tmp_path / "caf\udce9"
    folder.root.rename(strange)
    folder.root = strange
    code, [accepted] = folder.json("local", "--detach", "--timeout", "0.2")
    assert code == 0
    path = strange / ".dbswitch" / "runs" / f"{accepted['id']}.jsonl"
    folder.run("wait", "local", "--timeout", "0.2")
    assert all(json.loads(line) for line in path.read_bytes().splitlines())


@pytest.mark.parametrize("seconds", ["nan", "inf", "1e400", "-1", "0"])
@pytest.mark.parametrize("command", [("local",), ("wait", "local")])
def test_a_timeout_is_a_number_of_seconds(folder: Folder, command: tuple[str, ...], seconds: str) -> None:
    done = folder.run(*command, "--timeout", seconds)
    assert done.returncode == 2
    assert "--timeout" in done.stderr


@pytest.mark.parametrize("port", ["1" * 5000, "0x10", "-3", " 80", "\u0663"])
def test_a_port_that_is_none_is_passed_over(folder: Folder, port: str) -> None:
    assert folder.run("status", env={"PORT": port}).returncode == 0


def test_a_variable_that_no_program_can_be_given_is_said(folder: Folder) -> None:
    folder.write(
        "dbswitch.toml",
        '[targets.x.variables]\nDATABASE_URL = "postgresql://a:b@127.0.0.1/x"\nTOKEN = "a\\u0000b"\n',
    )
    done = folder.run("exec", "x", "--", "true")
    assert done.returncode == 2
    assert "a variable contains a NUL byte" in done.stderr
