"""`dbswitch dev`, `stop` and `restart`: the server only, with the lock, recovery and steps of a switch."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dbswitch import errors
from dbswitch.database.probe import accepts_connections
from dbswitch.project import targets
from dbswitch.project.discovery import Project
from dbswitch.server import observation
from dbswitch.server.observation import Observation
from dbswitch.server.state import ServerState
from dbswitch.switch import project_lock, project_state, recovery
from dbswitch.switch.database_start import destination, probe
from dbswitch.switch.events import Emit, Outcome, Phase, Result
from dbswitch.switch.plan import Mode, is_running
from dbswitch.switch.project_state import Observed
from dbswitch.switch.session import Request, Session, carry_out, hold_if_free
from dbswitch.switch.switch_steps import Apply

BRIEF = 1.0  # seconds


def start_server(project: Project, request: Request, emit: Emit) -> Result:
    """Start the dev server on the active target, or report that it is already running.

    It starts although its database does not answer. The lock is released for a newer request as soon as it has started.
    """
    return carry_out(project, request, emit, _start)


def _start(session: Session) -> None:
    with session.locked("dev") as (lease, server_owed):
        observed = session.observe()
        if _runs_already(session, observed, observed.server):
            return
        session.ending.outcome = Outcome.STARTED
        apply = Apply(session, observed, server_owed=server_owed)
        try:
            _wait_for_database(session, observed, first_start=True, on_look=lease.look_for_newer)
        except errors.OvertakenError as newer:
            _tell_newer(session, newer, "the database")
        if apply.server_appeared() and _runs_already(session, observed, observation.observe(observed.spec)):
            return
        with apply.undone_on_failure():
            apply.stop_server()
            try:
                up = apply.start_server(on_look=lease.look_for_newer)
                apply.ask_for_first_page(up.port)
            except errors.OvertakenError as newer:
                _tell_newer(session, newer, "the first page")


def _runs_already(session: Session, observed: Observed, server: Observation) -> bool:
    """Return whether there is nothing to start, and say so."""
    if not is_running(server.state) or server.state in {ServerState.HALF_DEAD, ServerState.HIDDEN}:
        return False
    on = f" on {observed.previous}" if observed.previous is not None else ""
    session.reporter.notice("already-running", f"Already running{on} at {server.url}")
    session.ending.outcome = Outcome.UNCHANGED
    recovery.remove_record(session.project.private_dir)
    return True


def _tell_newer(session: Session, newer: errors.OvertakenError, what: str) -> None:
    text = f"{'; '.join(newer.facts)} is waiting, so this run does not wait for {what}"
    session.reporter.notice("newer-request", text)


def restart(project: Project, request: Request, emit: Emit) -> Result:
    """Stop the dev server, whatever is left of it, and start it again on the active target."""
    return carry_out(project, request, emit, _restart)


def _restart(session: Session) -> None:
    with session.locked("restart") as (lease, server_owed):
        # It is stopped in any case, and asking a half-dead one may take seconds.
        observed = session.observe(ask=False)
        session.ending.outcome, session.ending.mode = Outcome.RESTARTED, Mode.RESTART.value
        apply = Apply(session, observed, server_owed=server_owed)
        lease.check()

        def meanwhile() -> None:  # the database's answer is there before the new server has booted
            _wait_for_database(session, observed, briefly=True)

        with apply.undone_on_failure():
            apply.stop_server()
            up = apply.start_server(meanwhile=meanwhile)
            apply.ask_for_first_page(up.port)
        if apply.tell_first_page():  # the database may be the cause; the full probe finds out
            _wait_for_database(session, observed)


def stop_server(project: Project, emit: Emit) -> Result:
    """Stop the dev server and everything that belongs to it."""
    return carry_out(project, Request(), emit, _stop)


def _stop(session: Session) -> None:
    project, reporter = session.project, session.reporter
    with session.locked("stop"):
        try:
            observed = session.observe()
        except (errors.ConfigError, errors.EnvFileError) as error:
            text = f"{error.what.rstrip('.')}; the server is stopped anyway"
            reporter.notice("env-files", text, "warning")
            observed = project_state.server_alone(project)
        recovery.remove_record(project.private_dir)  # not even the server of a killed switch is started
        try:
            stopped = Apply(session, observed).stop_only()
        except errors.InterruptedSwitchError as error:
            fact = "some of the server's processes may be stopped; `dbswitch status` shows its state"
            error.facts = (fact,)
            raise
        session.ending.outcome = Outcome.STOPPED if stopped else Outcome.UNCHANGED
        if not stopped:
            reporter.notice("not-running", "no dev server was running")


def _wait_for_database(
    session: Session,
    observed: Observed,
    *,
    first_start: bool = False,
    briefly: bool = False,
    on_look: Callable[[], None] = lambda: None,
) -> None:
    """Wait for the active target's database and report it if it does not answer; `on_look` may end the wait.

    `briefly`: a server on this machine that accepts connections is enough. Importing the driver while Next.js boots costs
    a third of a second on two processors.
    """
    project, reporter = observed.project, session.reporter
    if observed.previous is None:
        reporter.skip(Phase.PROBE, "the env files hold no known target")
        return
    try:
        target = targets.resolve(project, observed.previous)
        if briefly and target.url.is_local and accepts_connections(target.url, BRIEF):
            reporter.skip(Phase.PROBE, f"the server of {target.url.database} accepts connections")
            return
        goal = destination(project, target, timeout=session.request.timeout, first_start=first_start)
        probe(goal, reporter, Phase.PROBE, on_look=on_look)
    except (errors.DatabaseNotReadyError, errors.DatabaseRejectedError) as error:
        text = f"{error.what.rstrip('.')}; the server is started anyway"
        reporter.notice("database-not-ready", text, "warning")
    except errors.OvertakenError:
        raise
    except errors.DbswitchError as error:
        reporter.notice("target-unusable", error.what, "warning")


def repair(project: Project, ambient: Mapping[str, str], emit: Emit) -> Result | None:
    """Finish what a killed run left, its stopped server included; None where there is nothing to finish."""
    if not recovery.pending(project.private_dir) or project_lock.peek(project.state_dir) is not None:
        return None
    return carry_out(project, Request(ambient=ambient), emit, _repair)


def _repair(session: Session) -> None:
    with hold_if_free(session.project, session.reporter, target="repair") as server_owed:
        if server_owed is None:  # another run took the lock in the meantime and finishes it
            session.ending.outcome = Outcome.UNCHANGED
            return
        session.ending.outcome = Outcome.REPAIRED
        observed = session.observe() if server_owed else None
        if observed is not None and not is_running(observed.server.state):
            apply = Apply(session, observed, server_owed=True)
            with apply.undone_on_failure():
                apply.stop_server()
                apply.start_server()
        recovery.remove_record(session.project.private_dir)
