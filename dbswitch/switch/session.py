"""One run of a command that changes something: its request, events and result; the lock, and what a killed run left."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from dbswitch import errors, state_folder
from dbswitch.project.discovery import Project
from dbswitch.server.stopping import PORT_GRACE, ROUNDS
from dbswitch.switch import events, project_lock, project_state, recovery
from dbswitch.switch.confirmation import Question
from dbswitch.switch.database_start import START_TIMEOUT
from dbswitch.switch.history import new_id
from dbswitch.switch.interrupts import Interrupts
from dbswitch.switch.plan import Mode
from dbswitch.switch.project_lock import Lease
from dbswitch.switch.project_state import Observed


@dataclass(frozen=True, slots=True)
class Request:
    """One call of a command that changes something."""

    # the name as typed (aliases are resolved by the project); empty for `dev`, `stop` and `restart`
    target: str = ""
    run_id: str = field(default_factory=new_id)
    mode: Mode | None = None  # `--restart`, `--hot`, `--no-restart`, or None for the project's setting
    confirm: str | None = None  # `--confirm`, the name of a protected target or of its database
    timeout: float | None = None  # seconds to wait for the database; None is the configured deadline
    dry_run: bool = False
    # asks the user and returns the answer; None without a terminal
    ask: Callable[[Question], str] | None = None
    # end a foreign process on the port the server needs (the caller has asked the user)
    take_port: bool = False
    # `--read-only` (True), `--write` (False), or None for what dbswitch.toml says
    read_only: bool | None = None
    limit: float | None = None  # `--for` in seconds; 0 for no limit, None for what dbswitch.toml says
    ended_limit: str | None = None  # the id of the time limit that has passed and makes the run go back
    # the caller's process environment, also for a server that has no living one's to start from
    ambient: Mapping[str, str] = field(default_factory=dict, repr=False)
    # what the next server gets besides the cleaned environment
    extra: Mapping[str, str] = field(default_factory=dict, repr=False)
    pool: str | None = None  # the pool whose clients are switched instead of the app


@dataclass(slots=True)
class PhaseNote:
    """What a running phase reports when it ends: a text, and whether there was nothing to do."""

    detail: str = ""
    skipped: bool = False


class Reporter:
    """Emits the events of one run."""

    def __init__(self, emit: events.Emit, run_id: str) -> None:
        self.emit = emit
        self.run_id = run_id
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds since the run began, without those of :meth:`paused`."""
        return round(time.monotonic() - self._began, 3)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Do not count the time of the block: the user is being asked."""
        began = time.monotonic()
        try:
            yield
        finally:
            self._began += time.monotonic() - began

    @contextmanager
    def phase(self, phase: events.Phase) -> Iterator[PhaseNote]:
        """Report `phase` as started, then as done or, when an exception leaves the block, as failed."""
        note, state, began = PhaseNote(), events.PhaseState.FAILED, time.monotonic()
        self.emit(events.PhaseChanged(phase, events.PhaseState.STARTED))
        try:
            yield note
            state = events.PhaseState.SKIPPED if note.skipped else events.PhaseState.DONE
        finally:
            self.emit(events.PhaseChanged(phase, state, round(time.monotonic() - began, 3), note.detail))

    def skip(self, phase: events.Phase, why: str) -> None:
        """Report that `phase` has nothing to do."""
        self.emit(events.PhaseChanged(phase, events.PhaseState.SKIPPED, 0.0, why))

    def notice(self, code: str, text: str, level: str = "info") -> None:
        """Report information or a warning."""
        self.emit(events.Notice(code, text, level))

    def waiting(self, phase: events.Phase, attempt: int, reason: str, next_in: float) -> None:
        """Report that something is not ready yet; `next_in` is in seconds."""
        self.emit(events.Waiting(phase, attempt, reason, round(next_in, 3)))


def notices_only(emit: events.Emit) -> events.Emit:
    """Return what passes on only notices, for a command whose output is its answer: recovery has to be reported."""

    def told(event: events.Event) -> None:
        if isinstance(event, events.Notice):
            emit(event)

    return told


@dataclass(frozen=True, slots=True)
class Session:
    """What every command that changes something works with."""

    project: Project
    request: Request
    reporter: Reporter
    interrupts: Interrupts
    ending: events.Result

    def locked(self, target: str) -> AbstractContextManager[tuple[Lease, bool]]:
        """Hold the lock for the block; yields also whether a killed run owes a server. Raises as `hold`."""
        return hold(self.project, self.reporter, target=target)

    def observe(self, *, ask: bool = True, verify_later: bool = False) -> Observed:
        """Observe the project; raises as :func:`dbswitch.switch.project_state.look`."""
        with self.reporter.phase(events.Phase.OBSERVE) as note:
            observed = project_state.look(self.project, ask=ask, verify_later=verify_later)
            self.ending.previous = observed.previous
            self.ending.target = self.ending.target or observed.previous or ""
            note.detail = f"on {observed.previous or 'no known target'}, server {observed.server.state.value}"
        return observed


def carry_out(
    project: Project, request: Request, emit: events.Emit, body: Callable[[Session], None]
) -> events.Result:
    """Do `body` with signals turned into errors; return the result, which is also the last event. A bug propagates."""
    reporter, ending = Reporter(emit, request.run_id), events.Result(request.run_id, target=request.target)
    failure: errors.ReportedError | None = None
    with Interrupts(on_ignored=lambda: reporter.notice("rolling-back", "still rolling back")) as interrupts:
        reporter.emit(events.Started(request.run_id, request.target, time.time()))
        try:
            try:
                body(Session(project, request, reporter, interrupts, ending))
            finally:
                interrupts.settle()  # only the report is left, which a signal must not interrupt
        except errors.DbswitchError as error:
            failure = error
        except errors.InterruptedSwitchError as error:
            failure = error
            error.facts = error.facts or ("nothing was changed",)
        except Exception as error:
            failure = errors.interruption_behind(error)
            if failure is None:
                raise
        ending.seconds = reporter.seconds
        if failure is not None:
            ending.fail(failure)
        emit(ending)
        return ending


@contextmanager
def hold(project: Project, reporter: Reporter, *, target: str) -> Iterator[tuple[Lease, bool]]:
    """Hold the lock for the block as the newest request; yields also whether a killed run owes a server.

    Raises BusyError, OvertakenError, ConfigError or RollbackFailedError.
    """
    with ExitStack() as stack:
        prepare_private_dir(project)
        with reporter.phase(events.Phase.LOCK), _usable(project):
            lock = project_lock.acquire(
                project.state_dir,
                target=target,
                deadline=lock_deadline(project),
                run=reporter.run_id,
                on_wait=lambda holder: reporter.waiting(
                    events.Phase.LOCK, 1, f"waiting for {holder.text}", 0.0
                ),
            )
            lease = stack.enter_context(lock)
        prepare_private_dir(project)  # again: `uninstall` may have held the lock before
        yield lease, recovery.recover(project, reporter)


@contextmanager
def hold_if_free(project: Project, reporter: Reporter, *, target: str) -> Iterator[bool | None]:
    """Hold the lock for the block unless another run does (then None). Raises as :func:`hold`."""
    with ExitStack() as stack:
        prepare_private_dir(project)
        with _usable(project):
            ours = stack.enter_context(project_lock.acquire_if_free(project.state_dir, target=target))
        yield recovery.recover(project, reporter) if ours else None


def lock_deadline(project: Project) -> float:
    """Return more seconds than any run takes that the configuration allows, a start of the database and a rollback included."""
    # A `--timeout` of the holder's that exceeds the configured deadlines is not known here and not counted.
    server, database, verify = project.config.server, project.config.database, project.config.verify
    stop = ROUNDS * (server.term_timeout + server.kill_timeout + PORT_GRACE)
    probe = max(database.start_deadline, database.restart_deadline)
    app = server.ready_timeout + project.config.switch.drain_timeout
    app += verify.hot_deadline + verify.restart_deadline
    command = max((one.command_timeout for one in project.config.targets.values()), default=0.0)
    return START_TIMEOUT + command + 4 * (stop + probe + app)  # each at most four times


def prepare_private_dir(project: Project) -> Path:
    """Make the user's state folder for the project and return it. Raises ConfigError: it cannot be made."""
    folder = project.private_dir
    try:
        return state_folder.ensure(folder, project.root)
    except OSError as error:
        raise errors.ConfigError(
            "dbswitch's state folder cannot be used",
            facts=(f"{error.filename or folder}: {error.strerror}",),
            why="the journal and the records needed to recover a killed switch are stored there, outside the project",
            fix="make it writable for you, or set XDG_STATE_HOME to a folder that you own",
        ) from error


@contextmanager
def _usable(project: Project) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise project_lock.unusable(project.state_dir, error) from error
