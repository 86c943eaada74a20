"""The effects of a run, one method per step; each step registers its compensation where it acts."""

from __future__ import annotations

from contextlib import contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING

from msgspec import Struct

from dbswitch.envfiles import effective_values, transaction
from dbswitch.errors import ConfigError, DbswitchError, EnvFileError, ServerError
from dbswitch.project import reader_profiles
from dbswitch.server import environment, log, observation, starting, stopping
from dbswitch.server.http_requests import PageRequest
from dbswitch.server.state import ServerState
from dbswitch.switch import own_command, project_state, recovery, rollback
from dbswitch.switch.app_identity import AppIdentity
from dbswitch.switch.events import Phase
from dbswitch.switch.plan import is_running
from dbswitch.switch.rollback import Part, UndoStack
from dbswitch.switch.start_checks import require_startable, tell_started

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from dbswitch.envfiles.placement import EditPlan
    from dbswitch.server.environment import CleanEnvironment
    from dbswitch.server.starting import Running
    from dbswitch.server.stopping import StopReport
    from dbswitch.switch.database_start import Destination
    from dbswitch.switch.project_state import Observed
    from dbswitch.switch.session import Session


class Up(Struct, frozen=True):
    """A server that answers. `failing`: the requested page does not work."""

    url: str
    port: int
    failing: bool


class Apply:
    """The steps of one run.

    Args:
        session: the run.
        observed: the project and its server as they were before the run touched them.
        ambient: the caller's environment, for a server that has no living one's to start from.
        edits: the new env files, where the run changes them.
        server_owed: a killed run stopped a server and did not start it again.
        take_port: end a foreign process on the port that the next server needs.
        extra: what the next server gets besides the cleaned environment.
    """

    def __init__(
        self,
        session: Session,
        observed: Observed,
        ambient: Mapping[str, str],
        *,
        edits: EditPlan | None = None,
        server_owed: bool = False,
        take_port: bool = False,
        extra: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        # A server that is switched hot for weeks never gets to the rotation at a start.
        log.rotate(observed.spec.log_path)
        self.observed = observed
        self.reporter = session.reporter
        self.app = AppIdentity(observed, session.reporter)
        self.undo = UndoStack()
        self._interrupts = session.interrupts
        self._target = session.ending.target
        self._project = observed.project
        self._spec = observed.spec
        self._private_dir = observed.project.private_dir
        self._recorded = False
        self._journal = self._private_dir / recovery.JOURNAL
        self._changes = () if edits is None else project_state.changes(observed, edits)
        self._gone: frozenset[str] = frozenset() if edits is None else edits.gone
        self._take_port = take_port
        self._extra = extra
        running = is_running(observed.server.state)
        self._launch = observed.server.launch_env() if running else ambient
        self._had_server = running or server_owed
        self._port = stopping.start_port(observed.spec, observed.server.port)
        self._first_page: PageRequest | None = None

    @contextmanager
    def undone_on_failure(self) -> Iterator[None]:
        """Run the steps of the block; if it raises, roll back what they did.

        Raises RolledBackError, RollbackFailedError or DbswitchError.
        """
        try:
            yield
            self._interrupts.settle()  # inside the block: a signal leads either to the rollback or to the end
        except BaseException as cause:
            with self._interrupts.rolling_back():
                self._go_back(cause)
            raise
        recovery.remove_record(self._private_dir)

    def _go_back(self, cause: BaseException) -> None:
        """Roll everything back; return if the caller should see `cause` itself."""
        touched = self.undo.parts
        if not touched:
            if self._recorded:  # the record of an earlier run is still needed
                recovery.remove_record(self._private_dir)
            rollback.tell_interruption(cause, (), self.observed.previous)
            return
        as_it_is = rollback.is_told_as_it_is(cause, touched)
        try:
            with self.reporter.phase(Phase.ROLLBACK) as note:
                self.undo.unwind()
                if not as_it_is:
                    self.undo.done += self.app.ask_after_rollback(restarted=Part.SERVER in touched)
                note.detail = "; ".join(self.undo.done)
        except (DbswitchError, OSError) as error:
            raise rollback.not_rolled_back(
                cause, error, self.undo.parts, self.undo.done, self.observed.previous
            ) from cause
        except Exception as bug:
            # The signal that led here is in its context and would be mistaken for an interruption.
            bug.add_note(f"during the rollback after {type(cause).__name__}")
            bug.__context__ = None
            raise
        finally:
            if not self.undo.parts:
                recovery.remove_record(self._private_dir)
        rollback.tell_interruption(cause, self.undo.done, self.observed.previous)
        if not as_it_is:
            raise rollback.rolled_back(cause, self.undo.done) from cause

    def stop_server(self, *, just_seen: bool = False) -> None:
        """Stop the server and everything that belongs to it, free its ports, remove Next's lock.

        `just_seen`: no time has passed since the run looked at the server. Raises ServerError or ConfigError.
        """
        with self.reporter.phase(Phase.STOP) as note:
            observed = self.observed.server if just_seen else observation.observe(self._spec, ask=False)
            require_startable(self._spec, observed, self._environment(), take_port=self._take_port)
            if self._had_server:
                self._announce(server_down=True)
                self.undo.register(Part.SERVER, self._start_again, last=True)
            try:
                report = stopping.stop(
                    self._spec, observed, on_step=lambda text: self.reporter.notice("stop", text)
                )
            except ServerError:
                if observation.observe(self._spec).state is ServerState.READY:
                    self.undo.discard(Part.SERVER)  # it could not be stopped and still answers
                raise
            note.detail = report.summary
        self._tell_left_alone(report)
        with self.reporter.phase(Phase.PORTS) as note:
            note.detail = stopping.require_ports_free(
                self._spec,
                report,
                take_port=self._take_port,
                on_step=lambda text: self.reporter.notice("port", text, "warning"),
            )
            self._port = stopping.start_port(self._spec, report.port)
        with self.reporter.phase(Phase.UNLOCK) as note:
            removed = stopping.remove_lock_if_free(self._spec)
            note.detail = "stale lock removed" if removed else "no lock left behind"

    def stop_only(self) -> bool:
        """Stop the server for good; return whether there was one. Raises ServerError."""
        with self.reporter.phase(Phase.STOP) as note:
            stopping.require_visible(self.observed.server, or_port=True)
            report = stopping.stop(
                self._spec, self.observed.server, on_step=lambda text: self.reporter.notice("stop", text)
            )
            note.detail = report.summary
        self._tell_left_alone(report)
        stopping.remove_lock_if_free(self._spec)
        return self._had_server

    def _tell_left_alone(self, report: StopReport) -> None:
        for text in report.left_alone_texts:
            self.reporter.notice("left-alone", text)

    def write(self, destination: Destination) -> None:
        """Change the env files in one transaction and read the result again as every reader would.

        Raises EnvFileError, RollbackFailedError or ConfigError.
        """
        with self.reporter.phase(Phase.WRITE) as note:
            self._announce()
            with self._interrupts.deferred():
                self.undo.register(Part.FILES, self._put_files_back)
                try:
                    transaction.apply(self._changes, self._journal)
                except EnvFileError:
                    self.undo.discard(Part.FILES)  # its promise: every file is as it was
                    raise
            disagreements = effective_values.verify_on_disk(
                self._project.root,
                destination.target.variables,
                reader_profiles.profiles(self._project),
                self._gone,
            )
            if disagreements:
                raise EnvFileError(
                    "the env files do not have the target's values after they were written",
                    facts=disagreements,
                    why="one of the readers would use another database than the others",
                )
            note.detail = ", ".join(change.path.name for change in self._changes) or "nothing to change"

    def start_server(
        self,
        *,
        meanwhile: Callable[[], None] = lambda: None,
        on_look: Callable[[], None] = lambda: None,
    ) -> Up:
        """Start the server and wait for its HTTP answer.

        `meanwhile` runs while it boots; `on_look` is called repeatedly while waiting for its answer, and an exception
        from it ends the wait. Raises ServerError: it died, or did not answer before its deadline.
        """
        reporter = self.reporter
        clean = self._environment()
        with reporter.phase(Phase.START) as note:
            with self._interrupts.deferred():
                running = starting.start(self._spec, clean, port=self._port)
                self.undo.register(Part.NEW_SERVER, self._stop_what_is_left)
            note.detail = f"pid {running.record.pid}, port {running.port}"
        tell_started(self._project, self.reporter, clean)
        meanwhile()
        with reporter.phase(Phase.ANSWER) as note:
            answer = self._wait(running, Phase.ANSWER, on_look)
            note.detail = running.url
        if self.observed.server.processes and not self.observed.server.by_us:
            reporter.notice(
                "taken-over",
                "the dev server now runs in the background, not in the terminal where you started it:"
                " `dbswitch logs -f` shows its log, `dbswitch stop` ends it",
            )
        if answer.failing:
            self._tell_failing(f"{running.url}{self._spec.first_page}", answer.status)
        return Up(running.url, running.port, answer.failing)

    def ask_for_first_page(self, port: int) -> None:
        """Have the first page compiled; in a switch only after the app was asked, since its answer would wait for the page."""
        if self._spec.ready_path is None:
            self._first_page = PageRequest(self._spec, port)

    def tell_first_page(self) -> bool:
        """Report a first page that is known to fail by now; return whether it does."""
        page = self._first_page
        if page is None or page.failure is None:
            return False
        self._tell_failing(page.url, page.failure)
        return True

    def _tell_failing(self, url: str, status: int) -> None:
        self.reporter.notice("page-fails", f"the server is up, but {url} answers {status}", "warning")

    def _wait(
        self, running: Running, phase: Phase, on_look: Callable[[], None] = lambda: None
    ) -> starting.ServerAnswer:
        reporter = self.reporter
        return starting.wait_ready(
            self._spec,
            running,
            on_wait=lambda attempt, reason, pause: reporter.waiting(phase, attempt, reason, pause),
            on_look=on_look,
        )

    def _environment(self) -> CleanEnvironment:
        """Return what the next server starts with."""
        return environment.clean(
            self._launch,
            env_file_keys=self.observed.env_file_keys,
            target_keys=self.observed.target_keys,
            extra={**own_command.for_server(), **self._extra},
        )

    def _announce(self, *, server_down: bool = False) -> None:
        """Make the next step durable before it is taken, so that a killed run can be finished."""
        if self.undo.parts and not server_down:
            return
        before, self._recorded = self._recorded, True  # first: a signal may interrupt the call
        try:
            recovery.write_record(
                self._private_dir,
                recovery.SwitchRecord(
                    self.reporter.run_id, self._target, self.observed.previous, server_down
                ),
            )
        except ConfigError:
            self._recorded = before
            raise

    def _put_files_back(self) -> str:
        foreign = transaction.roll_back(self._changes, self._journal)
        if not foreign:
            return "the env files hold the previous values again"
        names = ", ".join(path.name for path in foreign)
        self.reporter.notice(
            "file-left-alone", f"{names}: changed by another program and left alone", "warning"
        )
        return f"all env files except {names} hold the previous values again"

    def _start_again(self) -> str:
        # Also if a signal interrupted the stop: a server that has received TERM cannot be kept.
        self._stop_what_is_left()
        stopping.remove_lock_if_free(self._spec)
        running = starting.start(self._spec, self._environment(), port=self._port)
        self._wait(running, Phase.ROLLBACK)
        return f"the dev server runs again at {running.url}"

    def _stop_what_is_left(self) -> str:
        stopping.stop(self._spec, observation.observe(self._spec, ask=False))
        return ""
