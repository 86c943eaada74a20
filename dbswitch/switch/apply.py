"""The effects of a run, one method a step, and the one way back from all of them."""

from __future__ import annotations

import contextlib
import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from msgspec.structs import replace

from dbswitch.database.url import DatabaseUrl
from dbswitch.envfiles import observing, transaction
from dbswitch.errors import (
    EnvFileError,
    ServerError,
    UrlError,
)
from dbswitch.server import environment, lifecycle
from dbswitch.server.observing import find
from dbswitch.server.stopping import taken
from dbswitch.switch import executable, rollback
from dbswitch.switch.events import Phase
from dbswitch.switch.identity_request import Answer, EarlierAnswer, Question
from dbswitch.switch.old_connections import remaining
from dbswitch.switch.plan import is_running
from dbswitch.switch.verify import Verification, read_token, verify
from dbswitch.switch.work import JOURNAL, TOKEN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dbswitch.database.identity import Identity
    from dbswitch.database.probe import Ready
    from dbswitch.envfiles.transaction import FileChange
    from dbswitch.server.environment import CleanEnvironment
    from dbswitch.server.lifecycle import Observation, Running, StopReport
    from dbswitch.switch.record import SwitchRecord
    from dbswitch.switch.reporter import Reporter
    from dbswitch.switch.work import Destination, Work

EARLIER = 1.0  # seconds that a switch waits for the app's answer from before, beyond the time of the probe


def probe(destination: Destination, reporter: Reporter, phase: Phase) -> Ready:
    """Wait until the destination answers.

    Raises:
        DatabaseNotReadyError: not before the deadline.
        DatabaseRejectedError: it will keep saying no.
    """
    from dbswitch.database.probe import wait_until_ready

    with reporter.phase(phase) as note:
        ready = wait_until_ready(
            destination.url,
            destination.limits,
            on_retry=lambda attempt, failure, pause: reporter.waiting(phase, attempt, failure.text, pause),
        )
        note.detail = f"{destination.url.place}, PostgreSQL {ready.identity.server_version}"
    for text in ready.notices if phase is Phase.PROBE else ():
        reporter.notice("database", text, "warning")
    return ready


class Apply:
    """What one run has changed so far; every step notes it before it acts, so that `rollback.undo` knows."""

    def __init__(
        self,
        work: Work,
        changes: tuple[FileChange, ...],
        *,
        gone: frozenset[str] = frozenset(),
        start_anyway: bool = False,
    ) -> None:
        self.work = work
        self.gone = gone
        self.changes = changes
        self.written = False
        self.reached_files = False
        self.stopped = False
        self.server_down = start_anyway
        self.had_server = is_running(work.observed.state) or start_anyway
        self.running: Running | None = None
        self.page_fails = False
        self.port = lifecycle.start_port(work.spec, work.observed.port)
        self._asked_earlier: EarlierAnswer | None = None

    @property
    def touched(self) -> bool:
        """Whether there is anything to put back."""
        return self.written or self.server_down or self.running is not None

    @property
    def whole(self) -> bool:
        """Whether everything is as it was, so that nothing is left for a later command."""
        return not self.written and not (self.server_down and self.had_server)

    @contextmanager
    def recorded(self, record: SwitchRecord) -> Iterator[None]:
        """Run the steps in the body: recorded while they run, and undone when an exception leaves it.

        Raises:
            DbswitchError: as :func:`dbswitch.switch.rollback.undo`.
        """
        work = self.work
        try:
            work.record.begin(record)
            yield
            work.interrupts.settle()  # in here: a signal is answered either by the undo or by the end
        except BaseException as cause:
            with work.interrupts.rolling_back():
                if not self.touched:
                    work.record.withdraw()
                    raise
                try:
                    rollback.undo(self, cause)
                finally:
                    if self.whole:
                        work.record.end()
        work.record.end()

    def probe(self, phase: Phase, destination: Destination) -> Ready:
        """Wait until the destination answers; raises as :func:`probe`."""
        return probe(destination, self.work.reporter, phase)

    def stop_server(self, *, just_seen: bool = False) -> None:
        """Stop the server and everything that belongs to it, free its ports, remove Next's lock.

        `just_seen`: no time has passed since the run looked at the server.

        Raises:
            ServerError: something of it is still there, or a port it needs is foreign.
        """
        work = self.work
        with work.reporter.phase(Phase.STOP) as note:
            observed = work.observed if just_seen else lifecycle.observe(work.spec, ask=False)
            lifecycle.require_command(work.spec)
            self._require_own_port(observed)
            self._require_command()
            self.mark_server_down()
            report = lifecycle.stop(
                work.spec, observed, on_step=lambda text: work.reporter.notice("stop", text)
            )
            self.stopped = True
            note.detail = report.summary
        self._tell_left_alone(report)
        with work.reporter.phase(Phase.PORTS) as note:
            note.detail = lifecycle.require_ports_free(
                work.spec,
                report,
                take_port=work.take_port,
                on_step=lambda text: work.reporter.notice("port", text, "warning"),
            )
            self.port = lifecycle.start_port(work.spec, report.port)
        with work.reporter.phase(Phase.UNLOCK) as note:
            removed = lifecycle.remove_lock_if_free(work.spec)
            note.detail = "stale lock removed" if removed else "no lock left behind"

    def mark_server_down(self) -> None:
        """Record that a server is being taken down, before it is: whoever finds the record starts it again.

        Raises:
            ConfigError: it cannot be recorded; the server is still up.
        """
        self.work.record.announce()
        self.server_down = True

    def environment(self) -> CleanEnvironment:
        """Return what the next server starts with."""
        work = self.work
        return environment.clean(
            work.launch,
            env_file_keys=work.env_file_keys,
            target_keys=work.target_keys,
            extra={**executable.for_server(), **work.extra},
        )

    def _require_own_port(self, observed: Observation) -> None:
        """Refuse before anything is stopped when the port the next server needs belongs to somebody else."""
        work = self.work
        needed = lifecycle.start_port(work.spec, observed.port)
        holders = tuple(one for one in observed.foreign if one.port == needed)
        if holders and not work.take_port:
            raise taken(needed, holders)

    def _require_command(self) -> None:
        """Refuse before anything is stopped when the program that starts the next server is not there (any more)."""
        argv = self.work.spec.argv
        if not argv:
            return  # whoever starts it says what is missing
        program = argv[0] if "/" not in argv[0] else str(self.work.spec.cwd / argv[0])
        if shutil.which(program, path=self.environment().env.get("PATH")) is None:
            raise ServerError(
                "the dev server's command cannot be run",
                facts=(f"{argv[0]}: not found, or not executable", "nothing was stopped"),
                why="a server that is stopped now could not be started again",
                fix="check the dev script in package.json, and that Node.js is on the PATH",
            )

    def stop_only(self) -> bool:
        """Stop the server for good; return whether there was one.

        Raises:
            ServerError: something of it is still there.
        """
        work = self.work
        with work.reporter.phase(Phase.STOP) as note:
            report = lifecycle.stop(
                work.spec, work.observed, on_step=lambda text: work.reporter.notice("stop", text)
            )
            note.detail = report.summary
        self._tell_left_alone(report)
        lifecycle.remove_lock_if_free(work.spec)
        return self.had_server

    def _tell_left_alone(self, report: StopReport) -> None:
        for text in report.left_alone_texts:
            self.work.reporter.notice("left-alone", text)

    def write(self, destination: Destination) -> None:
        """Change the env files in one transaction and read the result again as every reader would.

        Raises:
            EnvFileError: nothing was written; or it was, and a reader disagrees (then `rollback.undo` puts it back).
        """
        work = self.work
        with work.reporter.phase(Phase.WRITE) as note:
            self.reached_files = True
            with work.interrupts.deferred():
                transaction.apply(self.changes, work.private_dir / JOURNAL)
                self.written = True
                work.record.note(files_written=True)
            disagreements = observing.verify_on_disk(
                work.project.root, destination.variables, work.profiles, self.gone
            )
            if disagreements:
                raise EnvFileError(
                    "the env files do not read as the target after they were written",
                    facts=disagreements,
                    why="one of the readers would use another database than the others",
                )
            note.detail = ", ".join(change.path.name for change in self.changes) or "nothing to change"

    def start_server(self, *, meanwhile: Callable[[], None] | None = None) -> str:
        """Start the server and wait for its HTTP answer; return its base URL. `meanwhile` is done while it boots.

        Raises:
            ServerError: it died, or did not answer before its deadline.
        """
        work, reporter = self.work, self.work.reporter
        clean = self.environment()
        with reporter.phase(Phase.START) as note:
            with work.interrupts.deferred():
                self.running = lifecycle.start(work.spec, clean, port=self.port)
                self.server_down = (
                    False  # in the record it is until it answers: one that dies now is started again
                )
            note.detail = f"pid {self.running.record.pid}, port {self.running.port}"
        if clean.removed:
            names = ", ".join(clean.removed)
            reporter.notice(
                "environment", f"not passed on to the dev server, so that the env files decide: {names}"
            )
        self._tell_root()
        if meanwhile is not None:
            meanwhile()
        with reporter.phase(Phase.ANSWER) as note:
            answer = lifecycle.wait_ready(
                work.spec,
                self.running,
                on_wait=lambda attempt, reason, pause: reporter.waiting(Phase.ANSWER, attempt, reason, pause),
            )
            note.detail = self.running.url
        work.record.note(server_down=False)
        self.page_fails = answer.failing
        if answer.failing:
            path = f"{self.running.url}{work.spec.ready_path}"
            reporter.notice("page-fails", f"the server is up, but {path} answers {answer.status}", "warning")
        return self.running.url

    def _tell_root(self) -> None:
        """Say that the server's files will be root's: the next one to run in this folder may be somebody else."""
        root = self.work.project.root
        if os.geteuid() == 0 != root.stat().st_uid:
            self.work.reporter.notice(
                "runs-as-root",
                f"the dev server runs as root, and {root.name} is not root's: its owner may not be able to write .next afterwards",
                "warning",
            )

    def ask_earlier(self) -> None:
        """Ask the app in the background where it is now: what its route answers later is judged by that."""
        work = self.work
        if work.route is not None and work.observed.url is not None and self.had_server:
            question = self._question(work.observed.url, work.route, None)
            self._asked_earlier = EarlierAnswer(question, timeout=work.project.config.verify.hot_deadline)

    def wait_for_earlier_answer(self, seconds: float = EARLIER) -> None:
        """Give the app time to answer :meth:`ask_earlier` before anything is changed."""
        if self._asked_earlier is not None:
            self._asked_earlier.wait(seconds)

    def verify(
        self, base_url: str | None, goal: Destination, expected: Identity, *, started: bool = False
    ) -> Verification | None:
        """Ask the app which database it is on; None where it cannot be asked (no route, no server).

        `started`: its server has just been started, so that everything has to be compiled.
        """
        work = self.work
        limits = work.project.config.verify
        deadline = limits.restart_deadline if started else limits.hot_deadline
        if work.route is None or base_url is None:
            why = "the project has no identity route" if base_url else "no server to ask"
            work.reporter.skip(Phase.VERIFY, why)
            return None
        with work.reporter.phase(Phase.VERIFY) as note:
            target = f"{goal.name}: {goal.url.place}"
            verification = self._asked(self._question(base_url, work.route, expected, target), deadline)
            if verification.seen is not None and verification.seen.restart_of(expected):
                # The database itself was restarted after it had been probed: compare with what it is now.
                again = probe(goal, work.reporter, Phase.REPROBE).identity
                verification = self._asked(self._question(base_url, work.route, again, target), deadline)
            note.detail = verification.detail
        return verification

    def _question(self, base_url: str, route: str, expected: Identity | None, target: str = "") -> Question:
        work = self.work
        earlier = self._asked_earlier.wait(0) if self._asked_earlier is not None else None
        origin = None
        if earlier is not None and earlier.seen is not None and work.present:
            name = f"{work.previous}: " if work.previous is not None else ""
            origin = (f"{name}{work.present[0].place}", earlier.seen)
        return Question(base_url, route, read_token(work.state_dir / TOKEN), expected, target, origin)

    def _asked(self, question: Question, deadline: float) -> Verification:
        work = self.work
        earlier = self._asked_earlier.wait(0) if self._asked_earlier is not None else None
        verification = verify(
            question,
            deadline=deadline,
            route_answered=earlier is not None and earlier.from_route,
            on_wait=lambda attempt, reason, pause: work.reporter.waiting(
                Phase.VERIFY, attempt, reason, pause
            ),
        )
        if verification.said is not None and verification.said.fails_like(earlier):
            detail = f"{verification.detail}, as before the switch"
            return replace(verification, answer=Answer.CANNOT_ASK, detail=detail)
        return verification

    def old_connections(self, goal: Destination) -> str | None:
        """Return why the app may still be connected to the old database after a hot switch; None where it is not."""
        work = self.work
        new = [goal.url]
        for key, value in goal.variables.items():
            with contextlib.suppress(UrlError):
                new.append(DatabaseUrl.parse(value, name=key))
        return remaining(lambda: find(work.spec), work.present, new, grace=work.project.config.drain_timeout)

    def require(self, verification: Verification | None) -> None:
        """Let a restart pass only when the app answered as the target or could not be asked at all.

        Raises:
            ServerError: the app is provably not on the target.
        """
        if verification is None or verification.verified:
            return
        match verification.answer:
            case Answer.NO_ROUTE | Answer.REFUSED | Answer.CANNOT_ASK | Answer.INCOMPLETE:
                self.work.reporter.notice("not-asked", verification.detail, "warning")
            case Answer.SAME | Answer.OTHER | Answer.NO_DATABASE | Answer.SILENT:
                raise ServerError(
                    "the app did not come up on the target",
                    facts=(verification.detail, f"asked for {verification.seconds:.1f} s"),
                    why="the switch is only done when the app itself answers from the new database",
                    fix="look at `dbswitch logs`, mend the app, and switch again",
                )
