"""`dbswitch status`, `targets` and `history`: each as one JSON object and as lines for people."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

from msgspec import to_builtins

from dbswitch.cli.command_declaration import CommandContext, Pool, command, flag
from dbswitch.cli.messages import columns, duration, target_rows
from dbswitch.project.active_target import active
from dbswitch.project.discovery import Project
from dbswitch.project.target_sources import TargetRef
from dbswitch.project.targets import list_targets
from dbswitch.server.state import ServerState
from dbswitch.switch import history as past_switches, project_state
from dbswitch.switch.history import Past
from dbswitch.switch.project_state import Status

_INDENT = " " * 9
NO_TARGETS = "none yet; `dbswitch init` says how to add them"


@command()
def status(context: CommandContext, pool: Pool = None) -> int:
    """Show the active target, each reader's view and the server."""
    if pool is not None:
        return _pool_status(context, pool)
    project = context.find_project(past_limit=False)
    found = project_state.status(project, os.environ)
    lines = [*_status_lines(found, verbose=context.verbose)]
    if project.git_error is not None:
        lines += [f"warning: {project.git_error}", _INDENT + project.git_error.fix]
    context.renderer.answer("status", _status_fields(project, found), lines)
    return 0


def _status_fields(project: Project, found: Status) -> dict[str, Any]:
    server, on = found.server, found.active
    readers = to_builtins(on.readers)
    for row, state in zip(readers, on.readers, strict=True):
        del row["place"], row["owner"]
        row["foreign"] = [{"variable": key, "target": owner} for key, owner in state.foreign]
    return {
        "project": str(project.root),
        "target": on.target,
        "active": on.kind.value,
        "read_only": on.read_only,
        "readers": readers,
        "exported": to_builtins(found.exported),
        "targets": _target_fields(found.targets, dict(on.databases)),
        "unresolved": [{"target": name, "why": why} for name, why in on.unresolved],
        "server": {
            "state": server.state.value,
            "url": server.url,
            "port": server.port if server.port is not None else found.port,
            "pids": [one.process.pid for one in server.processes],
            "started_by_dbswitch": server.by_us,
            "foreign": [one.describe() for one in server.foreign],
            "hidden": server.hidden,
            "script_exports": found.script_exports,
        },
        "hot_client": found.hot_client,
        "identity_route": found.identity_route,
        "running": found.holder
        and {name: getattr(found.holder, name) for name in ("target", "pid", "since")},
        "unfinished": found.unfinished is not None,
        "time_limit": found.limit and found.limit.fields,
        "notices": found.notices,
    }


def _status_lines(found: Status, *, verbose: bool) -> Iterable[str]:
    yield f"active:  {found.active.text}"
    if found.limit is not None:
        label = "warning: " if found.limit.left() <= 0 else "until:   "
        yield label + found.limit.text
    states = found.active.readers
    rows = [
        (
            f"  {state.reader.value}",
            state.target or ("?" if state.database else "-"),
            f"{state.database} from {state.source}" if state.database else "no database URL",
        )
        for state in states
    ]
    remarks_at = max((len(row[0]) for row in rows), default=0)
    for state, line in zip(states, columns(rows), strict=True):
        yield line
        yield from (f"{' ' * remarks_at}  {remark}" for remark in state.remarks)
    yield f"server:  {_server(found)}"
    for text in found.server.hidden or [listener.describe() for listener in found.server.foreign]:
        yield _INDENT + text
    client = "hot client" if found.hot_client else "no hot client (a switch restarts the server)"
    route = "identity route" if found.identity_route else "no identity route (`dbswitch generate route`)"
    yield f"app:     {client}, {route}"
    if found.script_exports:
        yield f"{_INDENT}{found.server.script_exports_text(found.script_exports)}: a switch restarts it"
    names = (f"{ref.name} (protected)" if ref.protected else ref.name for ref in found.targets)
    yield f"targets: {', '.join(names) or NO_TARGETS}"
    if found.holder is not None:
        yield f"running: {found.holder.text}"
    if found.unfinished is not None:
        yield f"warning: {found.unfinished}"
    yield from (f"warning: {one.text}" for one in found.exported)
    for state in found.here:
        where = state.target or state.database or "no database"
        yield f"warning: in this shell, {state.reader} would be on {where}"
    yield from (f"note: {name} was not compared: {why}" for name, why in found.active.unresolved)
    if verbose:
        yield from (f"note: {text}" for text in found.notices)


def _server(found: Status) -> str:
    server = found.server
    where = f" at {server.url}" if server.url else ""
    if server.state is ServerState.HIDDEN:
        return f"running{where}, but its processes cannot be seen from here (a container, or another user)"
    if not server.processes:
        return f"{server.state.value} (port {found.port})"
    origin = "started by dbswitch" if server.by_us else "not started by dbswitch"
    pid = server.processes[0].process.pid
    if server.state is ServerState.HALF_DEAD:
        return f"running{where} but does not answer, pid {pid}, {origin}; the next switch restarts it"
    return f"{server.state.value}{where}, pid {pid}, {origin}"


@command()
def targets(context: CommandContext) -> int:
    """List the targets: where each leads, and where it is defined."""
    project = context.find_project()
    refs = list_targets(project)  # runs no command of a target
    found = active(project, os.environ)
    databases = dict(found.databases)
    fields = {"target": found.target, "targets": _target_fields(refs, databases)}
    lines = [
        f"{'*' if ref.name == found.target else ' '} {line}"
        for ref, line in zip(refs, columns(target_rows(refs, databases)), strict=True)
    ]
    context.renderer.answer("targets", fields, lines or [NO_TARGETS])
    return 0


def _target_fields(refs: Sequence[TargetRef], databases: Mapping[str, str | None]) -> list[dict[str, Any]]:
    return [
        {
            "name": ref.name,
            "aliases": list(ref.aliases),
            "protected": ref.protected,
            "database": databases.get(ref.name),
            "places": sorted(place.text for place in ref.places),
            "source": ref.source,
        }
        for ref in refs
    ]


def _pool_status(context: CommandContext, pool: str) -> int:
    from dbswitch.switch import pool_run

    found = pool_run.status(context.find_project(), pool, os.environ)
    lines = [f"pool:    {found.name} on {found.target or 'no single known target'}"]
    for one in found.poolers:
        where = one.running or one.configured or "unknown"
        lines.append(f"  {one.name}  {one.database} -> {where}{' paused' if one.paused else ''}")
        lines += [f"    {one.problem}"] if one.problem else []
    lines += [f"warning: {found.unfinished}"] if found.unfinished is not None else []
    context.renderer.answer("pool_status", to_builtins(found), lines)
    return 0


@command()
def history(
    context: CommandContext,
    count: Annotated[int, flag("--count", "-n", "How many switches to show.", metavar="N", min=1)] = 10,
) -> int:
    """Show the last switches, newest first."""
    project = context.find_project()
    entries = past_switches.read(project.state_dir)[-count:][::-1]
    fields = {"entries": to_builtins(entries)}
    me = past_switches.current_user()
    lines = columns([_history_row(one, me) for one in entries]) or ["no switches yet"]
    context.renderer.answer("history", fields, lines)
    return 0


_LIFTED = {"protected": "confirmed", "read-only": "made writable"}  # guards that were lifted, for people


def _history_row(one: Past, me: str) -> tuple[str, ...]:
    return (
        time.strftime("%Y-%m-%d %H:%M", time.localtime(one.at)),
        f"{one.previous or '?'} -> {one.target}",
        one.outcome.value.replace("_", " ")
        + {True: ", verified", False: ", app elsewhere", None: ""}[one.verified],
        f"{one.mode if one.pool is None else f'{one.mode} {one.pool}'}, {duration(one.seconds)}"
        + ("" if one.away is None else f" ({duration(one.away)} down)"),
        (one.origin or "?") if one.user == me else f"{one.user or '?'}, {one.origin or '?'}",
        ", ".join(_LIFTED.get(guard, guard) for guard in one.lifted),
    )
