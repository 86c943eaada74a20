"""Observing the server: which processes provably belong to it, where they listen, and the resulting state."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from dbswitch import durable
from dbswitch.server import http_requests, ports
from dbswitch.server.command_lines import (
    env_file_loader,
    is_next_dev,
    is_next_server,
    is_node,
    is_package_manager,
)
from dbswitch.server.environment import without_next_options
from dbswitch.server.nextjs import lock_holders, lock_is_held, lock_path, own_lock_path
from dbswitch.server.ownership import Claims, Evidence, Owned, claim
from dbswitch.server.ports import Listener
from dbswitch.server.processes import Process, ProcessId, age, environment_of, look_at, snapshot
from dbswitch.server.server_record import ServerRecord, marker_prefix, read_record
from dbswitch.server.spec import ServerSpec
from dbswitch.server.state import Reply, ServerState, of_absent, of_living

_INSPECTOR_PORTS = frozenset({9229, 9230})  # node --inspect, of `next dev` and of its server
# Seconds: a process's start is known to a clock tick only, a file's time to the kernel's; the env files are read later.
_START_GRAIN = 0.1


class Observation(Struct, frozen=True):
    """The server as it was at one moment."""

    state: ServerState
    record: ServerRecord | None
    processes: tuple[Owned, ...]
    port: int | None  # where it listens, or where its record says it should
    url: str | None
    by_us: bool  # dbswitch started it
    foreign: tuple[Listener, ...]  # other listeners on the watched ports
    listening: Mapping[int, frozenset[int]]
    top: ProcessId | None  # the living process whose environment the next server is to be given
    left_alone: tuple[Process, ...] = ()
    # Evidence of a server whose processes cannot be seen. If the only evidence is its port, it may belong to another
    # project, and the state is not HIDDEN.
    hidden: tuple[str, ...] = ()

    def launch_env(self) -> Mapping[str, str]:
        """Return the environment the server was launched with; ours where there is no server. Full of secrets."""
        # If the top process has died, the rest of its chain is used, which inherited from it.
        candidates = filter(None, (self.top, *(one.id for one in self.processes)))
        readable = (found for found in map(environment_of, candidates) if found is not None)
        return without_next_options(next(readable, os.environ), _memory_mib())

    @property
    def env_file_loader(self) -> str | None:
        """What the dev script puts an env file into Next.js's environment with (`dotenv`, `--env-file`), if anything."""
        return next(filter(None, (env_file_loader(one.process.argv) for one in self.processes)), None)

    def script_exports_text(self, names: Sequence[str]) -> str:
        """Say that the dev script exports these variables, so that the running app cannot follow the env files."""
        how = f" ({self.env_file_loader})" if self.env_file_loader else ""
        return f"its dev script exports {', '.join(names)}{how}, which overrides the env files"

    def next_env(self) -> Mapping[str, str]:
        """Return the environment that Next.js itself was started with; empty where it cannot be read. Full of secrets."""
        # A dev script can export more than the server was launched with, and Next.js prefers that to the env files.
        # Node reads the files of its option itself: the server it starts has their values, the program does not.
        is_it = is_next_server if self.env_file_loader == "--env-file" else is_next_dev
        found = (environment_of(one.id) for one in self.processes if is_it(one.process.argv))
        return next(found, None) or {}


def _memory_mib() -> int:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 20
    except (ValueError, OSError):  # a system without these names
        return 0


def find(spec: ServerSpec, record: ServerRecord | None = None) -> tuple[Owned, ...]:
    """Return the living processes that are provably this project's server, parents first."""
    return find_claims(spec, record).owned


def find_claims(spec: ServerSpec, record: ServerRecord | None = None) -> Claims:
    """Return what :func:`find` does, and the processes that the server launched but that must not be ended."""
    record = record or read_record(spec.record_path)
    found, prefix = snapshot(), marker_prefix(spec.cwd)
    lock = own_lock_path(spec.dist_dir, spec.cwd)
    listening = ports.listening_of(pid for pid, one in found.items() if (one.marker or "").startswith(prefix))
    evidence = Evidence(
        root=str(spec.cwd.resolve()),
        marker_prefix=prefix,
        self_pid=os.getpid(),
        leader=None if record is None else record.process,
        lock_pids=frozenset() if lock is None else lock_holders(lock),
        port_pids=frozenset(pid for port in _needed(spec, record) for pid in listening.get(port, ())),
    )
    return claim(found, evidence)


def _needed(spec: ServerSpec, record: ServerRecord | None) -> set[int]:
    return {spec.port, spec.port if record is None else record.port}


def observe(spec: ServerSpec, *, ask: bool = True) -> Observation:
    """Observe the server; with `ask` also over HTTP, which takes at most twice `limits.ask` seconds."""
    record = read_record(spec.record_path)
    claims = find_claims(spec, record)
    owned, own_pids = claims.owned, frozenset(one.process.pid for one in claims.owned)
    sockets = ports.listening_sockets() if own_pids else None
    listening = ports.listening_of(own_pids, sockets)
    port = _port(spec, record, listening)
    watched = ports.listeners(spec.watched_ports(port), likely=own_pids, sockets=sockets)
    foreign = tuple(one for several in watched.values() for one in several if one.pid not in own_pids)
    unread = _unread_listener(owned, listening, foreign, spec.port if port is None else port)
    if unread is not None:
        port, listening = unread.port, {unread.port: frozenset()}
        foreign = tuple(one for one in foreign if one is not unread)
    wanted = [one for one in foreign if one.port in _needed(spec, record)]
    held = answering = None
    if owned:
        asked = http_requests.judge(spec, port) if ask and port in listening else Reply.NOT_ASKED
        reply = asked if port in listening else Reply.NONE
        state = of_living(reply, starting=_age(owned) < spec.limits.ready)
    else:
        held, answering = _held_lock(spec), _answering(spec, wanted)
        state = of_absent(recorded=record is not None, hidden=held is not None, foreign=bool(wanted))
    if held is not None:
        named = durable.read_object(lock_path(spec.dist_dir)).get("port")
        port = answering.port if answering is not None else named if isinstance(named, int) else port
    answers = f"{answering.describe()}; a Next.js development server answers there" if answering else None
    return Observation(
        state=state,
        record=record,
        processes=owned,
        port=port if owned or held else None,
        url=spec.url(port) if (owned or held) and port is not None else None,
        by_us=any(one.process.marker is not None for one in owned),
        foreign=foreign,
        listening=listening,
        top=_top(owned, record),
        left_alone=claims.left_alone,
        hidden=tuple(text for text in (answers, held) if text is not None),
    )


def _held_lock(spec: ServerSpec) -> str | None:
    """Return one line for display if Next's lock is held but no process that holds it can be seen."""
    path = own_lock_path(spec.dist_dir, spec.cwd)
    with contextlib.suppress(OSError):
        if path is not None and lock_is_held(path) and not lock_holders(path):
            return f"{path}: Next's lock is held, but no process that holds it can be seen"
    return None


def _answering(spec: ServerSpec, listeners: Iterable[Listener]) -> Listener | None:
    """Return the first listener that is not Node.js itself and through which a Next.js development server answers."""
    # A process of another namespace or user, or a forwarder in front of it (docker-proxy, ssh); perhaps another project's.
    for listener in listeners:
        process = look_at(listener.pid) if listener.pid is not None else None
        if process is None or not is_node(process.argv):
            with contextlib.suppress(http_requests.NoAnswerError):
                if http_requests.alive(spec, listener.port):
                    return listener
    return None


def _unread_listener(
    owned: Sequence[Owned], listening: Mapping[int, frozenset[int]], foreign: Sequence[Listener], port: int
) -> Listener | None:
    """Return who listens on the port when it may be ours: the sockets of another user's server cannot be read."""
    readable = os.geteuid() == 0 or all(one.process.user == os.geteuid() for one in owned)
    if listening or readable:
        return None
    return next((one for one in foreign if one.port == port and one.process is None), None)


def changed_since_start(seen: Observation, files: Iterable[Path]) -> tuple[Path, ...]:
    """Return the files that changed after the server started, which it may therefore know in an older form."""
    if seen.top is None:
        return ()
    now = time.time()
    started = now - age(seen.top)
    if seen.record is not None and seen.record.process == seen.top:
        # The clock was set forward meanwhile: the files' times and the record's are of the same clock, `now` is not.
        started = min(started, seen.record.began)
    return tuple(path for path in files if _changed_between(path, started + _START_GRAIN, now))


def _changed_between(path: Path, since: float, now: float) -> bool:
    try:
        there, link = path.stat(), path.lstat()
    except OSError:  # removed meanwhile
        return False
    # A file that was moved here keeps its old mtime; its ctime, or that of the link to it, says when it came.
    # A time that is still to come (a clock set back, a copied file) proves nothing, and would do so at every look.
    return any(since < changed <= now for changed in (there.st_mtime, there.st_ctime, link.st_ctime))


def _age(owned: Sequence[Owned]) -> float:
    """Return the age of the youngest Next.js process; for other servers that of their first process."""
    own = [one.id for one in owned if is_next_server(one.process.argv) or is_next_dev(one.process.argv)]
    return min((age(one) for one in own or [one.id for one in owned[:1]]), default=0.0)


def _port(
    spec: ServerSpec, record: ServerRecord | None, listening: Mapping[int, frozenset[int]]
) -> int | None:
    """Return the port the pages are on: a Next process may also listen for its debugger, an app for anything."""
    named = durable.read_object(lock_path(spec.dist_dir)).get("port")
    likely = (None if record is None else record.port, named, *spec.watched_ports())
    for port in likely:
        if isinstance(port, int) and port in listening:
            return port
    others = sorted(listening.keys() - _INSPECTOR_PORTS)
    return others[0] if others else None if record is None else record.port


def _top(owned: Sequence[Owned], record: ServerRecord | None) -> ProcessId | None:
    living = [one.id for one in owned]
    if record is not None and record.process in living:
        return record.process
    kinds = (is_package_manager, env_file_loader, is_next_dev, is_next_server)
    chain = (one.id for one in owned if any(is_it(one.process.argv) for is_it in kinds))
    return next(chain, living[0] if living else None)
