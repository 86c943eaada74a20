"""The facts and tools one run works with, gathered once and passed to every step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from dbswitch.database.probe import ProbeLimits
    from dbswitch.database.url import DatabaseUrl
    from dbswitch.envfiles.precedence import ReaderProfile
    from dbswitch.project.discovery import Project
    from dbswitch.server.observation import Observation
    from dbswitch.server.spec import ServerSpec
    from dbswitch.switch.interrupts import Interrupts
    from dbswitch.switch.reporter import Reporter
    from dbswitch.switch.switch_record import RecordFile

JOURNAL = "journal"
TOKEN = "token"  # noqa: S105  a file's name


class Work(Struct, frozen=True):
    """Everything a step may need.

    Attributes:
        spec: how this project's dev server is found, stopped and started.
        observed: the server as it was before the run touched it.
        launch: the environment to start from: the living server's own, else the caller's.
        env_file_keys: every variable an env file binds; must not reach the next server.
        target_keys: the same for every variable of every target.
        target: where the run goes.
        take_port: end a foreign process on the needed port.
        extra: what the next server gets besides the cleaned launch environment.
        route: path of the identity route, None where the project has none.
        present: the database URLs of the env files as they are before the run, the app's own first.
        previous: the target that was active; None when it was none of the known ones.
    """

    project: Project
    state_dir: Path
    private_dir: Path
    spec: ServerSpec
    observed: Observation
    launch: Mapping[str, str]
    env_file_keys: frozenset[str]
    target_keys: frozenset[str]
    profiles: tuple[ReaderProfile, ...]
    target: str
    route: str | None
    take_port: bool
    extra: Mapping[str, str]
    reporter: Reporter
    interrupts: Interrupts
    record: RecordFile
    present: tuple[DatabaseUrl, ...]
    previous: str | None


class Destination(Struct, frozen=True):
    """Where a run goes: the values to be effective and the database that must answer, in read-only sessions if asked."""

    name: str
    url: DatabaseUrl
    variables: Mapping[str, str]
    limits: ProbeLimits
    read_only: bool = False
    migrations: Path | None = None  # the project's, to be compared
