"""The effects of a run, one method per step; each step registers its compensation where it acts."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from functools import partial

from dbswitch.envfiles import effective_values, transaction
from dbswitch.envfiles.placement import EditPlan
from dbswitch.errors import DbswitchError, EnvFileError, RollbackFailedError, ServerError
from dbswitch.project import reader_profiles
from dbswitch.server import environment, log, observation, starting, stopping
from dbswitch.server.environment import CleanEnvironment
from dbswitch.server.http_requests import PageRequest
from dbswitch.server.observation import Observation
from dbswitch.server.processes import own_command
from dbswitch.server.server_record import ServerRecord
from dbswitch.server.spec import ServerSpec
from dbswitch.server.state import ServerState
from dbswitch.server.stopping import taken
from dbswitch.switch import project_state, recovery
from dbswitch.switch.app_identity import AppIdentity
from dbswitch.switch.database_start import Destination
from dbswitch.switch.events import Phase
from dbswitch.switch.plan import is_running
from dbswitch.switch.project_state import Observed
from dbswitch.switch.rollback import Part, RunSteps
from dbswitch.switch.session import PhaseNote, Session

EXECUTABLE = "DBSWITCH_EXECUTABLE"  # names the command, as a JSON array, to the admin route in the dev server


class Apply(RunSteps):
    """The steps of one run. `observed` is as it was before them; `server_owed`: a killed run left its server stopped."""

    def __init__(
        self,
        session: Session,
        observed: Observed,
        *,
        edits: EditPlan | None = None,
        server_owed: bool = False,
    ) -> None:
        # A server that is switched hot for weeks never gets to the rotation at a start.
        log.rotate(observed.spec.log_path)
        super().__init__(session, observed.previous)
        self.observed = observed
        self.app = AppIdentity(observed, session.reporter)
        self._spec = observed.spec
        self._changes = () if edits is None else project_state.changes(observed, edits)
        self._gone: frozenset[str] = frozenset() if edits is None else edits.gone
        running = is_running(observed.server.state)
        self._server = observed.server
        self._launch = observed.server.launch_env() if running else session.request.ambient
        self._had_server = running or server_owed
        self._port = stopping.start_port(observed.spec, observed.server.port)
        self._first_page: PageRequest | None = None
        self._page_fails = False

    def _end(self) -> None:
        recovery.remove_record(self._private_dir)

    def _check_after_rollback(self, touched: tuple[Part, ...]) -> None:
        self.undo.note(self.app.ask_after_rollback(restarted=Part.SERVER in touched))

    def _what_is_left(self, error: DbswitchError | OSError) -> tuple[str, str]:
        left = self.undo.parts
        state = [part.value for part in left if part is not Part.SERVER or Part.NEW_SERVER not in left]
        finishes = "starts the server on the values in the env files"
        if isinstance(error, RollbackFailedError):  # of the env transaction, which has kept its journal
            state[0] = "some env files may hold the new values and some the previous ones"
            finishes = "finishes the change of the env files and starts the server"
        fix = (error.fix if isinstance(error, DbswitchError) else "") or "fix the cause"
        before = self._previous
        back = f"; `dbswitch {before}` switches back to {before}" if before is not None else ""
        why = "; ".join(state) or "the app may be on a different database from the one in the env files"
        return why, f"{fix}; then `dbswitch restart` {finishes}{back}"

    def stop_server(self) -> None:
        """Stop all of the server, free its ports, remove Next's lock. Raises ServerError or ConfigError."""
        reporter, take_port = self.reporter, self._session.request.take_port
        with reporter.phase(Phase.STOP) as note:
            seen = observation.observe(self._spec, ask=False)
            self._note_server(seen)
            require_startable(self._spec, seen, self._environment(), take_port=take_port)
            if self._had_server:
                self._announce(server_down=True)
                self.undo.register(Part.SERVER, self._start_again, last=True)
            try:
                self._stop(seen, note)
            except ServerError:
                if observation.observe(self._spec).state is ServerState.READY:
                    self.undo.discard(Part.SERVER)  # it could not be stopped and still answers
                raise
        with reporter.phase(Phase.PORTS) as note:
            self._port = stopping.start_port(self._spec, seen.port)
            told = partial(reporter.notice, "port", level="warning")
            note.detail = stopping.require_ports_free(
                self._spec, self._port, take_port=take_port, on_step=told
            )
        with reporter.phase(Phase.UNLOCK) as note:
            removed = stopping.remove_lock_if_free(self._spec)
            note.detail = "stale lock removed" if removed else "no lock left behind"

    def _note_server(self, seen: Observation) -> None:
        """Take over the server of now: it may have been started since the run observed the project."""
        self._had_server = self._had_server or is_running(seen.state)
        if seen.top is not None and seen.top != self._server.top:
            self._server, self._launch = seen, seen.launch_env()

    def server_appeared(self) -> bool:
        """Return whether a server runs now, and none did when the run observed the project."""
        return not self._had_server and is_running(observation.observe(self._spec, ask=False).state)

    def stop_only(self) -> bool:
        """Stop the server for good; return whether there was one. Raises ServerError."""
        with self.reporter.phase(Phase.STOP) as note:
            stopping.require_visible(self.observed.server, or_port=True)
            self._stop(self.observed.server, note)
        stopping.remove_lock_if_free(self._spec)
        return self._had_server

    def _stop(self, seen: Observation, note: PhaseNote) -> None:
        report = stopping.stop(self._spec, seen, on_step=partial(self.reporter.notice, "stop"))
        note.detail, note.skipped = report.summary, not report.stopped
        for text in report.left_alone:
            self.reporter.notice("left-alone", text)

    def write(self, goal: Destination) -> None:
        """Change the env files and read them as every reader would. Raises EnvFileError, RollbackFailedError or ConfigError."""
        with self.reporter.phase(Phase.WRITE) as note:
            self._announce()
            with self._session.interrupts.deferred():
                self.undo.register(Part.FILES, self._put_files_back)
                try:
                    transaction.apply(self._changes, self._private_dir / recovery.JOURNAL)
                except EnvFileError:
                    self.undo.discard(Part.FILES)  # its promise: every file is as it was
                    raise
            project = self.observed.project
            disagreements = effective_values.verify_on_disk(
                project.root, goal.target.variables, reader_profiles.profiles(project), self._gone
            )
            if disagreements:
                raise EnvFileError(
                    "the env files do not have the target's values after they were written",
                    facts=disagreements,
                    why="one of the readers would use a different database from the others",
                )
            note.detail = ", ".join(change.path.name for change in self._changes) or "nothing to change"

    def start_server(
        self, *, meanwhile: Callable[[], None] = lambda: None, on_look: Callable[[], None] = lambda: None
    ) -> ServerRecord:
        """Start the server and wait for its HTTP answer. Raises ServerError: it died, or did not answer before its deadline.

        `meanwhile` runs while it boots; `on_look` is called repeatedly while waiting, and an exception from it ends that.
        """
        reporter, before, clean = self.reporter, self._server, self._environment()
        with reporter.phase(Phase.START) as note:
            with self._session.interrupts.deferred():
                running = starting.start(self._spec, clean, port=self._port)
                self.undo.register(Part.NEW_SERVER, self._stop_what_is_left)
            note.detail = f"pid {running.pid}, port {running.port}"
        if clean.removed:
            names = ", ".join(clean.removed)
            text = f"not passed on to the dev server, so that the env files decide: {names}"
            reporter.notice("environment", text)
        root = self.observed.project.root
        if os.geteuid() == 0 != root.stat().st_uid:
            text = f"the dev server runs as root, but {root.name} belongs to another user, who may not be able to write .next afterwards"
            reporter.notice("runs-as-root", text, "warning")
        meanwhile()
        with reporter.phase(Phase.ANSWER) as note:
            told = partial(reporter.waiting, Phase.ANSWER)
            answer = starting.wait_ready(self._spec, running, on_wait=told, on_look=on_look)
            running = answer.running
            note.detail = running.url
        if before.processes and not before.by_us:
            reporter.notice(
                "taken-over",
                "the dev server now runs in the background, not in the terminal where you started it:"
                " `dbswitch logs -f` shows its log, `dbswitch stop` ends it",
            )
        if answer.failing:
            self._tell_failing(f"{running.url}{self._spec.first_page}", answer.status)
        return running

    def ask_for_first_page(self, port: int) -> None:
        """Have the first page compiled; in a switch only after the app was asked, since its answer would wait for the page."""
        if self._spec.ready_path is None:
            self._first_page = PageRequest(self._spec, port)

    def tell_first_page(self) -> bool:
        """Report a first page that is known to fail by now; return whether a page was found to fail."""
        page = self._first_page
        if page is not None and page.failure is not None:
            self._tell_failing(page.url, page.failure)
        return self._page_fails

    def _tell_failing(self, url: str, status: int) -> None:
        self._page_fails = True
        self.reporter.notice("page-fails", f"the server is up, but {url} answers {status}", "warning")

    def _environment(self) -> CleanEnvironment:
        return environment.clean(
            self._launch,
            env_file_keys=self.observed.env_file_keys,
            target_keys=self.observed.target_keys,
            extra={EXECUTABLE: json.dumps(own_command()), **self._session.request.extra},
        )

    def _announce(self, *, server_down: bool = False) -> None:
        if server_down or not self.undo.parts:
            target, previous = self.ending.target, self._previous
            self._record(recovery.SwitchRecord(self.reporter.run_id, target, previous, server_down))

    def _put_files_back(self) -> str:
        foreign = transaction.roll_back(self._changes, self._private_dir / recovery.JOURNAL)
        if not foreign:
            return "the env files hold the previous values again"
        names = ", ".join(path.name for path in foreign)
        text = f"{names}: changed by another program and left alone"
        self.reporter.notice("file-left-alone", text, "warning")
        return f"all env files except {names} hold the previous values again"

    def _start_again(self) -> str:
        # Also if a signal interrupted the stop: a server that has received TERM cannot be kept.
        self._stop_what_is_left()
        stopping.remove_lock_if_free(self._spec)
        running = starting.start(self._spec, self._environment(), port=self._port)
        told = partial(self.reporter.waiting, Phase.ROLLBACK)
        answer = starting.wait_ready(self._spec, running, on_wait=told)
        return f"the dev server runs again at {answer.running.url}"

    def _stop_what_is_left(self) -> str:
        stopping.stop(self._spec, observation.observe(self._spec, ask=False))
        return ""


def require_startable(
    spec: ServerSpec, seen: Observation, clean: CleanEnvironment, *, take_port: bool
) -> None:
    """Before anything is stopped, refuse if the server could not be started again. Raises PortTakenError or ServerError."""
    starting.require_command(spec)
    stopping.require_visible(seen)
    needed = stopping.start_port(spec, seen.port)
    holders = tuple(one for one in seen.foreign if one.port == needed)
    if holders and not take_port:
        raise taken(needed, holders)
    name = spec.argv[0]
    program = name if "/" not in name else str(spec.cwd / name)
    if shutil.which(program, path=clean.env.get("PATH")) is None:
        raise ServerError(
            "the dev server's command cannot be run",
            facts=(f"{name}: not found, or not executable", "nothing was stopped"),
            why="the server could not be started again after the stop",
            fix="check the dev script in package.json, and that Node.js is on the PATH",
        )
