"""Which processes are provably the project's server (pure: a snapshot in, claims out).

Every claim carries its proof. What proves nothing is left alone: a process that merely sits in the folder or merely
inherited the marker, the user's shells and editors and what runs in them, and dbswitch itself, which is a descendant of the
server when a route handler started it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from msgspec import Struct

from dbswitch.server.command_lines import (
    is_chain_parent,
    is_dbswitch,
    is_next_dev,
    is_next_server,
    is_node,
    is_personal,
    is_script_shell,
    is_task_runner,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dbswitch.server.processes import Process, ProcessId


class Proof(StrEnum):
    """Why a process is ours, as the stop report shows it."""

    SESSION = "in the server's process group or session"
    LOCK = "holds Next's lock"
    PORT = "carries the session marker and listens on the project's port"
    FOLDER = "Next in the project's folder"
    NODE = "carries the session marker and is Node.js in the project's folder"
    PARENT = "started it"
    CHILD = "its child"


# What these prove does not depend on who started the process.
_ANCHORS = frozenset({Proof.LOCK, Proof.FOLDER})
_STRONG = _ANCHORS | {Proof.PORT, Proof.NODE}


class Owned(Struct, frozen=True):
    """A process with the proof that it belongs to the project's server."""

    process: Process
    proof: Proof

    @property
    def id(self) -> ProcessId:
        """Its identity."""
        return self.process.id


class Claims(Struct, frozen=True):
    """The processes of the server, parents first; and processes that it or its dev script launched but that must not be ended."""

    owned: tuple[Owned, ...]
    left_alone: tuple[Process, ...]


class Evidence(Struct, frozen=True):
    """Known facts besides the snapshot."""

    root: str  # the project's folder, resolved
    marker_prefix: str  # what every marker of this project starts with
    self_pid: int  # the dbswitch that asks
    leader: ProcessId | None = None  # of the recorded session
    lock_pids: frozenset[int] = frozenset()  # who holds Next's lock
    port_pids: frozenset[int] = frozenset()  # who listens on a port of this project's server


def claim(snapshot: Mapping[int, Process], evidence: Evidence) -> Claims:
    """Divide the processes related to the project's server into its own and others.

    An inherited marker alone is a hint: it counts together with the port, the lock, or Node.js in the project's folder.
    """
    dbswitch = _dbswitch(snapshot, evidence)
    spared = dbswitch | {pid for pid, process in snapshot.items() if is_personal(process.argv)}
    claims: dict[int, Proof] = {}
    for pid, process in snapshot.items():
        if pid not in spared and (proof := _direct_proof(process, snapshot, evidence)) is not None:
            claims[pid] = proof
    for pid in _below_personal(claims, snapshot, evidence):
        del claims[pid]
    _add_session_mates(claims, snapshot, evidence, spared)
    detached = _add_children(claims, snapshot, evidence, spared)
    for pid in [pid for pid, proof in claims.items() if proof in _ANCHORS]:
        for parent in _climb(snapshot[pid], snapshot, spared, claims):
            claims.setdefault(parent, Proof.PARENT)
    left = {pid for pid, process in snapshot.items() if _is_marked(process, evidence)} | detached
    left -= claims.keys() | dbswitch
    return Claims(
        owned=_parents_first([Owned(snapshot[pid], proof) for pid, proof in claims.items()]),
        left_alone=tuple(snapshot[pid] for pid in sorted(left) if snapshot[pid].parent not in left),
    )


def _is_marked(process: Process, evidence: Evidence) -> bool:
    return process.marker is not None and process.marker.startswith(evidence.marker_prefix)


def _direct_proof(process: Process, snapshot: Mapping[int, Process], evidence: Evidence) -> Proof | None:
    marked = _is_marked(process, evidence)
    leader = evidence.leader
    if leader is not None and leader.pid in {process.session, process.group}:
        # The kernel gives the number to another process only once the session is empty. Where the leader is dead, a
        # later session of that number is told apart by the marker.
        living = snapshot.get(leader.pid)
        if living.id == leader if living is not None else marked:
            return Proof.SESSION
    if process.pid in evidence.lock_pids:
        return Proof.LOCK
    if process.folder == evidence.root and _is_development_server(process):
        return Proof.FOLDER
    if marked and process.pid in evidence.port_pids:
        return Proof.PORT
    if marked and _is_project_node(process, evidence.root):
        return Proof.NODE
    return None


def _is_development_server(process: Process) -> bool:
    # `next start` has the same title as the server of `next dev`, which is forked with NEXT_PRIVATE_WORKER.
    return is_next_dev(process.argv) or (is_next_server(process.argv) and process.next_worker)


def _is_project_node(process: Process, root: str) -> bool:
    inside = f"{root}/"
    places = [process.folder or "", *(word for word in process.argv[1:] if word.startswith("/"))]
    return is_node(process.argv, process.executable) and any(
        place == root or place.startswith(inside) for place in places
    )


def _below_personal(
    claims: Mapping[int, Proof], snapshot: Mapping[int, Process], evidence: Evidence
) -> tuple[int, ...]:
    """Return the claimed processes that the user started in an editor or terminal which the server had opened."""
    leader = evidence.leader.pid if evidence.leader is not None else None

    def is_below(pid: int) -> bool:
        seen: set[int] = set()
        while pid in snapshot and pid not in seen:
            if pid == leader or claims.get(pid) in _ANCHORS:
                return False
            if is_personal(snapshot[pid].argv):
                return _is_marked(snapshot[pid], evidence)
            seen.add(pid)
            pid = snapshot[pid].parent
        return False

    return tuple(pid for pid in claims if is_below(pid))


def _add_session_mates(
    claims: dict[int, Proof],
    snapshot: Mapping[int, Process],
    evidence: Evidence,
    spared: set[int],
) -> None:
    """Claim the rest of a session that dbswitch started, also when its record was lost.

    dbswitch makes the server the leader of a session and group of its own; a job of an interactive shell has a group
    that is not its session's.
    """

    def started(process: Process) -> tuple[str | None, int] | None:
        same = process.group == process.session and _is_marked(process, evidence)
        return (process.marker, process.session) if same else None

    proven = {started(snapshot[pid]) for pid, proof in claims.items() if proof in _STRONG} - {None}
    mates = {
        pid: Proof.SESSION
        for pid, process in snapshot.items()
        if pid not in spared and pid not in claims and started(process) in proven
    }
    for pid in _below_personal(mates, snapshot, evidence):
        del mates[pid]
    claims.update(mates)


def _add_children(
    claims: dict[int, Proof],
    snapshot: Mapping[int, Process],
    evidence: Evidence,
    spared: set[int],
) -> set[int]:
    """Claim the children that stayed in a claimed parent's session or group, or are Node.js in the project's folder.

    Returns:
        the children that left and are something else, such as a database or a browser.
    """
    children = _children(snapshot)
    detached = set()
    queue = list(claims)
    while queue:
        parent = snapshot[queue.pop()]
        for pid in children.get(parent.pid, ()):
            if pid in claims or pid in spared:
                continue
            child = snapshot[pid]
            stayed = child.session == parent.session or child.group == parent.group
            if stayed or _is_project_node(child, evidence.root):
                claims[pid] = Proof.CHILD
                queue.append(pid)
            else:
                detached.add(pid)
    return detached


def _dbswitch(snapshot: Mapping[int, Process], evidence: Evidence) -> set[int]:
    """Return dbswitch itself, its children, and the processes between it and the server; never claimed, never named."""
    dbswitch = {pid for pid, process in snapshot.items() if is_dbswitch(process.argv)} | {evidence.self_pid}
    spared = set(dbswitch)
    for pid in dbswitch & snapshot.keys():
        # What it runs (git, docker) inherits the marker of the server above it; a server it starts gets another one.
        inherited = snapshot[pid].marker
        below = _descendants(pid, snapshot) if inherited is not None else ()
        spared.update(child for child in below if snapshot[child].marker == inherited)
    me = snapshot.get(evidence.self_pid)
    parent = snapshot.get(me.parent) if me is not None else None
    while me is not None and parent is not None and parent.pid not in spared and not is_personal(parent.argv):
        # A wrapper (npx, uv run, sh -c) that a route handler put around dbswitch shares its session.
        chain = is_next_server(parent.argv) or is_next_dev(parent.argv)
        leads = evidence.leader is not None and parent.id == evidence.leader
        if chain or leads or parent.session != me.session:
            break
        spared.add(parent.pid)
        parent = snapshot.get(parent.parent)
    return spared


def _climb(
    process: Process,
    snapshot: Mapping[int, Process],
    spared: set[int],
    claims: Mapping[int, Proof],
) -> tuple[int, ...]:
    """Return the package managers and script shells above a server; none if they run other programs too.

    `pnpm -r --parallel run dev` ends with its other packages when one of the shells it started is killed. Left alone,
    such a parent ends or goes on by itself when the server has ended.
    """
    children = _children(snapshot)
    chain: list[int] = []
    walked: list[int] = []  # also the shells that a task runner such as concurrently puts around its tasks
    parent = snapshot.get(process.parent)
    while parent is not None and parent.pid not in spared and parent.pid not in walked:
        if parent.marker != process.marker:
            break  # the process that launched dbswitch's own server is not part of it
        above = snapshot.get(parent.parent)
        is_link = is_chain_parent(parent.argv, above.argv if above is not None else ())
        # A task runner above the chain (concurrently, a script) has its jobs in its own session; turbo and nx may not.
        others = set(children.get(parent.pid, ())) - {process.pid, *walked, *claims}
        runs_it = is_link or parent.session == process.session or is_task_runner(parent.argv)
        if others and runs_it:
            return ()
        if not is_link and not is_script_shell(parent.argv):
            break
        if is_link and chain == walked and parent.pid != 1:
            chain.append(parent.pid)
        walked.append(parent.pid)
        parent = above
    return tuple(chain)


def _children(snapshot: Mapping[int, Process]) -> dict[int, list[int]]:
    children: dict[int, list[int]] = {}
    for process in snapshot.values():
        children.setdefault(process.parent, []).append(process.pid)
    return children


def _descendants(root: int, snapshot: Mapping[int, Process]) -> Iterable[int]:
    children = _children(snapshot)
    queue = [root]
    seen = set(queue)
    while queue:
        for pid in children.get(queue.pop(), ()):
            if pid not in seen:
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
