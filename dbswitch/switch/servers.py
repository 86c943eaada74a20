"""`dbswitch dev`, `stop` and `restart`: the server alone, with the same lock, the same recovery and the same steps."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from dbswitch.database.probe import accepts_connections
from dbswitch.errors import (
    ConfigError,
    DatabaseNotReadyError,
    DatabaseRejectedError,
    DbswitchError,
    EnvFileError,
    ServerError,
)
from dbswitch.project import readers, targets
from dbswitch.server import lifecycle
from dbswitch.server.state import ServerState
from dbswitch.switch import mutex, observe, recovery
from dbswitch.switch.alone import alone, alone_if_free
from dbswitch.switch.apply import Apply, probe
from dbswitch.switch.ending import Ending, Settled, begun
from dbswitch.switch.events import Outcome, Phase
from dbswitch.switch.plan import Mode, is_running
from dbswitch.switch.record import RecordFile, SwitchRecord
from dbswitch.switch.recovery import Recovered
from dbswitch.switch.reporter import Reporter
from dbswitch.switch.work import Work

BRIEF = 1.0  # seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dbswitch.project.discovery import Project
    from dbswitch.switch.events import Event, Result
    from dbswitch.switch.interrupts import Interrupts
    from dbswitch.switch.observe import Observed


def start_server(
    project: Project,
    emit: Callable[[Event], None],
    *,
    run_id: str,
    ambient: Mapping[str, str],
    timeout: float | None = None,
    take_port: bool = False,
    extra: Mapping[str, str] = MappingProxyType({}),
) -> Result:
    """Start the dev server on the active target, or say that it runs already.

    A database that does not answer is waited for and then reported; the server is started all the same, since there is
    work to do on an app whose database is down.
    """
    reporter, ending = _begin(emit, run_id)
    with begun(reporter, ending) as interrupts:
        with (
            Settled(ending, interrupts),
            alone(project, reporter, target="dev") as (_lease, recovered),
        ):
            observed = _observe(project, reporter, ending)
            if is_running(observed.server.state) and observed.server.state is not ServerState.HALF_DEAD:
                reporter.notice("already-running", f"the dev server runs already at {observed.server.url}")
                ending.outcome = Outcome.UNCHANGED
            else:
                ending.outcome = Outcome.STARTED
                apply = _apply(
                    observed, reporter, interrupts, ambient, recovered, take_port=take_port, extra=extra
                )
                _wait_for_database(observed, reporter, timeout, first_start=True)
                _cycle(apply, ending)
        return _end(emit, reporter, ending)


def restart(
    project: Project,
    emit: Callable[[Event], None],
    *,
    run_id: str,
    ambient: Mapping[str, str],
    timeout: float | None = None,
    take_port: bool = False,
) -> Result:
    """Stop the dev server, whatever is left of it, and start it again on the active target."""
    reporter, ending = _begin(emit, run_id)
    with begun(reporter, ending) as interrupts:
        with (
            Settled(ending, interrupts),
            alone(project, reporter, target="restart") as (lease, recovered),
        ):
            # It is stopped whatever it answers, and a half-dead one may take seconds to answer nothing.
            observed = _observe(project, reporter, ending, ask=False)
            ending.outcome, ending.mode = Outcome.RESTARTED, Mode.RESTART.value
            apply = _apply(observed, reporter, interrupts, ambient, recovered, take_port=take_port)
            lease.check()
            # The new server takes two seconds to boot, the database's answer is there long before; asked first, it would add to them.
            _cycle(
                apply,
                ending,
                just_seen=True,
                meanwhile=lambda: _wait_for_database(
                    observed, reporter, timeout, first_start=False, briefly=True
                ),
            )
            if apply.page_fails:  # the database may be why, and the whole probe knows
                _wait_for_database(observed, reporter, timeout, first_start=False)
        return _end(emit, reporter, ending)


def stop_server(project: Project, emit: Callable[[Event], None], *, run_id: str) -> Result:
    """Stop the dev server and everything that belongs to it."""
    reporter, ending = _begin(emit, run_id)
    with begun(reporter, ending) as interrupts:
        with Settled(ending, interrupts), alone(project, reporter, target="stop"):
            try:
                observed = _observe(project, reporter, ending)
            except (ConfigError, EnvFileError) as error:
                reporter.notice(
                    "env-files", f"{error.what.rstrip('.')}; the server is stopped all the same", "warning"
                )
                observed = observe.server_alone(project)
            record = RecordFile(project.private_dir)
            record.end()  # whoever stops the server does not want a killed switch's server back
            apply = _apply(
                observed, reporter, interrupts, {}, Recovered(None, server_down=False), take_port=False
            )
            stopped = apply.stop_only()
            ending.outcome = Outcome.STOPPED if stopped else Outcome.UNCHANGED
        return _end(emit, reporter, ending)


def _begin(emit: Callable[[Event], None], run_id: str) -> tuple[Reporter, Ending]:
    return Reporter(emit, run_id), Ending("")


def _end(emit: Callable[[Event], None], reporter: Reporter, ending: Ending) -> Result:
    result = ending.result(reporter)
    emit(result)
    return result


def _observe(project: Project, reporter: Reporter, ending: Ending, *, ask: bool = True) -> Observed:
    with reporter.phase(Phase.OBSERVE) as note:
        observed = observe.look(project, ask=ask)
        ending.previous = observed.previous
        ending.target = observed.previous or ""
        note.detail = f"on {observed.previous or 'no known target'}, server {observed.server.state.value}"
    return observed


def _apply(
    observed: Observed,
    reporter: Reporter,
    interrupts: Interrupts,
    ambient: Mapping[str, str],
    recovered: Recovered,
    *,
    take_port: bool,
    extra: Mapping[str, str] = MappingProxyType({}),
) -> Apply:
    work = Work(
        project=observed.project,
        state_dir=observed.project.state_dir,
        private_dir=observed.project.private_dir,
        spec=observed.spec,
        observed=observed.server,
        launch=observe.launch_environment(observed, ambient),
        env_file_keys=observed.env_file_keys,
        target_keys=observed.target_keys,
        profiles=readers.profiles(observed.project),
        route=None,
        take_port=take_port,
        extra=extra,
        reporter=reporter,
        interrupts=interrupts,
        record=RecordFile(observed.project.private_dir),
    )
    return Apply(work, (), start_anyway=recovered.server_down)


def _cycle(
    apply: Apply,
    ending: Ending,
    *,
    just_seen: bool = False,
    meanwhile: Callable[[], None] | None = None,
) -> None:
    run_id = apply.work.reporter.run_id
    with apply.recorded(SwitchRecord(run_id, ending.target, ending.previous, server_down=apply.server_down)):
        apply.stop_server(just_seen=just_seen)
        apply.start_server(meanwhile=meanwhile)


def _wait_for_database(
    observed: Observed,
    reporter: Reporter,
    timeout: float | None,
    *,
    first_start: bool,
    briefly: bool = False,
) -> None:
    """Wait for the active target's database and report one that does not come.

    `briefly`: a server on this machine that accepts connections is enough. Importing the driver while Next.js boots costs
    a third of a second on two processors.
    """
    if observed.previous is None:
        reporter.skip(Phase.PROBE, "the env files hold no known target")
        return
    try:
        target = targets.resolve(observed.project, observed.previous)
        if briefly and target.url.is_local and accepts_connections(target.url, BRIEF):
            reporter.skip(Phase.PROBE, f"the server of {target.url.database} accepts connections")
            return
        goal = observe.destination(observed.project, target, timeout=timeout, first_start=first_start)
        probe(goal, reporter, Phase.PROBE)
    except (DatabaseNotReadyError, DatabaseRejectedError) as error:
        reporter.notice(
            "database-not-ready", f"{error.what.rstrip('.')}; the server is started all the same", "warning"
        )
    except DbswitchError as error:
        reporter.notice("target-unusable", error.what, "warning")


def repair(
    project: Project, emit: Callable[[Event], None], *, run_id: str, ambient: Mapping[str, str]
) -> Result | None:
    """Finish what a killed run left, its stopped server included; None where there is nothing to finish.

    Every command calls this first, so that the state a person is shown is never a half one.
    """
    if not recovery.pending(project.private_dir) or mutex.peek(project.state_dir) is not None:
        return None
    reporter, ending = _begin(emit, run_id)
    with begun(reporter, ending) as interrupts:
        with (
            Settled(ending, interrupts),
            alone_if_free(project, reporter, target="repair") as recovered,
        ):
            ending.outcome = Outcome.UNCHANGED  # somebody took the lock meanwhile, and finishes it
            if recovered is not None:
                ending.outcome = Outcome.REPAIRED
                _put_server_back(project, reporter, interrupts, ending, recovered, ambient)
                RecordFile(project.private_dir).end()
        return _end(emit, reporter, ending)


def _put_server_back(
    project: Project,
    reporter: Reporter,
    interrupts: Interrupts,
    ending: Ending,
    recovered: Recovered,
    ambient: Mapping[str, str],
) -> None:
    if not recovered.server_down:
        return
    observed = _observe(project, reporter, ending)
    starting = observed.server.state is ServerState.STARTING
    if not is_running(observed.server.state) or (starting and not _becomes_ready(observed, reporter)):
        apply = _apply(observed, reporter, interrupts, ambient, recovered, take_port=False)
        _cycle(apply, ending)


def _becomes_ready(observed: Observed, reporter: Reporter) -> bool:
    """Wait for a server that the killed run had just started."""
    record = observed.server.record
    if record is None:  # somebody started it by hand meanwhile
        return True
    try:
        with reporter.phase(Phase.ANSWER) as note:
            lifecycle.wait_ready(observed.spec, lifecycle.Running(record, log_start=0))
            note.detail = record.url
    except ServerError:
        return False
    return True
