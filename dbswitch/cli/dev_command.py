"""`dbswitch dev`: the server in the foreground, across switches made elsewhere."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from msgspec.structs import replace

from dbswitch.cli.logs_command import show_log
from dbswitch.cli.server_commands import agree_to_take_port
from dbswitch.errors import ExitCode, InterruptedSwitchError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dbswitch.cli.command_context import CommandContext
    from dbswitch.cli.renderer import Renderer
    from dbswitch.project.discovery import Project
    from dbswitch.server.spec import ServerSpec
    from dbswitch.switch.events import Event, Result

LOOK = 0.25  # seconds between two looks at whether the server is still there
SEARCH = 1.0  # the same where all processes have to be searched for it


def dev(context: CommandContext, *, detach: bool, take_port: bool, yes: bool, timeout: float | None) -> int:
    """Start the server (or find it running) and follow it to its end; return the exit code."""
    project = context.find_project()
    from dbswitch.project import server_spec
    from dbswitch.server import log
    from dbswitch.switch import run_event_files, servers
    from dbswitch.switch.events import Notice, Outcome, Result
    from dbswitch.switch.interrupts import Interrupts

    if take_port:
        agree_to_take_port(context, yes=yes)
    spec = server_spec.build(project)
    begin = log.size(spec.log_path)
    results: list[Result] = []

    watch = Watch(project, spec, context.renderer)

    def emit(event: Event) -> None:
        if isinstance(event, Result):
            results.append(event)
            if event.outcome is Outcome.UNCHANGED:
                return  # said below: while the run ends, Ctrl-C has no effect, and this line says what Ctrl-C does
        if isinstance(event, Notice) and event.code == "already-running" and not detach:
            log_is = "showing its log" if watch.lives() else "its log is where you started it"
            ends = "Ctrl-C stops showing it, `dbswitch stop` ends the server"
            event = replace(event, text=f"{event.text}; {log_is}. {ends}.")
        context.renderer.emit(event)

    with Interrupts():  # around the start as well: no moment in which Ctrl-C would leave a server behind
        try:
            result = servers.start_server(
                project,
                emit,
                run_id=run_event_files.new_id(),
                ambient=dict(os.environ),
                timeout=timeout,
                take_port=take_port,
                # Its output goes to a file, which it would take for a place without colours.
                extra={"FORCE_COLOR": "1"} if sys.stdout.isatty() and "NO_COLOR" not in os.environ else {},
            )
            if result.outcome is Outcome.UNCHANGED:
                context.renderer.emit(result)
            if result.exit or detach:
                return result.exit
            if _is_ours(results):
                context.renderer.note("showing its log; Ctrl-C stops the server")
            show_log(log.follow(spec.log_path, since=begin, stop=watch.gone), as_json=context.json)
        except InterruptedSwitchError as interruption:
            return _leave(
                project, context.renderer, ours=_is_ours(results), terminated=interruption.terminated
            )
        except (BrokenPipeError, UsageError):  # the reader or the terminal is gone
            _leave(project, context.renderer, ours=_is_ours(results), terminated=True)
            raise
    return watch.verdict(context.renderer)


def _is_ours(results: Sequence[Result]) -> bool:
    from dbswitch.switch.events import Outcome

    return bool(results) and results[-1].outcome is Outcome.STARTED


def _leave(project: Project, renderer: Renderer, *, ours: bool, terminated: bool) -> int:
    from dbswitch.switch import run_event_files, servers

    # A terminal that is closed can send it several times: once from the shell, once from the kernel.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    code = ExitCode.TERMINATED if terminated else ExitCode.OK
    if not ours:
        renderer.note("the server keeps running; `dbswitch stop` ends it")
        return code
    return servers.stop_server(project, renderer.emit, run_id=run_event_files.new_id()).exit or code


@dataclass(slots=True)
class Watch:
    """Tells a server that is gone for good from one that a switch has taken down for a moment."""

    project: Project
    spec: ServerSpec
    renderer: Renderer
    status: int | None = None
    stopped: bool = False
    _next: float = 0.0
    _switched: str | None = None  # id of the last switch that is known
    _history_changed: int = 0  # nanoseconds, of the file when it was read last

    def __post_init__(self) -> None:
        """Take note of the switches that are over."""
        self._switched = self._last_switch()[0]

    def gone(self) -> bool:
        """Return whether there is nothing left to follow. Cheap to call often: it looks every `LOOK` seconds."""
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + LOOK
        self._tell_switch()
        if self.lives():
            return False
        from dbswitch.switch import lock_file, recovery

        if lock_file.peek(self.project.state_dir) is not None:
            return False
        if recovery.pending(self.project.private_dir):
            from dbswitch.cli.server_commands import mend

            mend(self.project, self.renderer)  # the switch that took the server down was killed
            return False
        if self.lives():  # a switch ended between the two looks
            return False
        return self._judge()

    def _tell_switch(self) -> None:
        """Say in one line that a switch was made elsewhere."""
        run_id, text = self._last_switch()
        if run_id != self._switched:
            self._switched = run_id
            self.renderer.note(text)

    def _last_switch(self) -> tuple[str | None, str]:
        from dbswitch.switch import history
        from dbswitch.switch.events import Outcome

        path = self.project.state_dir / history.FILE_NAME
        with contextlib.suppress(OSError):
            changed = path.stat().st_mtime_ns
            if changed == self._history_changed:
                return self._switched, ""
            self._history_changed = changed
        last = next((one for one in reversed(history.read(self.project.state_dir))), None)
        if last is None:
            return None, ""
        if last.outcome is not Outcome.SWITCHED:
            return last.id, f"a switch to {last.target} ended as {last.outcome}; see `dbswitch history`"
        proof = {True: ", confirmed by the app", False: "; the app answers from another database", None: ""}
        return last.id, f"switched to {last.target} ({last.mode}){proof[last.verified]}"

    def lives(self) -> bool:
        """Return whether the first process of a server that dbswitch started is alive."""
        from dbswitch.server.processes import is_alive
        from dbswitch.server.server_record import read_record

        record = read_record(self.spec.record_path)
        return record is not None and is_alive(record.process)

    def _judge(self) -> bool:
        from dbswitch.server import child_processes
        from dbswitch.server.observation import find
        from dbswitch.server.server_record import read_record

        record = read_record(self.spec.record_path)
        if find(self.spec, record):  # its first process is gone or not known, the one that serves is there
            self._next = time.monotonic() + SEARCH
            return False
        self.stopped = record is None
        self.status = None if record is None else child_processes.status(record.pid)
        return True

    def verdict(self, renderer: Renderer) -> int:
        """Say why there is nothing left to follow; return the exit code."""
        if self.stopped:
            renderer.note("the server was stopped")
            return ExitCode.OK
        from dbswitch.cli.renderer import Failure
        from dbswitch.switch.events import ErrorInfo, Outcome

        how = f"with status {self.status}" if self.status is not None else "(its exit status is not known)"
        code = int(ExitCode.SERVER) if self.status is None else self.status
        code = 128 - code if code < 0 else code
        error = ErrorInfo(
            "server",
            f"the dev server ended by itself {how}",
            why="nothing answers for the app now",
            fix="its log is above; `dbswitch dev` starts it again",
        )
        renderer.failure(Failure(error, code, Outcome.FAILED))
        return code
