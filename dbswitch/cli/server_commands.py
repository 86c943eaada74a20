"""`dbswitch dev`, `stop`, `restart` and `wait`; `dev` keeps the server in the foreground across switches made elsewhere."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import typer
from msgspec.structs import replace

from dbswitch.cli.command_declaration import CommandContext, TakePort, Timeout, Yes, command, flag
from dbswitch.cli.logs_command import secret_values, show_log
from dbswitch.cli.renderer import Renderer
from dbswitch.database.probe import ProbeLimits, wait_until_ready
from dbswitch.errors import ConfigError, DbswitchError, ExitCode, InterruptedSwitchError, UsageError
from dbswitch.project import discovery, server_launch
from dbswitch.project.active_target import active
from dbswitch.project.discovery import Project
from dbswitch.project.targets import Target, list_targets, resolve
from dbswitch.server import log
from dbswitch.server.observation import find
from dbswitch.server.processes import child_status, is_alive
from dbswitch.server.server_record import read_record
from dbswitch.server.spec import ServerSpec
from dbswitch.switch import history, limit_timer, project_lock, recovery, start_and_stop
from dbswitch.switch.events import ErrorInfo, Event, Notice, Outcome, Phase, Result, Started
from dbswitch.switch.interrupts import Interrupts
from dbswitch.switch.plan import Mode
from dbswitch.switch.session import Reporter, Request

CHECK_EVERY = 0.25  # seconds between two checks that the server is still there
_ENDED = {
    Outcome.FAILED: "failed",
    Outcome.ROLLED_BACK: "failed and was rolled back",
    Outcome.ROLLBACK_FAILED: "failed and could not be rolled back completely",
    Outcome.INTERRUPTED: "was interrupted",
    Outcome.UNCHANGED: "changed nothing",
}
LIMIT_EVERY = 2.0  # seconds between two checks of the time limit
SEARCH_EVERY = 1.0  # seconds between two looks for the server, where all processes are searched


_Detach = Annotated[bool, flag("--detach", "Return once the server answers; it goes on in the background.")]
_Target = Annotated[str | None, typer.Argument(metavar="[TARGET]", help="Default: the active target.")]


@command()
def dev(
    context: CommandContext,
    detach: _Detach = False,
    take_port: TakePort = False,
    yes: Yes = False,
    timeout: Timeout = None,
) -> int:
    """Run the dev server and show its log; Ctrl-C stops it."""
    project = context.find_project(past_limit=False)
    if take_port:
        context.agree_to_take_port(yes=yes)
    spec = server_launch.build(project)
    begin = log.size(spec.log_path)
    outcomes: list[Outcome] = []
    watch = Watch(project, spec, context.renderer)

    def emit(event: Event) -> None:
        if isinstance(event, Result):
            outcomes.append(event.outcome)
            if event.outcome is Outcome.UNCHANGED:
                return  # printed below: Ctrl-C has no effect before the run has ended, and the line says what it does
        if isinstance(event, Notice) and event.code == "already-running" and not detach:
            told = "its log is in the terminal where you started it. Ctrl-C ends this command"
            if watch.lives():
                told = "showing its log. Ctrl-C stops showing it"
            event = replace(event, text=f"{event.text}; {told}, `dbswitch stop` stops the server.")
        context.renderer.emit(event)

    def leave(*, terminated: bool) -> int:
        # A terminal that is closed can send it several times: once from the shell, once from the kernel.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        code = ExitCode.TERMINATED if terminated else ExitCode.OK
        if outcomes[-1:] == [Outcome.STARTED]:
            now = project
            with contextlib.suppress(DbswitchError):  # a broken configuration prevents no stop
                now = discovery.load(project.root)
            return start_and_stop.stop_server(now, context.renderer.emit).exit or code
        context.renderer.note("the server keeps running; `dbswitch stop` stops it")
        return code

    with Interrupts():  # around the start as well: Ctrl-C must never leave a server behind
        try:
            request = Request(
                timeout=timeout,
                take_port=take_port,
                ambient=dict(os.environ),
                # Its output goes to a file, for which it would not print colours.
                extra={"FORCE_COLOR": "1"} if sys.stdout.isatty() and "NO_COLOR" not in os.environ else {},
            )
            failed = limit_timer.honour(project, request, context.renderer.emit)
            if failed is not None:
                return failed.exit
            result = start_and_stop.start_server(project, request, emit)
            if result.outcome is Outcome.UNCHANGED:
                context.renderer.emit(result)
            if result.exit or detach:
                return result.exit
            if result.outcome is Outcome.STARTED:
                context.renderer.note("showing its log; Ctrl-C stops the server")
            new = log.follow(spec.log_path, since=begin, stop=watch.gone)
            show_log(new, secret_values(project), as_json=context.json)
        except InterruptedSwitchError as interruption:
            return leave(terminated=interruption.exit_code is ExitCode.TERMINATED)
        except (BrokenPipeError, UsageError):  # the reader or the terminal is gone
            leave(terminated=True)
            raise
    return watch.verdict()


@dataclass(slots=True)
class Watch:
    """Tells a server that has ended from one that a switch has stopped for a moment."""

    project: Project
    spec: ServerSpec
    renderer: Renderer
    status: int | None = None
    stopped: bool = False
    _next: float = 0.0
    _next_limit: float = 0.0
    _switched: str | None = None  # id of the last switch that is known
    _history_changed: int = 0  # nanoseconds: its modification time when it was last read

    def __post_init__(self) -> None:
        """Ignore the switches of the past."""
        self._new_switch()

    def gone(self) -> bool:
        """Return whether the server has ended. Cheap to call often: it checks every `CHECK_EVERY` seconds."""
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + CHECK_EVERY
        if text := self._new_switch():
            self.renderer.note(text)
        if now >= self._next_limit:
            self._next_limit = now + LIMIT_EVERY
            if (project := limit_timer.due_for_watcher(self.project)) is not None:  # its timer was killed
                self._go_back(project)
        if self.lives() or project_lock.peek(self.project.state_dir) is not None:
            return False
        if recovery.pending(self.project.private_dir):
            self._repair()  # the switch that stopped the server was killed
            return False
        if self.lives():  # a switch ended between the two checks
            return False
        record = read_record(self.spec.record_path)
        if find(self.spec, record):  # its first process is gone or not known, the one that serves is there
            self._next = time.monotonic() + SEARCH_EVERY
            return False
        self.stopped = record is None
        self.status = None if record is None else child_status(record.pid)
        return True

    def lives(self) -> bool:
        """Return whether the first process of a server that dbswitch started is alive."""
        record = read_record(self.spec.record_path)
        return record is not None and is_alive(record.process)

    def _new_switch(self) -> str:
        """Return one line about a switch that was made elsewhere since the last call, or an empty text."""
        with contextlib.suppress(OSError):
            changed = (self.project.state_dir / history.FILE_NAME).stat().st_mtime_ns
            if changed == self._history_changed:
                return ""
            self._history_changed = changed
        last = next(reversed(history.read(self.project.state_dir)), None)
        # A pool's switch does not change this server's database.
        if last is None or last.id == self._switched or last.mode == "pool":
            return ""
        self._switched = last.id
        if last.outcome is not Outcome.SWITCHED:
            how = _ENDED.get(last.outcome, f"ended with the outcome {last.outcome}")
            return f"the switch to {last.target} {how}; see `dbswitch history`"
        proof = {True: ", confirmed by the app", False: "; the app answers from another database", None: ""}
        return f"switched to {last.target} ({last.mode}){proof[last.verified]}"

    def _repair(self) -> None:
        failure = "an unfinished switch could not be recovered"
        try:  # `dbswitch dev` may be days older than the configuration
            project = discovery.load(self.project.root)
        except DbswitchError as error:
            self.renderer.note(f"{failure}: {error.what}")
            self._next = time.monotonic() + limit_timer.RETRY_AFTER
            return
        start_and_stop.repair(project, dict(os.environ), self._noting(failure))

    def _go_back(self, project: Project) -> None:
        told = self._noting("the switch back failed")
        failed = limit_timer.honour(project, Request(ambient=dict(os.environ)), told)
        if failed is None:
            return
        if failed.exit in {ExitCode.INTERRUPTED, ExitCode.TERMINATED}:  # Ctrl-C was meant for `dbswitch dev`
            raise InterruptedSwitchError(terminated=failed.exit == ExitCode.TERMINATED)
        self._next_limit = time.monotonic() + limit_timer.RETRY_AFTER

    def _noting(self, failure: str) -> Callable[[Event], None]:
        def told(event: Event) -> None:
            if isinstance(event, Notice):
                self.renderer.note(event.text)
            elif isinstance(event, Result) and event.error is not None:
                self.renderer.note(f"{failure}: {event.error.what}")

        return told

    def verdict(self) -> int:
        """Say why the server has ended; return the exit code."""
        if self.stopped:
            self.renderer.note("the server was stopped")
            return ExitCode.OK
        how = f"with status {self.status}" if self.status is not None else "(its exit status is not known)"
        code = int(ExitCode.SERVER) if self.status is None else self.status
        code = 128 - code if code < 0 else code
        error = ErrorInfo(
            "server",
            f"the dev server exited on its own {how}",
            why="the app does not answer now",
            fix="its log is above; `dbswitch dev` starts it again",
        )
        self.renderer.emit(Result(self.renderer.run_id, Outcome.FAILED, code, error=error))
        return code


@command()
def stop(context: CommandContext) -> int:
    """Stop the dev server and all of its processes."""
    # The targets are not listed: one that is wrong must not matter here.
    project = context.find_project(list_names=False, past_limit=False)
    # A server must be stopped even if the way back fails, and soon: its database may have been stopped before it.
    database = project.config.database
    timeout = min(database.attempt_timeout, database.restart_deadline)
    request = Request(ambient=dict(os.environ), mode=Mode.NONE, timeout=timeout)
    limit_timer.honour(project, request, context.renderer.emit, required=False)
    return start_and_stop.stop_server(project, context.renderer.emit).exit


@command()
def restart(
    context: CommandContext, take_port: TakePort = False, yes: Yes = False, timeout: Timeout = None
) -> int:
    """Restart the dev server on the target it is on."""
    project = context.find_project(past_limit=False)
    if take_port:
        context.agree_to_take_port(yes=yes)
    request = Request(ambient=dict(os.environ), mode=Mode.NONE, timeout=timeout, take_port=take_port)
    failed = limit_timer.honour(project, request, context.renderer.emit)
    if failed is not None:
        return failed.exit
    return start_and_stop.restart(project, request, context.renderer.emit).exit


@command()
def wait(
    context: CommandContext,
    target: _Target = None,
    timeout: Timeout = None,
) -> int:
    """Wait until a target's database is ready."""
    project = context.find_project()
    context.note(recovery.unfinished(project))
    found = _target(project, target)
    run_id = history.new_id()
    reporter = Reporter(context.renderer.emit, run_id)
    settings = project.config.database
    limits = ProbeLimits(
        deadline=settings.start_deadline if timeout is None else timeout,
        attempt_timeout=settings.attempt_timeout,
    )
    reporter.emit(Started(run_id, found.name, time.time()))
    with reporter.phase(Phase.PROBE) as phase:
        ready = wait_until_ready(
            found.url,
            limits,
            on_retry=lambda attempt, failure, pause: reporter.waiting(
                Phase.PROBE, attempt, failure.kind.text, pause
            ),
        )
        phase.detail = f"{ready.attempts} attempts" if ready.attempts > 1 else ""
    for text in ready.notices:
        reporter.notice("database", text)
    identity = ready.identity.to_json()
    reporter.emit(Result(run_id, Outcome.READY, 0, found.name, seconds=reporter.seconds, identity=identity))
    return 0


def _target(project: Project, name: str | None) -> Target:
    if name is None:
        found = active(project, os.environ)
        name = found.nominal_target
        if name is None:
            names = ", ".join(target.name for target in list_targets(project))
            raise ConfigError(
                "no single target is active",
                facts=(f"active: {found.text}", f"targets: {names or 'none'}"),
                why="without a name, `wait` waits for the database of the active target",
                fix="name one: `dbswitch wait TARGET`",
            )
    return resolve(project, name)
