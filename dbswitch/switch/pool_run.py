"""`dbswitch TARGET --pool NAME`, in the order of `docs/architecture.md`, and `dbswitch status --pool NAME`."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from dbswitch.database.place import place_of
from dbswitch.database.url import DatabaseUrl, Secret
from dbswitch.errors import DbswitchError, PoolerError, UsageError
from dbswitch.pools import config_files
from dbswitch.pools.pgbouncer_ini import Route, route_of
from dbswitch.pools.pooler import Pooler, console
from dbswitch.project import pool_config, targets
from dbswitch.project.discovery import Project
from dbswitch.project.pool_config import Pool
from dbswitch.project.targets import Target, with_access
from dbswitch.switch import confirmation, history, recovery
from dbswitch.switch.database_start import destination, probe_or_start
from dbswitch.switch.events import Outcome, Phase, Planned
from dbswitch.switch.pool_steps import Member, PoolApply, require_route
from dbswitch.switch.session import Session

MODE = "pool"
# From this PgBouncer on a new server is told the role of the old one (measured with 1.26.1).
_TRACKS_THE_ROLE = (1, 26)


def switch(session: Session, name: str) -> None:
    """Carry out the session's request on the pool of that name."""
    project, request, ending = session.project, session.request, session.ending
    ending.mode = MODE
    pool = pool_config.find(project, name, request.ambient)
    ending.target = _named(project, pool, request.target)
    resolved = targets.resolve(project, ending.target, ambient=request.ambient)
    target = with_access(project, resolved, asked=request.read_only)
    if target.url.is_read_only:
        raise UsageError(
            "a pool cannot be switched to read-only sessions",
            facts=(f"{target.name} asks for them by `options` in its URL", "nothing was changed"),
            why="PgBouncer does not pass `options` on for a database",
            fix="use a target whose role can only read; see docs/how-to/production.md",
        )
    if request.dry_run:
        if left := recovery.unfinished_pool(project):
            session.reporter.notice("unfinished", left, "warning")
        _plan(session, pool, target)
        ending.outcome = Outcome.PLANNED
        return
    if target.protected and not confirmation.accepted(request.confirm, target):
        command = f"dbswitch {target.name} --pool {name} --confirm {target.name}"
        with session.reporter.phase(Phase.GUARD), session.reporter.paused():
            who = f"clients of the pool {name}"
            confirmation.ask(target, request.confirm, request.ask, who=who, command=command)
    with session.locked(f"{target.name} --pool {name}") as (lease, _recovered):
        recovery.require_pool_finished(project, name)
        apply = _plan(session, pool, target)
        goal = destination(project, target, timeout=request.timeout)
        ready = probe_or_start(project, session.reporter, goal, on_look=lease.look_for_newer)
        lease.check()  # the last moment at which giving way to a newer request costs nothing
        with apply.undone_on_failure():
            if apply.files.changes:
                apply.pause()
                apply.write()
                apply.reload()
                apply.resume()
            else:
                ending.outcome = Outcome.UNCHANGED
            apply.verify(ready.identity)
        ending.verified = True
        ending.identity = {**ready.identity.to_json(), "address": target.url.address}


def target_of(project: Project, route: Route) -> str | None:
    """Return the target whose database a route of the pooler leads to; None if it is none of the known ones."""
    place = place_of(DatabaseUrl(route.user or "", Secret(""), route.host, route.port, route.database))
    return next((ref.name for ref in targets.list_targets(project) if place in ref.places), None)


def _named(project: Project, pool: Pool, target: str) -> str:
    if target != history.PREVIOUS:
        return targets.lookup(project, target).name
    active = target_of(project, config_files.read_entry(pool.poolers[0]).route)
    return history.require_previous(project, active, pool.name)


def _plan(session: Session, pool: Pool, target: Target) -> PoolApply:
    """Look at every pooler and decide what to change; changes nothing. Raises PoolerError or ConfigError."""
    reporter, ending = session.reporter, session.ending
    members: list[Member] = []
    old_roles: list[str] = []
    with reporter.phase(Phase.OBSERVE) as note:
        for pooler in pool.poolers:
            with console(pooler) as opened:
                entry = config_files.read_entry(pooler)
                if opened.state().paused:
                    raise PoolerError(
                        f"{pooler.database} is already paused on PgBouncer at {pooler.name}",
                        facts=("nothing was changed",),
                        why="another program, or another user of dbswitch, is working on it",
                        fix=f'wait for it, or lift the pause in the console: RESUME "{pooler.database}"',
                    )
                require_route(opened, entry.route)
                role = entry.route.user
                if role not in {None, target.url.user} and opened.version() >= _TRACKS_THE_ROLE:
                    old_roles.append(f"{pooler.name} ({role} -> {target.url.user})")
            members.append(Member(pooler, entry, target.url))
        active = {target_of(session.project, member.entry.route) for member in members}
        ending.previous = active.pop() if len(active) == 1 else None
        note.detail = f"{pool.name} on {ending.previous or 'no known target'}"
    with reporter.phase(Phase.PLAN):
        entries = [(member.pooler, member.entry) for member in members]
        files = config_files.changed(entries, target.url, session.request.run_id)
    lines = tuple(
        f"{one.pooler.name}: {one.pooler.database} {one.entry.route.text} -> {route_of(one.entry, target.url).text}"
        for one in members
    )
    paused = f"{len(members)} PgBouncer{'s' if len(members) > 1 else ''} paused, reloaded and resumed"
    server = paused if files.changes else "nothing to do"
    if old_roles:
        reporter.notice(
            "clients-end",
            f"PgBouncer 1.26 and newer disconnects clients when the role changes: {', '.join(old_roles)};"
            " they have to reconnect. Give the roles of both targets one name to avoid it",
            "warning",
        )
    reporter.emit(Planned(MODE, ending.previous, files.names, (), server, lines))
    return PoolApply(session, pool, target.url, members, files)


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
    """Ask file and console of every pooler; changes nothing. Raises UsageError (no such pool) or ConfigError (its table)."""
    found = tuple(_ask(project, pooler) for pooler in pool_config.find(project, name, ambient).poolers)
    every = {one.target for one in found}
    target = every.pop() if len(every) == 1 else None
    return PoolStatus(name, target, found, recovery.unfinished_pool(project))


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
    found.running, found.paused = state.route.text, state.paused
    found.target = target_of(project, state.route)
    if found.configured not in {None, found.running}:
        found.problem = "PgBouncer has not loaded its configuration"
    return found
