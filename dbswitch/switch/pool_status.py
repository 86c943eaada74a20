"""`dbswitch status --pool NAME`: where each pooler leads its clients, asked from its file and its console; changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from dbswitch.errors import DbswitchError
from dbswitch.pools import config_files
from dbswitch.pools.pooler import console
from dbswitch.project import pool_config
from dbswitch.switch import pool_recovery, project_lock
from dbswitch.switch.pool_run import target_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dbswitch.pools.pooler import Pooler
    from dbswitch.project.discovery import Project


class PoolerStatus(Struct):
    """One pooler. `configured` and `running` are None where they could not be asked; `problem` then says why."""

    name: str
    database: str
    configured: str | None = None
    running: str | None = None
    target: str | None = None
    paused: bool | None = None
    problem: str = ""


class PoolStatus(Struct, frozen=True):
    """A pool. `target`: None unless every pooler leads to the same known one; `unfinished`: what a killed run left."""

    name: str
    target: str | None
    poolers: tuple[PoolerStatus, ...]
    unfinished: str | None


def status(project: Project, name: str, ambient: Mapping[str, str]) -> PoolStatus:
    """Ask every pooler of the pool. Raises UsageError: there is no such pool; ConfigError: its table cannot be used."""
    pool = pool_config.find(project, name, ambient)
    found = tuple(_ask(project, pooler) for pooler in pool.poolers)
    every = {one.target for one in found}
    idle = project_lock.peek(project.state_dir) is None
    left = pool_recovery.unfinished(project.private_dir) if idle else None
    return PoolStatus(name, every.pop() if len(every) == 1 else None, found, left)


def _ask(project: Project, pooler: Pooler) -> PoolerStatus:
    found = PoolerStatus(pooler.name, pooler.database)
    try:
        found.configured = config_files.read_entry(pooler).route.text
    except DbswitchError as error:
        found.problem = error.what
    try:
        with console(pooler) as opened:
            state = opened.state()
    except DbswitchError as error:
        found.problem = error.what
        return found
    found.running, found.paused, found.target = (
        state.route.text,
        state.paused,
        target_of(project, state.route),
    )
    if found.configured not in {None, found.running}:
        found.problem = "PgBouncer has not taken over its configuration"
    return found
