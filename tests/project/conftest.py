from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


class Folder:
    """A project folder being built: `write` makes files, with their folders."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, name: str, content: str | bytes = "") -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def package(self, folder: str = ".", **fields: object) -> Path:
        value = {"name": "app", "dependencies": {"next": "16.0.7"}, "scripts": {"dev": "next dev"}, **fields}
        return self.write(f"{folder}/package.json", json.dumps(value))

    def git(self, *words: str) -> None:
        subprocess.run(
            ["git", "-C", str(self.root), "-c", "user.name=t", "-c", "user.email=t@example.test", *words],
            check=True,
            capture_output=True,
        )


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    root = tmp_path / "home" / "app"
    root.mkdir(parents=True)
    # The walk upwards must not leave the test's own folder.
    (tmp_path / "home" / ".git").mkdir()
    return Folder(root)
