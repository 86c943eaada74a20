"""`dbswitch TARGET`: the whole switch, in the order of `docs/architecture.md`.

:func:`switch` never raises an expected failure: it becomes the error of the :class:`Result`, which is also the last event.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, assert_never

from msgspec.structs import replace

from dbswitch.envfiles import transaction
from dbswitch.errors import ExitCode, ProtectedError, UsageError
from dbswitch.project import readers, targets
from dbswitch.server.environment import touched_by_next
from dbswitch.switch import edits, history, observe
from dbswitch.switch.alone import alone
from dbswitch.switch.apply import Apply
from dbswitch.switch.dbstart import probe_or_start
from dbswitch.switch.ending import Ending, Settled, begun
from dbswitch.switch.events import Outcome, Phase, Planned, Result
from dbswitch.switch.identity_request import Answer
from dbswitch.switch.plan import Mode, decide
from dbswitch.switch.record import RecordFile, SwitchRecord
from dbswitch.switch.reporter import Reporter
from dbswitch.switch.request import Question
from dbswitch.switch.work import Work

if TYPE_CHECKING:
    from collections.abc import Callable

    from dbswitch.database.identity import Identity
    from dbswitch.project.discovery import Project
    from dbswitch.project.targets import Target
    from dbswitch.switch.events import Event
    from dbswitch.switch.interrupts import Interrupts
    from dbswitch.switch.mutex import Lease
    from dbswitch.switch.plan import Plan
    from dbswitch.switch.request import Request
    from dbswitch.switch.verify import Verification
    from dbswitch.switch.work import Destination


PREVIOUS = "-"
NOT_BEGUN = frozenset({ExitCode.USAGE, ExitCode.PROTECTED, ExitCode.BUSY})  # no switch, so no history


def switch(project: Project, request: Request, emit: Callable[[Event], None]) -> Result:
    """Carry out `request`; every event goes to `emit`, the result last.

    Raises:
        Exception: a bug only; what had been changed was put back first.
    """
    reporter = Reporter(emit, request.run_id)
    ending = Ending(request.target)
    with begun(reporter, ending) as interrupts:
        with Settled(ending, interrupts):
            _switch(project, request, reporter, interrupts, ending)
        result = ending.result(reporter)
        if not request.dry_run and result.exit not in NOT_BEGUN:
            # A history that cannot be written must not turn a switch into a failure.
            with contextlib.suppress(OSError):
                history.remember(project.private_dir, result)
            with contextlib.suppress(OSError):
                history.append(project.state_dir, result)
        emit(result)
    return result


def _switch(
    project: Project, request: Request, reporter: Reporter, interrupts: Interrupts, ending: Ending
) -> None:
    ending.target = targets.lookup(project, _named(project, request.target)).name  # fails before anyone waits
    with alone(project, reporter, target=ending.target) as (lease, recovered):
        with reporter.phase(Phase.OBSERVE) as note:
            # Inside a running Next.js the environment holds the env files as they were when it started.
            ambient = {} if touched_by_next(request.ambient) else request.ambient
            target = edits.resolve(project, ending.target, ambient)
            goal = observe.destination(project, target, timeout=request.timeout)
            # A dry run verifies nothing later, so it asks now.
            observed = observe.look(project, verify_later=not request.dry_run)
            ending.previous = observed.previous
            note.detail = f"on {observed.previous or 'no known target'}, server {observed.server.state.value}"
        with reporter.phase(Phase.PLAN) as note:
            edit_plan = edits.planned(
                project, target, files=observed.files, written=observed.entered, ambient=ambient
            )
            plan = decide(
                observe.situation(
                    observed, target, goal.url.database, edit_plan, stopped_by_switch=recovered.server_down
                ),
                request.mode,
            )
            ending.mode = plan.mode.value
            note.detail = plan.server
            changes = observe.changes(observed, plan.edits)
            transaction.precheck(changes)
        for notice in plan.notices:
            reporter.emit(notice)
        reporter.emit(Planned(plan.mode.value, plan.previous, plan.files, plan.variables, plan.server))
        if request.dry_run:
            ending.outcome = Outcome.PLANNED
            return
        with reporter.phase(Phase.GUARD) as note:
            note.detail = _guard(plan, request)
        edits.remember(project, target)
        work = Work(
            project=project,
            state_dir=project.state_dir,
            private_dir=project.private_dir,
            spec=observed.spec,
            observed=observed.server,
            launch=observe.launch_environment(observed, request.ambient),
            env_file_keys=observed.env_file_keys,
            target_keys=observed.target_keys,
            profiles=readers.profiles(project),
            route=observed.route,
            take_port=request.take_port,
            extra={},
            reporter=reporter,
            interrupts=interrupts,
            record=RecordFile(project.private_dir),
            present=observe.present_urls(observed),
            previous=observed.previous,
        )
        apply = Apply(
            work,
            changes,
            gone=plan.edits.gone,
            start_anyway=recovered.server_down,
        )
        with apply.recorded(
            SwitchRecord(request.run_id, plan.target, plan.previous, server_down=recovered.server_down)
        ):
            verification = _follow(apply, plan, goal, target, lease, ending)
        ending.verified = None if verification is None else verification.outcome
        if plan.unchanged and ending.mode == Mode.NONE.value:
            ending.outcome = Outcome.UNCHANGED


def _named(project: Project, target: str) -> str:
    if target != PREVIOUS:
        return target
    name = history.previous_target(project.private_dir, targets.active(project, {}).target)
    if name is None:
        raise UsageError(
            "there is no previous target",
            facts=("you have not switched this project yet",),
            why="`-` goes back to where the last switch came from",
            fix="name the target: "
            + ", ".join(f"`dbswitch {ref.name}`" for ref in targets.list_targets(project)),
        )
    return name


def _follow(
    apply: Apply, plan: Plan, goal: Destination, target: Target, lease: Lease, ending: Ending
) -> Verification | None:
    if plan.verify:
        apply.ask_earlier()
    ready = probe_or_start(apply, goal, target)
    ending.identity = ready.identity
    lease.check()  # the last moment at which giving way to a newer request costs nothing
    match plan.mode:
        case Mode.RESTART:
            return _restart(apply, goal)
        case Mode.HOT:
            return _hot(apply, goal, ready.identity, ending)
        case Mode.NONE:
            return _quiet(apply, plan, goal, ready.identity, ending)
        case _:
            assert_never(plan.mode)


def _restart(apply: Apply, goal: Destination) -> Verification | None:
    apply.wait_for_earlier_answer()
    apply.stop_server()
    if not apply.written:
        apply.write(goal)
    ready = apply.probe(Phase.REPROBE, goal)
    base_url = apply.start_server()
    verification = apply.verify(base_url, goal, ready.identity, started=True)
    apply.require(verification)
    return verification


def _hot(apply: Apply, goal: Destination, expected: Identity, ending: Ending) -> Verification | None:
    # Its route may have to be compiled for the first answer, and is then there for the second.
    apply.wait_for_earlier_answer(apply.work.project.config.verify.hot_deadline)
    apply.write(goal)
    verification = apply.verify(apply.work.observed.url, goal, expected)
    if verification is None:
        return None
    reason = verification.detail
    if verification.answer in {Answer.SAME, Answer.INCOMPLETE}:
        remains = apply.old_connections(goal)
        if remains is None:
            return verification
        reason = remains
    apply.work.reporter.notice("hot-fallback", f"{reason}; going on as a restart", "warning")
    ending.mode = Mode.RESTART.value
    return _restart(apply, goal)


def _quiet(
    apply: Apply, plan: Plan, goal: Destination, expected: Identity, ending: Ending
) -> Verification | None:
    if not plan.unchanged:
        apply.write(goal)
    if not plan.verify:
        return None
    verification = apply.verify(apply.work.observed.url, goal, expected)
    if not plan.unchanged:
        return _without_restart(apply, goal, verification)
    if verification is None or verification.outcome is not False:
        return verification
    # The files already say so and the app is elsewhere: the split brain a restart is for.
    apply.work.reporter.notice("app-elsewhere", f"{verification.detail}; restarting it", "warning")
    ending.mode = Mode.RESTART.value
    return _restart(apply, goal)


def _without_restart(
    apply: Apply, goal: Destination, verification: Verification | None
) -> Verification | None:
    if verification is None or not verification.verified:
        return verification
    remains = apply.old_connections(goal)
    if remains is None:
        return verification
    apply.work.reporter.notice("old-connections", f"{remains}; `dbswitch restart` ends them", "warning")
    return replace(verification, answer=Answer.OTHER, detail=remains)


def _guard(plan: Plan, request: Request) -> str:
    if plan.confirm is None:
        return "not needed"
    typed = request.confirm
    if typed is None and request.ask is not None:
        typed = request.ask(
            Question(f"{plan.target} is protected. Type its database name to go on", plan.confirm)
        )
    if typed == plan.confirm:
        return "confirmed"
    raise ProtectedError(
        f"{plan.target} is protected and was not confirmed",
        facts=("nothing was changed",)
        if typed is None
        else (f"typed {typed!r}, which is not its database's name", "nothing was changed"),
        why="a development app on a protected database can change or delete real data",
        fix=f"dbswitch {plan.target} --confirm {plan.confirm}   (or `protected = false` in [targets.{plan.target}] of dbswitch.toml)",
    )
