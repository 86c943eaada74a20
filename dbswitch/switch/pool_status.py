"""`dbswitch status --pool NAME`: where each pooler leads its clients, asked from its file and its console; changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from dbswitch.errors import DbswitchError
from dbswitch.pools import config_files
from dbswitch.pools.pooler import console
from dbswitch.project import pool_config
from dbswitch.switch import lock_file, pool_recovery
from dbswitch.switch.pool_run import target_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dbswitch.project.discovery import Project


class PoolerStatus(Struct, frozen=True):
    """One pooler. `configured` and `running` are None where they could not be asked; `problem` then says why."""

    name: str
    database: str
    configured: str | None
    running: str | None
    target: str | None
    paused: bool | None
    problem: str


class PoolStatus(Struct, frozen=True):
    """A pool; `target` is None unless every pooler leads to the same known one.

    `unfinished` says what a killed run left.
    """

    name: str
    target: str | None
    poolers: tuple[PoolerStatus, ...]
    unfinished: str | None


def status(project: Project, name: str, ambient: Mapping[str, str]) -> PoolStatus:
    """Ask every pooler of the pool.

    Raises:
        UsageError: there is no such pool.
        ConfigError: its table cannot be used.
    """
    pool = pool_config.find(project, name, ambient)
    found = []
    for pooler in pool.poolers:
        configured = running = target = problem = None
        paused = None
        try:
            configured = config_files.read_entry(pooler).route
        except DbswitchError as error:
            problem = error.what
        try:
            with console(pooler) as opened:
                state = opened.state()
            running, paused = state.route, state.paused
            target = target_of(project, running)
            if configured is not None and running != configured:
                problem = "PgBouncer has not taken over its configuration"
        except DbswitchError as error:
            problem = error.what
        found.append(
            PoolerStatus(
                pooler.name,
                pooler.database,
                None if configured is None else configured.text,
                None if running is None else running.text,
                target,
                paused,
                problem or "",
            )
        )
    every = {one.target for one in found}
    idle = lock_file.peek(project.state_dir) is None
    return PoolStatus(
        name,
        every.pop() if len(every) == 1 else None,
        tuple(found),
        pool_recovery.unfinished(project.private_dir) if idle else None,
    )
