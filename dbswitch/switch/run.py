"""`dbswitch TARGET`: the whole switch, in the order of `docs/architecture.md`."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from dbswitch.database.identity import Identity
from dbswitch.durations import span
from dbswitch.envfiles import transaction
from dbswitch.errors import ExitCode
from dbswitch.project import environment_mark, reader_profiles, targets
from dbswitch.project.active_target import active
from dbswitch.project.discovery import Project
from dbswitch.project.targets import Target, with_access
from dbswitch.project.value_origin import exported
from dbswitch.server.environment import touched_by_next
from dbswitch.switch import confirmation, edits, history, project_state, recovery, time_limit
from dbswitch.switch.app_identity import EARLIER
from dbswitch.switch.database_start import Destination, destination, probe, probe_or_start, report_migrations
from dbswitch.switch.events import Emit, Event, Outcome, Phase, Planned, Result
from dbswitch.switch.identity_request import IdentityAnswer, Said
from dbswitch.switch.plan import Mode, Plan, changed_variables, decide
from dbswitch.switch.project_lock import Lease
from dbswitch.switch.project_state import Observed
from dbswitch.switch.rollback import Part
from dbswitch.switch.session import Request, Session, carry_out
from dbswitch.switch.switch_steps import Apply
from dbswitch.switch.time_limit import TimeLimit

NOT_BEGUN = frozenset({ExitCode.USAGE, ExitCode.PROTECTED, ExitCode.BUSY})  # no switch, so no history


class Planning(Struct, frozen=True):
    """A plan and what it was made from."""

    goal: Destination
    observed: Observed
    plan: Plan
    event: Planned
    limit: TimeLimit | None


def switch(project: Project, request: Request, emit: Emit) -> Result:
    """Carry out `request`; every event goes to `emit`, the result last. A bug raises, after a rollback."""
    origin = history.Origin.of(request)

    def watched(event: Event) -> None:
        origin.note(event)
        if isinstance(event, Result) and not request.dry_run and event.exit not in NOT_BEGUN:
            # A history that cannot be written must not turn a switch into a failure.
            with contextlib.suppress(OSError):
                history.remember(project.private_dir, event, unnamed=edits.OWN, pool=request.pool)
            with contextlib.suppress(OSError):
                history.append(project.state_dir, event, origin, pool=request.pool)
        emit(event)

    return carry_out(project, request, watched, _switch)


def _switch(session: Session) -> None:
    project, request, ending = session.project, session.request, session.ending
    if request.pool is not None:
        from dbswitch.switch import pool_run

        pool_run.switch(session, request.pool)
        return
    ending.target = named(project, request.target)  # fails before the run waits for anything
    if request.dry_run:
        _dry_run(session)
        return
    first = _confirmed(session)
    with session.locked(ending.target) as (lease, server_owed):
        if request.ended_limit is not None:
            time_limit.require_due(project, request.ended_limit)
        planning = _plan(session, server_owed=server_owed)
        plan = planning.plan
        if first is None or plan != first.plan:
            _announce(session, planning, first)
        with session.reporter.phase(Phase.GUARD) as note:
            if plan.confirm:
                earlier = None if first is None else first.goal.target
                note.detail = confirmation.require(planning.goal.target, request.confirm, earlier)
            else:
                note.detail = "not needed"
        if ending.target != edits.OWN:  # these stay the user's own
            edits.remember(project, planning.goal.target)
        apply = Apply(session, planning.observed, edits=plan.edits, server_owed=server_owed)
        with time_limit.replaced(project, planning.limit), apply.undone_on_failure():
            said = _follow(apply, planning, lease, request)
        apply.tell_first_page()
        if planning.limit is not None:
            time_limit.start_timer(project, planning.limit)
            _tell_limit(session, planning.limit)
        ending.verified = None if said is None else said.outcome
        if plan.unchanged and ending.mode == Mode.NONE.value:
            ending.outcome = Outcome.UNCHANGED


def _dry_run(session: Session) -> None:
    """Show the plan without the lock, and what a killed run left: it is not finished here, but the plan takes it into account."""
    project = session.project
    killed = None
    if (left := recovery.unfinished(project)) is not None:
        session.reporter.notice("unfinished", left, "warning")
        killed = recovery.read_record(project.private_dir, recovery.SwitchRecord)
    if (over := time_limit.passed(project)) is not None:
        session.reporter.notice(time_limit.NOTICE, over.text, "warning")
    planning = _plan(session, server_owed=killed is not None and killed.server_down)
    _announce(session, planning)
    _tell_limit(session, planning.limit)
    session.ending.outcome = Outcome.PLANNED


def _tell_limit(session: Session, limit: TimeLimit | None) -> None:
    if limit is None:
        return
    text = f"{limit.target} for {span(limit.seconds)}, then automatically back to {limit.back}"
    session.reporter.notice(time_limit.NOTICE, f"{text} (`dbswitch extend 15m` extends it)")


def named(project: Project, target: str) -> str:
    """Return the name of the target that `target`, which may be `-`, means. Raises UsageError."""
    if target != history.PREVIOUS:
        return targets.lookup(project, target).name
    before = active(project, {}).nominal_target
    own = any(key in project.url_variables for key in edits.kept(project))
    if own and before is not None and history.previous_target(project.private_dir, before) is None:
        return edits.OWN
    return history.require_previous(project, before)


def _resolve(project: Project, name: str, request: Request) -> Target:
    ambient = _ambient(request)
    own = name == edits.OWN
    target = edits.own_values(project, ambient) if own else targets.resolve(project, name, ambient=ambient)
    return with_access(project, target, asked=request.read_only)


def _ambient(request: Request) -> Mapping[str, str]:
    # Inside a running Next.js the environment holds the env files as they were when it started.
    return {} if touched_by_next(request.ambient) else request.ambient


def _plan(session: Session, *, server_owed: bool) -> Planning:
    project, request, reporter, ending = session.project, session.request, session.reporter, session.ending
    ambient = _ambient(request)
    # A dry run verifies nothing later, so it asks now.
    observed = session.observe(verify_later=not request.dry_run)
    with reporter.phase(Phase.PLAN) as note:
        target = _resolve(project, ending.target, request)
        goal = destination(project, target, timeout=request.timeout)
        edit_plan = edits.planned(
            project, target, files=observed.files, written=observed.entered, ambient=ambient
        )
        situation = project_state.situation(observed, target, edit_plan, stopped_by_switch=server_owed)
        wanted = {key: target.variables.get(key) for key in {*observed.target_keys, *target.variables}}
        shell = exported(wanted, ambient, targets.list_targets(project, ambient=ambient))
        plan = decide(situation, request.mode, [one.text for one in shell])
        ending.mode = plan.mode.value
        note.detail = plan.server
        transaction.precheck(project_state.changes(observed, plan.edits))
    changes = changed_variables(target, plan.edits, observed.files, reader_profiles.profiles(project))
    limit = time_limit.planned(
        project, target, request.run_id, seconds=request.limit, previous=observed.previous
    )
    event = Planned(plan.mode.value, observed.previous, plan.files, plan.variables, plan.server, changes)
    return Planning(goal, observed, plan, event, limit)


def _announce(session: Session, planning: Planning, before: Planning | None = None) -> None:
    """Show the plan, and the notices that were not shown `before`."""
    for notice in planning.plan.notices:
        if before is None or notice not in before.plan.notices:
            session.reporter.emit(notice)
    session.reporter.emit(planning.event)


def _confirmed(session: Session) -> Planning | None:
    """Have a protected target confirmed; None: it needs no confirmation, or `--confirm` gives it. Raises ProtectedError."""
    # Before the lock is taken, so that no other run waits for the answer or is overtaken by an unconfirmed request.
    project, request, name = session.project, session.request, session.ending.target
    if name != edits.OWN:
        ref = targets.lookup(project, name)
        guarded = ref.protected or request.read_only is False
        if ref.runs_command and (request.confirm is not None or not guarded):
            return None  # its command is not run twice
    target = _resolve(project, name, request)
    if not target.protected or confirmation.accepted(request.confirm, target):
        return None
    planning = _plan(session, server_owed=False)
    if not planning.plan.confirm:
        return None
    _announce(session, planning)
    with session.reporter.phase(Phase.GUARD), session.reporter.paused():
        confirmation.ask(planning.goal.target, request.confirm, request.ask)
    return planning


def _follow(apply: Apply, planning: Planning, lease: Lease, request: Request) -> Said | None:
    plan, goal, reporter = planning.plan, planning.goal, apply.reporter
    if plan.verify:
        apply.app.ask_earlier()
    project, url = planning.observed.project, goal.target.url
    ready = probe_or_start(project, reporter, goal, on_look=lease.look_for_newer)
    apply.ending.identity = {**ready.identity.to_json(), "address": url.address}
    with contextlib.suppress(OSError):  # it is read again at the next probe
        environment_mark.remember(project, url, ready.identity.environment)
    report_migrations(reporter, goal.target, ready.migrations)
    lease.check()  # the last moment at which giving way to a newer request costs nothing
    if plan.mode is Mode.RESTART or (not plan.unchanged and _restarts_new_server(apply, request.mode)):
        return _restart(apply, goal)
    return _keep_running(apply, planning, ready.identity)


def _restarts_new_server(apply: Apply, asked: Mode | None) -> bool:
    """Return whether a server that was started during the wait for the database is restarted; report such a server."""
    if not apply.server_appeared():
        return False
    text = "a dev server was started in the meantime"
    if (asked or apply.observed.project.config.switch.mode).value == Mode.NONE.value:
        text += ": it stays on its database until `dbswitch restart`"
        apply.reporter.notice("server-appeared", text, "warning")
        return False
    apply.reporter.notice("server-appeared", f"{text} and is restarted")
    apply.ending.mode = Mode.RESTART.value
    return True


def _restart(apply: Apply, goal: Destination) -> Said | None:
    apply.app.await_earlier(EARLIER)
    apply.stop_server()
    if Part.FILES not in apply.undo.parts:  # a hot switch that goes on as a restart has written them
        apply.write(goal)
    ready = probe(goal, apply.reporter, Phase.REPROBE)
    up = apply.start_server()
    said = apply.app.verify(goal, ready.identity, started=up.url)
    apply.app.require(said, goal)
    apply.ask_for_first_page(up.port)
    return said


def _keep_running(apply: Apply, planning: Planning, expected: Identity) -> Said | None:
    """Switch hot, or only write; restart the app if it does not follow, unless `--no-restart` was given."""
    plan, goal = planning.plan, planning.goal
    hot, app = plan.mode is Mode.HOT, apply.app
    if hot:  # its route may have to be compiled for the first answer, and is then there for the second
        app.await_earlier(apply.observed.project.config.verify.hot_deadline)
    written = hot or not plan.unchanged
    if written:
        apply.write(goal)
    said = app.verify(goal, expected) if hot or plan.verify else None
    if said is None:
        return None
    remains = app.old_connections(goal) if written and said.on_target else None
    if written and not hot:
        if remains is None:
            return said
        apply.reporter.notice("old-connections", f"{remains}; `dbswitch restart` ends them", "warning")
        return replace(said, answer=IdentityAnswer.OTHER, detail=remains)
    if remains is None and (said.on_target or (not hot and said.outcome is None)):
        app.require(said, goal)
        return said
    if hot:
        text = f"{remains or said.detail}; continuing as a restart"
        apply.reporter.notice("hot-fallback", text, "warning")
    else:  # the files have the target's values, but the app is on another database
        apply.reporter.notice("app-elsewhere", f"{said.detail}; restarting it", "warning")
    apply.ending.mode = Mode.RESTART.value
    return _restart(apply, goal)
