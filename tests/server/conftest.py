"""A project folder whose server is one of `tests/programs/`, and the proof of what lives and what died."""

from __future__ import annotations

import os
import secrets
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from dbswitch.demo.postgres import free_port
from dbswitch.server import processes
from dbswitch.server.environment import CleanEnvironment
from dbswitch.server.observation import Observation, observe
from dbswitch.server.processes import ProcessId, identify, is_alive
from dbswitch.server.spec import NEXT_ALIVE_PATH, ServerLimits, ServerSpec
from dbswitch.server.starting import start, wait_ready
from dbswitch.server.stopping import StopReport, stop
from tests.support.processes import end, with_variable
from tests.support.state import private_dir

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dbswitch.server.observation import ServerRecord

PROGRAMS = Path(__file__).parents[1] / "programs"
TOKEN = "DBSWITCH_TEST_PROJECT"
# On a busy machine nothing that a healthy server does takes this long; IMPATIENT is for one that is waited for in vain.
PATIENT = ServerLimits(term=30, kill=30, ready=100, request=30, ask=30)
IMPATIENT = replace(PATIENT, term=0.5)


@dataclass
class Folder:
    """One project; `spec` starts its program. Everything started from here carries the token."""

    root: Path
    spec: ServerSpec
    token: str = field(default_factory=lambda: secrets.token_hex(8))

    def environment(self, **more: str) -> CleanEnvironment:
        return CleanEnvironment({**os.environ, TOKEN: self.token, **more})

    def observe(self) -> Observation:
        return observe(self.spec)

    def start(self, **more: str) -> ServerRecord:
        return start(self.spec, self.environment(**more))

    def start_ready(self, **more: str) -> ServerRecord:
        running = self.start(**more)
        wait_ready(self.spec, running)
        return running

    def stop(self) -> StopReport:
        return stop(self.spec, self.observe())

    def living(self) -> list[ProcessId]:
        found = (identify(process.pid) for process in with_variable(TOKEN, self.token))
        return [process for process in found if process is not None]


def wait_for(look: Callable[[], object], seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < until, "it did not come to pass"
        time.sleep(0.01)


def assert_dead(processes: list[ProcessId]) -> None:
    """Each of these very processes, by pid and start time, is dead."""
    assert processes, "there was nothing whose death could be proven"
    assert [process for process in processes if is_alive(process)] == []


@pytest.fixture
def make_folder(tmp_path: Path) -> Iterator[Callable[..., Folder]]:
    made: list[Folder] = []

    def make(behaviour: str | None = None, *arguments: str, name: str = "app", **options: object) -> Folder:
        """A project whose server misbehaves in this way; None: the stand-in for Next.js."""
        root = tmp_path / name
        root.mkdir()
        standin = (sys.executable, str(PROGRAMS / "standin_next.py"), "dev")
        program = (sys.executable, str(PROGRAMS / "misbehaving.py"), str(behaviour), *arguments)
        port = free_port()
        spec = ServerSpec(
            argv=standin if behaviour is None else program,
            cwd=root,
            port=port,
            port_explicit=True,
            ports=(port,),
            dist_dir=root / ".next",
            state_dir=root / ".dbswitch",
            private_dir=private_dir(root),
            port_flag=behaviour is None,
            alive_path=NEXT_ALIVE_PATH if behaviour is None else None,
            limits=PATIENT,
        )
        folder = Folder(root, replace(spec, **options))
        made.append(folder)
        return folder

    yield make
    for folder in made:
        end(with_variable(TOKEN, folder.token))
        wait_for(lambda: all(child.poll() is not None for child in processes._children.values()))
