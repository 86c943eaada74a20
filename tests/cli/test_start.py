"""What is loaded before anything is said: the time of a start-up is the sum of its imports."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.cli.running import DEADLINE, REAL, environment

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Folder

# What each costs at start-up is in docs: 60 to 290 ms where a bare interpreter takes 16.
HEAVY = {"psycopg", "psutil", "rich", "dotenv", "ctypes"}


def imported(folder: Path, *argv: str) -> set[str]:
    """The top-level modules that a command loads."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *REAL, *argv],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )
    rows = [
        row.rpartition("|")[2].strip() for row in done.stderr.splitlines() if row.startswith("import time:")
    ]
    assert any(row.startswith("dbswitch.") for row in rows)  # the list is one of imports, and of ours
    return {row.partition(".")[0] for row in rows}


@pytest.mark.parametrize(
    "argv", [("status",), ("check",), ("nosuch", "--detach"), ("stop",), ("prod", "--dry-run")]
)
def test_everyday_commands_start_without_the_heavy_packages(folder: Folder, argv: tuple[str, ...]) -> None:
    assert not imported(folder.root, *argv) & {"psycopg", "psutil", "rich", "ctypes"}


def test_a_detached_switch_answers_before_any_of_them_is_loaded(folder: Folder) -> None:
    assert not imported(folder.root, "local", "--detach", "--timeout", "0.3") & {*HEAVY, "http", "ssl"}


@pytest.mark.parametrize(("typed", "offered"), [("pr", "prod"), ("lo", "local"), ("his", "history")])
def test_the_shell_completes_commands_and_the_projects_own_targets(
    folder: Folder, typed: str, offered: str
) -> None:
    env = {"_DBSWITCH_COMPLETE": "complete_bash", "COMP_WORDS": f"dbswitch {typed}", "COMP_CWORD": "1"}
    assert offered in folder.run(env=env).stdout.split()


def test_windows_gets_one_clear_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from dbswitch.__main__ import main

    monkeypatch.setattr(sys, "platform", "win32")
    assert main(["prod"]) == 2
    said = capsys.readouterr()
    assert said.err.count("\n") == 1
    assert "WSL" in said.err


def test_a_current_folder_that_is_gone_is_no_bug(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    code = "import os, sys; os.rmdir(os.getcwd()); os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    done = subprocess.run(
        [sys.executable, "-c", code, "-P", *REAL, "status"],
        cwd=gone,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )
    assert done.returncode == 2
    assert "the current folder is gone" in done.stderr
