"""Starting the server and waiting for its first answer."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from dbswitch.errors import ServerError
from dbswitch.server import http_requests, log, ports
from dbswitch.server.command_lines import is_next_server, masked_command, masked_text
from dbswitch.server.environment import MARKER, CleanEnvironment
from dbswitch.server.observation import find, observe
from dbswitch.server.processes import ProcessId, child_status, identify, is_alive, keep_child
from dbswitch.server.server_record import ServerRecord, new_marker, write_record
from dbswitch.server.spec import ServerSpec
from dbswitch.server.state import Reply
from dbswitch.server.stopping import PORT_GRACE, already_there, stop, taken

_LOOK = 0.02  # seconds between two connection attempts while the server starts
_PAGE_GRACE = 3.0  # seconds a page that answers 5xx may take to recover while Next itself is up
_DEATH_LOOKS = 3  # how many checks of a dead leader's session have to agree
_LOG_LINES = 24  # how many are shown of a server that died; Next.js prints blank ones between them
_TELL = 1.0  # seconds between two messages about the same wait


class ServerAnswer(Struct, frozen=True):
    """The first answer. `failing`: the server is up and its page answers 404 or 5xx."""

    status: int
    failing: bool
    running: ServerRecord  # with the port that the server has, which the dev script may have set itself


def require_command(spec: ServerSpec) -> None:
    """Raise ServerError if the project has neither a command nor a dev script."""
    if not spec.argv:
        raise ServerError(
            "there is no dev server to start",
            facts=(f"{spec.cwd}: package.json has no dev script, and dbswitch.toml no [server] command",),
            why="dbswitch starts the command that the project configures and does not guess one",
            fix='add "dev": "next dev" to the scripts of package.json, or `command = [...]` under [server]',
        )


def start(spec: ServerSpec, environment: CleanEnvironment, *, port: int | None = None) -> ServerRecord:
    """Start the server in a new session, its output in the log; return once it runs and is recorded.

    Raises PortTakenError, or ServerError: a server of this project is running, the program cannot be run, or the state
    folder not written.
    """
    require_command(spec)
    port = spec.port if port is None else port
    if living := find(spec):
        raise already_there(living)
    if ports.wait_free([port], PORT_GRACE):
        raise taken(port, ports.listeners([port])[port])
    marker = new_marker(spec.cwd)
    argv = [*spec.argv, "-p", str(port)] if spec.port_flag else list(spec.argv)
    try:
        output = log.open_for_append(spec.log_path)
    except OSError as error:
        raise _unwritable("the server's log", spec.log_path, error) from None
    try:
        log_start = os.fstat(output).st_size
        child = subprocess.Popen(
            argv,
            cwd=spec.cwd,
            env={**environment.env, "PORT": str(port), MARKER: marker},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        raise ServerError(
            "the dev server's command cannot be run",
            facts=[f"{masked_command(argv)}: {error.strerror}"],
            fix="check the dev script in package.json, and that Node.js is on the PATH",
        ) from None
    finally:
        os.close(output)
    keep_child(child)
    process = identify(child.pid) or ProcessId(child.pid, "ended at once")
    record = ServerRecord(process, marker, port, spec.url(port), time.time(), log_start)
    try:
        write_record(spec.record_path, record, spec.cwd)
    except OSError as error:
        stop(spec, replace(observe(spec, ask=False), record=record))
        raise _unwritable("the server record", spec.record_path, error) from None
    return record


def _unwritable(what: str, path: Path, error: OSError) -> ServerError:
    return ServerError(f"{what} cannot be written", facts=[f"{path}: {error.strerror}"])


def wait_ready(
    spec: ServerSpec,
    running: ServerRecord,
    *,
    on_wait: Callable[[int, str, float], None] = lambda _attempt, _reason, _pause: None,
    on_look: Callable[[], None] = lambda: None,
) -> ServerAnswer:
    """Wait for an HTTP answer from the server process, or, where the project names a page for it, from that page.

    `on_look` is called several times a second, and may raise to end the waiting. Raises ServerError: it died (at once, with
    its last log lines), or it did not answer in time.
    """
    # For 404 the app may simply have no such page, and for 5xx its page may fail: both count when Next's own path works
    # (5xx only after a few seconds of grace), and both mean half-dead when it does not.
    told = time.monotonic()
    deadline = told + spec.limits.ready
    attempt, reason = 0, "not listening yet"
    path = spec.ready_path or spec.alive_path or "/"
    failing_since: float | None = None
    look_at_ports = told + _TELL

    def lives() -> bool:
        on_look()
        return _lives(spec, running)

    while (left := deadline - time.monotonic()) > 0:
        if not lives():
            raise _died(spec, running, child_status(running.pid))
        attempt += 1
        try:
            status = http_requests.get(spec, running.port, path, min(left, spec.limits.request), go_on=lives)
        except http_requests.NoAnswerError as error:
            reason = f"connected, {error}" if error.connected else str(error)
            if not error.connected and time.monotonic() > look_at_ports:
                look_at_ports = time.monotonic() + _TELL
                running = _on_its_own_port(spec, running)
        else:
            works = status < 500 and (status != 404 or spec.alive_path is None)
            alive = _is_alive(spec, running, works=works)
            # Without a page of its own it was Next's path that was asked first, outside of a `basePath`.
            if alive and (works or spec.ready_path is None):
                return ServerAnswer(status, failing=False, running=running)
            reason = f"{path} answers {status}"
            if alive:
                failing_since = failing_since or time.monotonic()
                if status < 500 or time.monotonic() - failing_since > _PAGE_GRACE:
                    return ServerAnswer(status, failing=True, running=running)
        if time.monotonic() - told > _TELL:
            told = time.monotonic()
            on_wait(attempt, reason, _LOOK)
        time.sleep(_LOOK)
    raise ServerError(
        f"the dev server did not answer within {spec.limits.ready:g} s",
        facts=[f"{running.url}{path}: {reason}", *_last_lines(spec, running.log_start)],
        why="ready means an HTTP answer from the app, not an open port",
        fix="see `dbswitch logs`; for a slow first compilation raise `ready_timeout`",
    )


def _on_its_own_port(spec: ServerSpec, running: ServerRecord) -> ServerRecord:
    """Return the server with the port that it listens on, where its script did not take the `PORT` that it was given."""
    servers = {one.process.pid for one in find(spec, running) if is_next_server(one.process.argv)}
    listening = ports.listening_of(servers) if servers else {}
    if len(listening) != 1 or running.port in listening:
        return running
    [port] = listening
    record = replace(running, port=port, url=spec.url(port))
    with contextlib.suppress(OSError):  # then the next command looks for the port again
        write_record(spec.record_path, record, spec.cwd)
    return record


def _is_alive(spec: ServerSpec, running: ServerRecord, *, works: bool) -> bool:
    """Judge the server after an answer; `works`: it is one of a page that works, else Next's own path is asked."""
    own = {one.process.pid for one in find(spec, running)}
    holders = ports.listeners([running.port], likely=own)[running.port]
    if holders and all(holder.pid is not None and holder.pid not in own for holder in holders):
        return False  # another process answered; ours will end with EADDRINUSE
    return works or (spec.alive_path is not None and http_requests.judge(spec, running.port) is Reply.ALIVE)


def _lives(spec: ServerSpec, running: ServerRecord) -> bool:
    """Say whether the leader lives, or anything of its session that outlived it."""
    # One look can miss a process that forks and ends meanwhile, as a server that daemonizes does.
    if is_alive(running.process):
        return True
    for _ in range(_DEATH_LOOKS):
        if find(spec, running):
            return True
        time.sleep(_LOOK)
    return False


def _last_lines(spec: ServerSpec, since: int) -> tuple[str, ...]:
    text = b""
    with contextlib.suppress(OSError):
        text, _ = log.tail(spec.log_path, _LOG_LINES, since=since)
    lines = text.decode(errors="replace").splitlines()
    return tuple(f"log: {masked_text(line.rstrip())}" for line in lines if line.strip())


def _died(spec: ServerSpec, running: ServerRecord, status: int | None) -> ServerError:
    facts = (
        f"exit status {status}" if status is not None else "it is gone",
        *_last_lines(spec, running.log_start),
    )
    error: ServerError | None = None
    if living := find(spec, running):
        error = already_there(living)
    elif any("EADDRINUSE" in fact for fact in facts):  # the port was taken in the meantime
        error = taken(running.port, ports.listeners([running.port])[running.port])
    if error is not None:
        error.facts = (*error.facts, *facts)
        return error
    return ServerError(
        "the dev server died while it was starting",
        facts=facts,
        why="the app does not answer",
        fix="the lines above are the end of its log; `dbswitch logs` shows all of it",
    )
