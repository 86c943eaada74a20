"""A project without any dev command can be switched, and is told so when a server is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.state import private_dir

if TYPE_CHECKING:
    from tests.cli.conftest import Folder


def test_dev_without_a_dev_script_says_what_to_add(folder: Folder) -> None:
    folder.write("package.json", '{"name": "no-server"}')
    folder.write("dbswitch.toml", "[database]\nstart_deadline = 0.1\n")
    done = folder.run("dev", "--detach")
    assert done.returncode == 6, done.stderr
    assert "there is no dev server to start" in done.stderr
    assert "[server]" in done.stderr
    assert not (private_dir(folder.root) / "switch.json").exists()
