"""A database that is down is started by the service of the compose file that publishes its port."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from dbswitch.database.probe import ProbeLimits
from dbswitch.errors import DatabaseNotReadyError
from dbswitch.project.discovery import load
from dbswitch.project.targets import resolve
from dbswitch.switch import database_start
from dbswitch.switch.database_start import Destination
from dbswitch.switch.events import Event, Notice
from dbswitch.switch.session import Reporter
from tests.project.conftest import Folder

if TYPE_CHECKING:
    from pathlib import Path

PORT = 1  # tcpmux: nothing listens there
PRINTED = {
    "services": {
        "web": {"build": {"context": "."}, "ports": [{"target": 3000, "published": "3000"}]},
        "cache": {"image": "redis"},
        "db": {
            "image": "postgres:16",
            "ports": [{"mode": "ingress", "target": 5432, "published": str(PORT)}],
        },
    }
}


def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, printed: str, exit_code: int = 0) -> list[str]:
    """Let a target's database be down in a project with a compose file; return how docker was called."""
    programs, root, log = tmp_path / "bin", tmp_path / "app", tmp_path / "log"
    programs.mkdir()
    root.mkdir()
    docker = programs / "docker"
    docker.write_text(f"#!/bin/sh\necho \"$*\" >> '{log}'\ncat '{tmp_path}/printed'\nexit {exit_code}\n")
    docker.chmod(0o755)
    (tmp_path / "printed").write_text(printed)
    monkeypatch.setenv("PATH", str(programs), prepend=":")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    folder = Folder(root)
    folder.package()
    folder.write("compose.yml", "services: {}\n")
    folder.write(".env", f"DATABASE_URL_LOCAL=postgresql://u:p@localhost:{PORT}/shop\n")
    project = load(root)
    target = resolve(project, "local", ambient={})
    goal = Destination(target, ProbeLimits(deadline=0.3))
    with pytest.raises(DatabaseNotReadyError):
        database_start.probe_or_start(project, Reporter(lambda _: None, "1"), goal, on_look=lambda: None)
    return log.read_text().splitlines() if log.exists() else []


def test_the_service_that_publishes_the_port_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert calls(tmp_path, monkeypatch, json.dumps(PRINTED)) == [
        "compose -f compose.yml config --format json",
        "compose -f compose.yml up -d db",
    ]


@pytest.mark.parametrize(
    ("printed", "exit_code"),
    [
        (json.dumps(PRINTED).replace(f'"published": "{PORT}"', '"published": "5433"'), 0),
        ("unknown command: docker compose", 1),
        ('{"services": []}', 0),
        ("", 15),
    ],
)
def test_without_such_a_service_nothing_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, printed: str, exit_code: int
) -> None:
    assert calls(tmp_path, monkeypatch, printed, exit_code) == ["compose -f compose.yml config --format json"]


@pytest.mark.parametrize("program", ["false", "no-such-program"])
def test_no_password_of_the_start_command_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    folder = Folder(tmp_path / "app")
    folder.root.mkdir()
    folder.package()
    folder.write(".env", f"DATABASE_URL_LOCAL=postgresql://u:p@localhost:{PORT}/shop\n")
    folder.write(
        "dbswitch.toml",
        f'[targets.local]\nstart = ["{program}", "-e", "POSTGRES_PASSWORD=s3cretpass", "--password", "0therpass"]\n',
    )
    project = load(folder.root)
    goal = Destination(resolve(project, "local", ambient={}), ProbeLimits(deadline=0.3))
    told: list[Event] = []
    with pytest.raises(DatabaseNotReadyError):
        database_start.probe_or_start(project, Reporter(told.append, "1"), goal, on_look=lambda: None)
    notices = [one.text for one in told if isinstance(one, Notice)]
    assert f"the database is down; starting it: {program} -e POSTGRES_PASSWORD=*** --password ***" in notices
    assert len(notices) == 2
    assert "s3cretpass" not in str(told)
    assert "0therpass" not in str(told)
