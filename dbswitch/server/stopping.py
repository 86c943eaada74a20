"""Stopping the server, and making sure that the ports it needs are free."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from msgspec import Struct

from dbswitch.errors import PortTakenError, ServerError
from dbswitch.server import child_processes, ports
from dbswitch.server.command_lines import is_next_dev, masked_command, program_name
from dbswitch.server.foreign_process import end_foreign
from dbswitch.server.graceful_stop import StopOutcome, stop_processes
from dbswitch.server.hidden_server import cannot_be_stopped
from dbswitch.server.nextjs import lock_path, remove_lock
from dbswitch.server.observation import Observation, find, find_claims
from dbswitch.server.ownership import Owned, Proof
from dbswitch.server.processes import age, identify, is_alive, look_at
from dbswitch.server.server_record import remove_record
from dbswitch.server.state import ServerState

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dbswitch.server.ports import Listener
    from dbswitch.server.processes import Process, ProcessId
    from dbswitch.server.spec import ServerSpec

PORT_GRACE = 2.0  # seconds a port may stay taken after its last owner is dead
ROUNDS = 3  # how often a server that something starts again is stopped before that is reported


class StopReport(Struct, frozen=True):
    """What stopping did. `ports`: which of our pids listened where; `port`: where the pages were; seconds.

    `left_alone`: what the server or its dev script launched, is not part of it and keeps running.
    """

    stopped: tuple[Owned, ...]
    killed: tuple[Owned, ...]
    ports: Mapping[int, frozenset[int]]
    port: int | None
    foreign: tuple[Listener, ...]
    seconds: float
    left_alone: tuple[Process, ...] = ()

    @property
    def left_alone_texts(self) -> tuple[str, ...]:
        """One line for display for each of them."""
        return tuple(
            f"left alone: {program_name(one.argv)}, pid {one.pid}, started by the dev script"
            for one in self.left_alone
        )

    @property
    def summary(self) -> str:
        """One line: how many processes, which pids held which port, who needed KILL."""
        if not self.stopped:
            return "nothing was running"
        held = "; ".join(
            f"port {port}: pid {', '.join(str(pid) for pid in sorted(pids))}"
            for port, pids in sorted(self.ports.items())
        )
        forced = f"; {len(self.killed)} needed KILL" if self.killed else ""
        count = len(self.stopped)
        return f"{count} process{'es' if count > 1 else ''}{f' ({held})' if held else ''}{forced}"


def stop(
    spec: ServerSpec, observation: Observation, *, on_step: Callable[[str], None] = lambda _text: None
) -> StopReport:
    """Stop every process of the server; only processes proven to be the server's at that moment get a signal.

    Raises:
        ServerError: something of it is still there, or its processes cannot be seen; the facts name it.
    """
    require_visible(observation)
    began = time.monotonic()
    stopped: dict[int, Owned] = {}
    killed: dict[int, Owned] = {}
    held: dict[int, set[int]] = {port: set(pids) for port, pids in observation.listening.items()}
    living: tuple[Owned, ...] = ()
    launched: dict[ProcessId, Process] = {}

    def look() -> tuple[Owned, ...]:
        claims = find_claims(spec, observation.record)
        launched.update({one.id: one for one in claims.left_alone})
        return claims.owned

    for _ in range(ROUNDS):
        outcome = stop_processes(
            look,
            term=spec.limits.term,
            kill=spec.limits.kill,
            on_step=on_step,
            dispensable=_has_nothing_left_to_do,
        )
        stopped.update({one.process.pid: one for one in outcome.signalled})
        killed.update({one.process.pid: one for one in outcome.killed})
        child_processes.reap()
        if outcome.left:
            raise _still_there(outcome)
        ports.wait_free(held, PORT_GRACE)
        living = look()
        if not living:
            break
        for port, pids in ports.listening_of(one.process.pid for one in living).items():
            held.setdefault(port, set()).update(pids)
    if living:
        raise comes_back(living)
    remove_record(spec.record_path)
    return StopReport(
        stopped=tuple(stopped.values()),
        killed=tuple(killed.values()),
        ports={port: frozenset(pids) for port, pids in held.items()},
        port=observation.port,
        foreign=observation.foreign,
        seconds=time.monotonic() - began,
        left_alone=tuple(
            one for one in launched.values() if stopped and one.pid not in stopped and is_alive(one.id)
        ),
    )


def require_visible(observation: Observation, *, or_port: bool = False) -> None:
    """Refuse, before anything is stopped, if there is a server whose processes cannot be seen.

    `or_port`: also if the only evidence is its port, so that it may be another project's.

    Raises:
        ServerError: as said.
    """
    if observation.state is ServerState.HIDDEN or (or_port and observation.hidden):
        raise cannot_be_stopped(observation.hidden)


def _has_nothing_left_to_do(owned: Owned) -> bool:
    """Next's program, when it is ours: one that was started in a terminal restores the cursor before it ends."""
    return owned.proof in {Proof.SESSION, Proof.NODE} and is_next_dev(owned.process.argv)


def _line(owned: Owned) -> str:
    return f"pid {owned.process.pid} ({masked_command(owned.process.argv)}): {owned.proof}"


def _still_there(outcome: StopOutcome) -> ServerError:
    denied = any(one.id in outcome.denied for one in outcome.left)
    return ServerError(
        "the dev server could not be stopped",
        facts=[_line(one) for one in outcome.left],
        why="a second server in the same folder corrupts the build that the first one uses",
        fix="it belongs to another user: stop it as that user"
        if denied
        else "end the processes named above yourself",
    )


def already_there(living: tuple[Owned, ...]) -> ServerError:
    """Return the error for a server that should not be running: started again, or never stopped."""
    me = identify(os.getpid())
    if me is not None and all(age(one.id) > age(me) for one in living):
        return ServerError(
            "a dev server of this project is still running",
            facts=[_line(one) for one in living],
            why="two servers in the same folder corrupt the build that both use",
            fix="stop it with `dbswitch stop`, or end the processes named above yourself",
        )
    return comes_back(living)


def comes_back(living: tuple[Owned, ...]) -> ServerError:
    """Return the error that names a server which was started again, and the process that did it."""
    owned = {one.process.pid for one in living}
    parents = {one.process.parent for one in living} - owned - {0, 1, os.getpid()}
    above = [process for pid in sorted(parents) if (process := look_at(pid)) is not None]
    return ServerError(
        "something else started the dev server again",
        facts=[
            *(_line(one) for one in living),
            *(f"started by pid {process.pid} ({masked_command(process.argv)})" for process in above),
        ],
        why="two servers in the same folder corrupt the build that both use",
        fix="stop the program that starts it (a supervisor such as nodemon or pm2), then run the command again",
    )


def start_port(spec: ServerSpec, previous: int | None) -> int:
    """Return the port to start on: the project's own where it names one, else where the server was before."""
    return spec.port if spec.port_explicit or previous is None else previous


def require_ports_free(
    spec: ServerSpec,
    report: StopReport | None = None,
    *,
    take_port: bool = False,
    on_step: Callable[[str], None] = lambda _text: None,
) -> str:
    """Make sure that the port the server needs is free; describe the listeners on the other watched ports.

    Args:
        spec: which ports.
        report: where the server was before.
        take_port: end a foreign process on the needed port; the caller has asked the user.
        on_step: called with a description of what happens to it.

    Raises:
        PortTakenError: a foreign process holds the needed port.
    """
    needed = start_port(spec, report.port if report is not None else None)
    watched = ports.listeners(spec.watched_ports(needed))
    if watched[needed] and take_port:
        end_foreign(watched[needed], spec.limits, on_step)
    if watched[needed]:
        ports.wait_free([needed], PORT_GRACE)
        watched[needed] = ports.listeners([needed])[needed]
    if watched[needed]:
        raise taken(needed, watched[needed])
    others = [listener.describe() for several in watched.values() for listener in several]
    return "; ".join([f"port {needed} is free", *(f"{text}, left alone" for text in others)])


def taken(port: int, holders: tuple[Listener, ...]) -> PortTakenError:
    """Return the error that names who holds a port."""
    return PortTakenError(
        f"port {port} is held by a process that is not this project's",
        facts=[holder.describe() for holder in holders],
        why="the server would use another port or not start, and dbswitch does not end foreign processes unasked",
        fix="end that process, or set another port, or use `--take-port` to end it",
    )


def remove_lock_if_free(spec: ServerSpec) -> bool:
    """Remove Next's lock file once all processes of the server are dead and no process holds it; say whether it was there."""
    path = lock_path(spec.dist_dir)
    return path.exists() and not find(spec) and remove_lock(path)
