"""Which processes are provably the project's server (pure: a snapshot in, claims out).

Every claim carries its proof. What proves nothing is left alone: a process that merely sits in the folder, a person's
shell or editor, and dbswitch itself, which is a descendant of the server when a route handler started it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from msgspec import Struct

from dbswitch.server.chain import is_chain_parent, is_dbswitch, is_next_dev, is_next_server, is_personal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dbswitch.server.processes import Process, ProcessId


class Proof(StrEnum):
    """Why a process is ours, in the words of the stop report."""

    MARKER = "carries the session marker"
    SESSION = "in the server's own session"
    LOCK = "holds Next's lock"
    FOLDER = "Next in the project's folder"
    PARENT = "started it"
    CHILD = "its child"


class Owned(Struct, frozen=True):
    """A process with the proof that it belongs to the project's server."""

    process: Process
    proof: Proof

    @property
    def id(self) -> ProcessId:
        """Its identity."""
        return self.process.id


class Evidence(Struct, frozen=True):
    """What is known besides the snapshot."""

    root: str  # the project's folder, resolved
    marker_prefix: str  # what every marker of this project starts with
    self_pid: int  # the dbswitch that asks
    leader: ProcessId | None = None  # of the recorded session
    lock_pids: frozenset[int] = frozenset()  # who holds Next's lock


def claim(snapshot: Mapping[int, Process], evidence: Evidence) -> tuple[Owned, ...]:
    """Return the processes of the project's server, oldest in its chain first."""
    spared = _spared(snapshot, evidence)
    claims: dict[int, Proof] = {}
    for pid, process in snapshot.items():
        if pid not in spared and (proof := _direct_proof(process, snapshot, evidence)) is not None:
            claims[pid] = proof
    for pid in [pid for pid, proof in claims.items() if proof in {Proof.LOCK, Proof.FOLDER}]:
        for parent in _climb(snapshot[pid], snapshot, spared):
            claims.setdefault(parent, Proof.PARENT)
    for pid in _descendants(claims, snapshot, spared):
        claims.setdefault(pid, Proof.CHILD)
    return _parents_first([Owned(snapshot[pid], proof) for pid, proof in claims.items()])


def _direct_proof(process: Process, snapshot: Mapping[int, Process], evidence: Evidence) -> Proof | None:
    if process.marker is not None and process.marker.startswith(evidence.marker_prefix):
        return Proof.MARKER
    leader = evidence.leader
    if leader is not None and leader.pid in {process.session, process.group}:
        # The number is only proof while the process that made the session is still the recorded one.
        living = snapshot.get(leader.pid)
        if living is not None and living.id == leader:
            return Proof.SESSION
    if process.pid in evidence.lock_pids:
        return Proof.LOCK
    if process.folder == evidence.root and _is_development_server(process):
        return Proof.FOLDER
    return None


def _is_development_server(process: Process) -> bool:
    # `next start` has the same title as the server of `next dev`, which is forked with NEXT_PRIVATE_WORKER.
    return is_next_dev(process.argv) or (is_next_server(process.argv) and process.next_worker)


def _spared(snapshot: Mapping[int, Process], evidence: Evidence) -> frozenset[int]:
    """Return who is never claimed: dbswitch, what stands between it and the server, and a person's programs."""
    dbswitch = {pid for pid, process in snapshot.items() if is_dbswitch(process.argv)} | {evidence.self_pid}
    spared = dbswitch | {pid for pid, process in snapshot.items() if is_personal(process.argv)}
    for pid in dbswitch & snapshot.keys():
        # What it runs (git, docker) inherits the marker of the server above it; a server it starts gets another one.
        inherited = snapshot[pid].marker
        below = _descendants([pid], snapshot, frozenset()) if inherited is not None else ()
        spared.update(child for child in below if snapshot[child].marker == inherited)
    me = snapshot.get(evidence.self_pid)
    parent = snapshot.get(me.parent) if me is not None else None
    while me is not None and parent is not None and parent.pid not in spared:
        # A wrapper (npx, uv run, sh -c) that a route handler put around dbswitch shares its session.
        chain = is_next_server(parent.argv) or is_next_dev(parent.argv)
        leads = evidence.leader is not None and parent.id == evidence.leader
        if chain or leads or parent.session != me.session:
            break
        spared.add(parent.pid)
        parent = snapshot.get(parent.parent)
    return frozenset(spared)


def _climb(process: Process, snapshot: Mapping[int, Process], spared: frozenset[int]) -> Iterable[int]:
    parent = snapshot.get(process.parent)
    while parent is not None and parent.pid > 1 and parent.pid not in spared:
        above = snapshot.get(parent.parent)
        if not is_chain_parent(parent.argv, above.argv if above is not None else ()):
            return
        yield parent.pid
        parent = above


def _descendants(
    roots: Iterable[int], snapshot: Mapping[int, Process], spared: frozenset[int]
) -> Iterable[int]:
    children: dict[int, list[int]] = {}
    for process in snapshot.values():
        children.setdefault(process.parent, []).append(process.pid)
    queue = list(roots)
    seen = set(queue)
    while queue:
        for pid in children.get(queue.pop(), ()):
            if pid not in seen and pid not in spared:
                seen.add(pid)
                queue.append(pid)
                yield pid


def _parents_first(owned: list[Owned]) -> tuple[Owned, ...]:
    """Order them so that a parent that would start its child again is signalled before the child."""
    parents = {one.process.pid: one.process.parent for one in owned}

    def depth(pid: int) -> int:
        steps = 0
        while (pid := parents.get(pid, 0)) and steps < len(parents):
            steps += 1
        return steps

    return tuple(sorted(owned, key=lambda one: (depth(one.process.pid), one.process.pid)))
