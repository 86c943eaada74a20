"""Stopping the server: TERM to every process, wait, KILL to the rest, wait; and making sure that the ports it needs are free.

What belongs to the server is proven again before every signal.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from dbswitch.errors import PortTakenError, ServerError
from dbswitch.server import ports
from dbswitch.server.command_lines import is_next_dev, masked_command, program_name
from dbswitch.server.nextjs import lock_path, remove_lock
from dbswitch.server.observation import Observation, find, find_claims
from dbswitch.server.ownership import Owned, Proof
from dbswitch.server.ports import Listener
from dbswitch.server.processes import Process, ProcessId, age, identify, is_alive, look_at, send, wait_gone
from dbswitch.server.server_record import remove_record
from dbswitch.server.spec import ServerLimits, ServerSpec
from dbswitch.server.state import ServerState

PORT_GRACE = 2.0  # seconds a port may stay taken after its last owner is dead
ROUNDS = 3  # how often a server that something starts again is stopped before that is reported
_LOOK = 0.25  # seconds until new processes are looked for while the known ones are ending
_LINGER = 0.02  # seconds for Next's command line program once all others are dead
TWO_SERVERS = "two servers in the same folder corrupt the build that both use"


class StopReport(Struct, frozen=True):
    """What stopping did."""

    stopped: tuple[Owned, ...]
    killed: tuple[Owned, ...]
    ports: Mapping[int, frozenset[int]]  # which of our pids listened where
    # A line for each program that the dev script launched, and that keeps running.
    left_alone: tuple[str, ...] = ()

    @property
    def summary(self) -> str:
        """One line: how many processes, which pids held which port, who needed KILL."""
        if not self.stopped:
            return "nothing was running"
        held = "; ".join(
            f"port {port}: pid {', '.join(map(str, sorted(pids)))}"
            for port, pids in sorted(self.ports.items())
        )
        forced = f"; {len(self.killed)} needed KILL" if self.killed else ""
        count = len(self.stopped)
        return f"{count} process{'es' if count > 1 else ''}{f' ({held})' if held else ''}{forced}"


def _wait(living: Sequence[Owned], left: float) -> None:
    """Wait for these processes, but not for Next's own program once all others are dead."""
    # After its server's end it loads the config again and sends telemetry, 0.3 to 3 s (measured). One that was started in a
    # terminal is waited for: it restores the cursor before it ends.
    ours = {Proof.SESSION, Proof.NODE}
    needed = [one.id for one in living if not (one.proof in ours and is_next_dev(one.process.argv))]
    if needed:
        wait_gone(needed, min(left, _LOOK))
        return
    for process in wait_gone([one.id for one in living], min(left, _LINGER)):
        with contextlib.suppress(PermissionError):
            send(process, signal.SIGKILL)
    wait_gone([one.id for one in living], min(left, _LOOK))


def _end(
    living: Sequence[Owned],
    look: Callable[[], Sequence[Owned]],
    number: signal.Signals,
    seconds: float,
    reached: dict[ProcessId, Owned],
) -> tuple[Sequence[Owned], bool]:
    """Signal every process until all are dead, for at most `seconds`; return the rest, and whether it may not be signalled.

    `look` is called again while waiting, so a respawned child or one that left the group is found too. What was proven and
    signalled (`reached`) stays ours: the parent or leader that proved it may have ended first.
    """
    denied: set[ProcessId] = set()
    deadline = time.monotonic() + seconds
    while living:
        for owned in living:
            if owned.id in reached or owned.id in denied:
                continue
            try:
                send(owned.id, number)
                if owned.process.suspended and number is signal.SIGTERM:
                    send(owned.id, signal.SIGCONT)  # after Ctrl-Z, TERM stays pending until it is continued
                reached[owned.id] = owned
            except PermissionError:
                denied.add(owned.id)
        left = deadline - time.monotonic()
        if left <= 0 or all(one.id in denied for one in living):
            break
        _wait(living, left)
        found = {one.id: one for one in look()}
        gone_on = (one for one in reached.values() if one.id not in found and is_alive(one.id))
        living = [*found.values(), *gone_on]
    return living, bool(denied)


def stop(
    spec: ServerSpec, observation: Observation, *, on_step: Callable[[str], None] = lambda _text: None
) -> StopReport:
    """Stop every process of the server; only processes proven to be the server's at that moment get a signal.

    Raises ServerError: something of it is still there, or its processes cannot be seen; the facts name it.
    """
    require_visible(observation)
    held: dict[int, frozenset[int]] = dict(observation.listening)
    launched: dict[ProcessId, Process] = {one.id: one for one in observation.left_alone}
    stopped: dict[ProcessId, Owned] = {}
    killed: dict[ProcessId, Owned] = {}

    def look() -> Sequence[Owned]:
        claims = find_claims(spec, observation.record)
        launched.update({one.id: one for one in claims.left_alone})
        return claims.owned

    living: Sequence[Owned] = [one for one in observation.processes if is_alive(one.id)]
    for _ in range(ROUNDS):
        denied = False
        for number, seconds, reached in (
            (signal.SIGTERM, spec.limits.term, stopped),
            (signal.SIGKILL, spec.limits.kill, killed),
        ):
            if living:
                on_step(f"{_name(number)} to {', '.join(str(one.process.pid) for one in living)}")
                living, denied = _end(living, look, number, seconds, reached)
        if living:
            another = "it belongs to another user: stop it as that user"
            raise ServerError(
                "the dev server could not be stopped",
                facts=[_line(one) for one in living],
                why=TWO_SERVERS,
                fix=another if denied else "end the processes named above yourself",
            )
        ports.wait_free(held, PORT_GRACE)
        if not (living := look()):
            break
        for port, pids in ports.listening_of(one.process.pid for one in living).items():
            held[port] = held.get(port, frozenset()) | pids
    else:
        raise already_there(living)
    remove_record(spec.record_path)
    stopped |= killed
    kept = (one for one in launched.values() if stopped and one.id not in stopped and is_alive(one.id))
    named = (
        f"left alone: {program_name(one.argv)}, pid {one.pid}, started by the dev script" for one in kept
    )
    return StopReport(tuple(stopped.values()), tuple(killed.values()), held, tuple(named))


def require_visible(observation: Observation, *, or_port: bool = False) -> None:
    """Raise ServerError, before anything is stopped, if there is a server whose processes cannot be seen.

    `or_port`: also if the only evidence is its port, so that it may be another project's.
    """
    if observation.state is ServerState.HIDDEN or (or_port and observation.hidden):
        raise ServerError(
            "a dev server runs where its processes cannot be seen, so it cannot be stopped from here",
            facts=[*observation.hidden, "nothing was stopped"],
            why="only processes proven to be the project's server are ended, and this one is in another pid"
            " namespace (a container) or belongs to another user",
            fix="stop it where it was started, for example `docker compose exec SERVICE dbswitch stop`, or stop the container",
        )


def _name(number: signal.Signals) -> str:
    return number.name.removeprefix("SIG")


def _line(owned: Owned) -> str:
    return f"pid {owned.process.pid} ({masked_command(owned.process.argv)}): {owned.proof}"


def already_there(living: Sequence[Owned]) -> ServerError:
    """Return the error for a server that should not run: never stopped, or started again by the process that it names."""
    me = identify(os.getpid())
    lines = [_line(one) for one in living]
    if me is not None and all(age(one.id) > age(me) for one in living):
        what = "a dev server of this project is still running"
        fix = "stop it with `dbswitch stop`, or end the processes named above yourself"
    else:
        what = "something else started the dev server again"
        fix = "stop the program that starts it (a supervisor such as nodemon or pm2), then run the command again"
        owned = {one.process.pid for one in living}
        parents = {one.process.parent for one in living} - owned - {0, 1, os.getpid()}
        above = (one for one in map(look_at, sorted(parents)) if one is not None)
        lines += [f"started by pid {one.pid} ({masked_command(one.argv)})" for one in above]
    return ServerError(what, facts=lines, why=TWO_SERVERS, fix=fix)


def start_port(spec: ServerSpec, previous: int | None) -> int:
    """Return the port to start on: the project's own where it names one, else where the server was before."""
    return spec.port if spec.port_explicit or previous is None else previous


def require_ports_free(
    spec: ServerSpec,
    needed: int,
    *,
    take_port: bool = False,
    on_step: Callable[[str], None] = lambda _text: None,
) -> str:
    """Make sure that the needed port is free; describe the listeners on the other watched ports.

    With `take_port` a foreign process on it is ended. Raises PortTakenError: a foreign process holds it.
    """
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


def end_foreign(holders: Sequence[Listener], limits: ServerLimits, on_step: Callable[[str], None]) -> None:
    """End the foreign processes that hold a port (only with `--take-port`): TERM, wait, KILL, wait.

    Raises PortTakenError: one is unknown, not ours to signal, above us in the process tree, or outlived KILL.
    """
    import psutil

    me = psutil.Process()
    above = {1, me.pid, *(one.pid for one in me.parents())}
    for holder in holders:
        if holder.process is None:
            raise taken(holder.port, [holder], kept="the system does not reveal which process it is")
        if holder.pid in above:
            raise taken(holder.port, [holder], kept="this command is one of its descendants")
        for number, seconds in ((signal.SIGTERM, limits.term), (signal.SIGKILL, limits.kill)):
            on_step(f"{_name(number)} to {holder.describe()}")
            try:
                send(holder.process.id, number)
            except PermissionError:
                raise taken(holder.port, [holder], kept="it belongs to another user") from None
            if not wait_gone([holder.process.id], seconds):
                break
        else:
            raise taken(holder.port, [holder], kept="it survived KILL")


def taken(port: int, holders: Sequence[Listener], *, kept: str = "") -> PortTakenError:
    """Return the error that names who holds a port; `kept`: why that process was not ended, though it was asked for."""
    what = f"the process on port {port} was not ended: {kept}"
    why, fix = "the server would use another port or not start", "end that process, or set another port"
    if not kept:
        what = f"port {port} is held by a process that is not this project's"
        why += ", and dbswitch does not end foreign processes unasked"
        fix += ", or use `--take-port` to end it"
    return PortTakenError(what, facts=[holder.describe() for holder in holders], why=why, fix=fix)


def remove_lock_if_free(spec: ServerSpec) -> bool:
    """Remove Next's lock file once all processes of the server are dead and no process holds it; say whether it was there."""
    path = lock_path(spec.dist_dir)
    return path.exists() and not find(spec) and remove_lock(path)
