"""What the fork server runs, and what it leaves to an interpreter of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.cli import running
from tests.support import forkserver
from tests.support.nextapp import AppFolder

if TYPE_CHECKING:
    from pathlib import Path


def run(folder: Path, env: dict[str, str]) -> bool:
    """Run `dbswitch --version`; return whether the server did."""
    done = forkserver.run("dbswitch", ["--version"], cwd=folder, env=env, stdin="", timeout=100)
    assert done is None or done.stdout.startswith("dbswitch "), done
    return done is not None


def test_it_runs_the_commands_of_every_helper_whatever_was_asked_first(tmp_path: Path) -> None:
    forkserver.close()
    assert not run(tmp_path, running.environment(LANG="de_DE.UTF-8"))
    assert run(tmp_path, AppFolder(tmp_path, "base", 1, "marker").environment())
    assert run(tmp_path, running.environment())
