"""`dbswitch status --pool NAME`: one JSON object, and lines for people."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from msgspec import to_builtins

from dbswitch.cli.renderer import CommandOutput
from dbswitch.switch import pool_status

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dbswitch.cli.command_context import CommandContext
    from dbswitch.switch.pool_status import PoolStatus


def status(context: CommandContext, pool: str) -> int:
    """Show where the clients of the pool are led; return the exit code."""
    project = context.find_project()
    found = pool_status.status(project, pool, os.environ)
    fields: dict[str, Any] = to_builtins(found)
    context.renderer.answer(CommandOutput("pool_status", fields, _lines(found)))
    return 0


def _lines(found: PoolStatus) -> Iterable[str]:
    yield f"pool:    {found.name} on {found.target or 'no known target, or not all poolers on one'}"
    for one in found.poolers:
        where = one.running or one.configured or "unknown"
        yield f"  {one.name}  {one.database} -> {where}{' paused' if one.paused else ''}"
        if one.problem:
            yield f"    {one.problem}"
    if found.unfinished is not None:
        yield f"warning: {found.unfinished}"
