"""`dbswitch dev`, `stop` and `restart`: the server only, with the lock, recovery and steps of a switch."""

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
    OvertakenError,
    ServerError,
)
from dbswitch.project import targets
from dbswitch.server import starting
from dbswitch.server.state import ServerState
from dbswitch.switch import lock_file, project_state, recovery
from dbswitch.switch.database_start import destination, probe
from dbswitch.switch.events import Outcome, Phase
from dbswitch.switch.plan import Mode, is_running
from dbswitch.switch.run_lock import hold_if_free
from dbswitch.switch.session import carry_out
from dbswitch.switch.switch_steps import Apply

BRIEF = 1.0  # seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dbswitch.project.discovery import Project
    from dbswitch.switch.events import Event, Result
    from dbswitch.switch.project_state import Observed
    from dbswitch.switch.reporter import Reporter
    from dbswitch.switch.session import Session


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
    """Start the dev server on the active target, or report that it is already running.

    A database that does not answer is waited for and then reported; the server is started anyway, since an app
    can be worked on while its database is down. A newer request is not kept waiting: the lock is released for it as soon
    as the server is started, whether or not its first page is ready.
    """

    def body(session: Session) -> None:
        with session.locked("dev") as (lease, server_owed):
            observed = session.observe()
            session.ending.target = observed.previous or ""
            state = observed.server.state
            if is_running(state) and state not in {ServerState.HALF_DEAD, ServerState.HIDDEN}:
                on = f" on {observed.previous}" if observed.previous is not None else ""
                session.reporter.notice("already-running", f"Already running{on} at {observed.server.url}")
                session.ending.outcome = Outcome.UNCHANGED
                recovery.remove_record(project.private_dir)
                return
            session.ending.outcome = Outcome.STARTED
            apply = Apply(
                session,
                observed,
                ambient,
                server_owed=server_owed,
                take_port=take_port,
                extra=extra,
            )
            try:
                _wait_for_database(observed, session, timeout, first_start=True, on_look=lease.look_for_newer)
            except OvertakenError as newer:
                _tell_newer(session.reporter, newer, "the database was not waited for")
            with apply.undone_on_failure():
                apply.stop_server()
                try:
                    up = apply.start_server(on_look=lease.look_for_newer)
                    apply.ask_for_first_page(up.port)
                except OvertakenError as newer:
                    _tell_newer(session.reporter, newer, "the first page was not waited for")

    return carry_out(project, emit, body, run_id=run_id)


def _tell_newer(reporter: Reporter, newer: OvertakenError, what: str) -> None:
    reporter.notice("newer-request", f"{'; '.join(newer.facts)} is waiting: {what}")


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

    def body(session: Session) -> None:
        with session.locked("restart") as (lease, server_owed):
            # It is stopped in any case, and asking a half-dead one may take seconds.
            observed = session.observe(ask=False)
            session.ending.target = observed.previous or ""
            session.ending.outcome, session.ending.mode = Outcome.RESTARTED, Mode.RESTART.value
            apply = Apply(session, observed, ambient, server_owed=server_owed, take_port=take_port)
            lease.check()

            # The new server takes two seconds to boot, the database's answer is there long before; probing it first would add to the boot time.
            def meanwhile() -> None:
                _wait_for_database(observed, session, timeout, first_start=False, briefly=True)

            with apply.undone_on_failure():
                apply.stop_server(just_seen=True)
                up = apply.start_server(meanwhile=meanwhile)
                apply.ask_for_first_page(up.port)
            if (
                apply.tell_first_page() or up.failing
            ):  # the database may be the cause; the full probe finds out
                _wait_for_database(observed, session, timeout, first_start=False)

    return carry_out(project, emit, body, run_id=run_id)


def stop_server(project: Project, emit: Callable[[Event], None], *, run_id: str) -> Result:
    """Stop the dev server and everything that belongs to it."""

    def body(session: Session) -> None:
        with session.locked("stop"):
            try:
                observed = session.observe()
                session.ending.target = observed.previous or ""
            except (ConfigError, EnvFileError) as error:
                session.reporter.notice(
                    "env-files", f"{error.what.rstrip('.')}; the server is stopped anyway", "warning"
                )
                observed = project_state.server_alone(project)
            recovery.remove_record(
                project.private_dir
            )  # a stop starts no server, not even that of a killed switch
            stopped = Apply(session, observed, {}).stop_only()
            session.ending.outcome = Outcome.STOPPED if stopped else Outcome.UNCHANGED
            if not stopped:
                session.reporter.notice("not-running", "no dev server was running")

    return carry_out(project, emit, body, run_id=run_id)


def _wait_for_database(
    observed: Observed,
    session: Session,
    timeout: float | None,
    *,
    first_start: bool,
    briefly: bool = False,
    on_look: Callable[[], None] = lambda: None,
) -> None:
    """Wait for the active target's database and report it if it does not answer; `on_look` may end the wait.

    `briefly`: a server on this machine that accepts connections is enough. Importing the driver while Next.js boots costs
    a third of a second on two processors.
    """
    reporter = session.reporter
    if observed.previous is None:
        reporter.skip(Phase.PROBE, "the env files hold no known target")
        return
    try:
        target = targets.resolve(observed.project, observed.previous)
        if briefly and target.url.is_local and accepts_connections(target.url, BRIEF):
            reporter.skip(Phase.PROBE, f"the server of {target.url.database} accepts connections")
            return
        goal = destination(observed.project, target, timeout=timeout, first_start=first_start)
        probe(goal, reporter, Phase.PROBE, on_look=on_look)
    except (DatabaseNotReadyError, DatabaseRejectedError) as error:
        reporter.notice(
            "database-not-ready", f"{error.what.rstrip('.')}; the server is started anyway", "warning"
        )
    except OvertakenError:
        raise
    except DbswitchError as error:
        reporter.notice("target-unusable", error.what, "warning")


def repair(
    project: Project, emit: Callable[[Event], None], *, run_id: str, ambient: Mapping[str, str]
) -> Result | None:
    """Finish what a killed run left, its stopped server included; None where there is nothing to finish."""
    if not recovery.pending(project.private_dir) or lock_file.peek(project.state_dir) is not None:
        return None

    def body(session: Session) -> None:
        with hold_if_free(project, session.reporter, target="repair") as server_owed:
            session.ending.outcome = (
                Outcome.UNCHANGED
            )  # another run took the lock in the meantime and finishes it
            if server_owed is None:
                return
            session.ending.outcome = Outcome.REPAIRED
            if server_owed:
                _put_server_back(session, ambient)
            recovery.remove_record(project.private_dir)

    return carry_out(project, emit, body, run_id=run_id)


def _put_server_back(session: Session, ambient: Mapping[str, str]) -> None:
    observed = session.observe()
    session.ending.target = observed.previous or ""
    starting = observed.server.state is ServerState.STARTING
    if is_running(observed.server.state) and not (
        starting and not _becomes_ready(observed, session.reporter)
    ):
        return
    apply = Apply(session, observed, ambient, server_owed=True)
    with apply.undone_on_failure():
        apply.stop_server()
        apply.start_server()


def _becomes_ready(observed: Observed, reporter: Reporter) -> bool:
    """Wait for a server that the killed run had just started."""
    record = observed.server.record
    if record is None:  # it was started by hand in the meantime
        return True
    try:
        with reporter.phase(Phase.ANSWER) as note:
            starting.wait_ready(observed.spec, starting.Running(record, log_start=0))
            note.detail = record.url
    except ServerError:
        return False
    return True
