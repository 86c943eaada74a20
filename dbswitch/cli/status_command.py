"""`dbswitch status`: what was found, as one JSON object and as lines for people."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from dbswitch.cli.list_commands import target_fields
from dbswitch.cli.messages import target_style
from dbswitch.cli.renderer import Answer, Line, Style
from dbswitch.server.state import ServerState

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dbswitch.cli.command_context import CommandContext
    from dbswitch.project.discovery import Project
    from dbswitch.switch.status import Status


def status(context: CommandContext) -> int:
    """Show where everything stands; return the exit code."""
    project = context.find_project()
    from dbswitch.switch.status import status as look

    found = look(project, os.environ)
    lines = [*status_lines(found, verbose=context.verbose)]
    if project.git_error is not None:
        lines.append((("warning: ", Style.WARN), (f"{project.git_error}", Style.PLAIN)))
        lines.append((("         ", Style.PLAIN), (project.git_error.fix, Style.PLAIN)))
    context.renderer.answer(Answer("status", status_fields(project, found), tuple(lines)))
    return 0


def status_fields(project: Project, found: Status) -> dict[str, Any]:
    """Return the fields of the `status` object; `docs/reference/json.md` documents them."""
    server = found.server
    databases = dict(found.active.databases)
    return {
        "project": str(project.root),
        "target": found.active.target,
        "active": found.active.kind.value,
        "read_only": found.active.read_only,
        "readers": [
            {
                "reader": state.reader.value,
                "target": state.target,
                "database": state.database,
                "source": state.source,
                "variable": state.variable,
                "read_only": state.read_only,
                "differing": list(state.differing),
                "foreign": [{"variable": key, "target": owner} for key, owner in state.foreign],
            }
            for state in found.active.readers
        ],
        "exported": [
            {"variable": one.variable, "place": one.place, "target": one.target} for one in found.exported
        ],
        "targets": target_fields(found.targets, databases),
        "unresolved": [{"target": name, "why": why} for name, why in found.active.unresolved],
        "server": {
            "state": server.state.value,
            "url": server.url,
            "port": server.port if server.port is not None else found.port,
            "pids": [one.process.pid for one in server.processes],
            "started_by_dbswitch": server.by_us,
            "foreign": [one.describe() for one in server.foreign],
            "hidden": list(server.hidden),
        },
        "hot_client": found.hot_client,
        "identity_route": found.identity_route,
        "running": None
        if found.holder is None
        else {"target": found.holder.target, "pid": found.holder.pid, "since": found.holder.since},
        "unfinished": found.unfinished is not None,
        "notices": list(found.notices),
    }


def status_lines(found: Status, *, verbose: bool) -> Iterable[Line]:
    """Yield the same for people."""
    protected = frozenset(target.name for target in found.targets if target.protected)
    active = found.active
    yield (("active:  ", Style.DIM), (active.text, target_style(active.target, protected)))
    yield from _readers(found, protected)
    yield (("server:  ", Style.DIM), (_server(found), Style.PLAIN))
    for text in found.server.hidden or [listener.describe() for listener in found.server.foreign]:
        yield (("         ", Style.PLAIN), (text, Style.WARN))
    client = "hot client" if found.hot_client else "no hot client (a switch restarts the server)"
    route = "identity route" if found.identity_route else "no identity route (`dbswitch generate route`)"
    yield (("app:     ", Style.DIM), (f"{client}, {route}", Style.PLAIN))
    yield (("targets: ", Style.DIM), *_targets(found, protected))
    if found.holder is not None:
        yield (("running: ", Style.DIM), (found.holder.text, Style.WARN))
    if found.unfinished is not None:
        yield (("warning: ", Style.WARN), (found.unfinished, Style.PLAIN))
    for one in found.exported:
        yield (("warning: ", Style.WARN), (one.text, Style.PLAIN))
    for state in found.here:
        where = state.target or state.database or "no database"
        yield (
            ("warning: ", Style.WARN),
            (f"started from this shell, {state.reader} is on {where}", Style.PLAIN),
        )
    for name, why in active.unresolved:
        yield (("note: ", Style.DIM), (f"{name} was not compared: {why}", Style.PLAIN))
    if verbose:
        for text in found.notices:
            yield (("note: ", Style.DIM), (text, Style.PLAIN))


def _readers(found: Status, protected: frozenset[str]) -> Iterable[Line]:
    states = found.active.readers
    wide = max((len(state.reader.value) for state in states), default=0)
    names = [state.target or ("?" if state.database else "-") for state in states]
    column = max((len(name) for name in names), default=0)
    for state, name in zip(states, names, strict=True):
        where = f"{state.database} from {state.source}" if state.database else "no database URL"
        yield (
            (f"  {state.reader.value.ljust(wide)}  ", Style.DIM),
            (name, target_style(state.target, protected) if state.target else Style.WARN),
            (f"{' ' * (column - len(name))}  {where}", Style.PLAIN),
        )
        for remark in state.remarks:
            yield ((f"  {' ' * wide}  ", Style.PLAIN), (remark, Style.WARN))


def _server(found: Status) -> str:
    server = found.server
    where = f" at {server.url}" if server.url else ""
    if server.state is ServerState.HIDDEN:
        return f"runs{where}, and its processes cannot be seen from here (a container, or another user)"
    if not server.processes:
        return f"{server.state.value} (port {found.port})"
    origin = "started by dbswitch" if server.by_us else "not started by dbswitch"
    pid = server.processes[0].process.pid
    if server.state is ServerState.HALF_DEAD:
        return f"runs{where} but does not answer, pid {pid}, {origin}; the next switch restarts it"
    return f"{server.state.value}{where}, pid {pid}, {origin}"


def _targets(found: Status, protected: frozenset[str]) -> Iterable[tuple[str, Style]]:
    if not found.targets:
        yield ("none yet; `dbswitch init` says how to add them", Style.WARN)
    for index, target in enumerate(found.targets):
        if index:
            yield (", ", Style.PLAIN)
        yield (target.name, target_style(target.name, protected))
        if target.protected:
            yield (" (protected)", Style.PLAIN)
