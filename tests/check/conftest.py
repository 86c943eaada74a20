from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.check.corpus import Case


class Repository:
    """A git repository being built."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.git("init", "-q", "-b", "main")

    def git(self, *words: str) -> str:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
        done = subprocess.run(
            ["git", "-C", str(self.root), "-c", "user.name=t", "-c", "user.email=t@example.test", *words],
            check=True,
            capture_output=True,
            text=True,
            env={**environment, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull},
        )
        return done.stdout

    def write(self, files: dict[str, str]) -> None:
        for name, content in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode("latin-1") if "\0" in content else content.encode())

    def stage(self, files: dict[str, str]) -> None:
        self.write(files)
        if files:
            self.git("add", "-f", "--", *files)

    def commit(self, files: dict[str, str]) -> None:
        self.stage(files)
        self.git("commit", "-q", "--allow-empty", "-m", "x")

    def build(self, case: Case) -> None:
        self.commit(case.committed)
        self.stage(case.staged)
        self.write(case.tree)


@pytest.fixture
def repository(tmp_path, monkeypatch) -> Repository:
    for name in list(os.environ):
        if name.startswith("GIT_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)
    root = tmp_path / "repo"
    root.mkdir()
    return Repository(root)


def main(words) -> int:
    """Run `dbswitch check` in this process and return its exit code."""
    from dbswitch.__main__ import main as program

    return program(["check", *words])
