"""Which processes are provably the project's server (pure: a snapshot in, claims out); docs/explanation/restart.md has the rules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum

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
    """Divide the processes related to the project's server into its own and others."""
    return _Claiming(snapshot, evidence).run()


class _Claiming:
    """The state of one call of :func:`claim`: what is claimed so far, and what is spared whatever it carries."""

    def __init__(self, snapshot: Mapping[int, Process], evidence: Evidence) -> None:
        self.snapshot = snapshot
        self.evidence = evidence
        self.children: dict[int, list[int]] = {}
        for process in snapshot.values():
            self.children.setdefault(process.parent, []).append(process.pid)
        self.dbswitch = self._dbswitch()
        self.spared = self.dbswitch | {pid for pid, one in snapshot.items() if is_personal(one.argv)}
        self.claims: dict[int, Proof] = {}

    def run(self) -> Claims:
        direct = {pid: proof for pid, one in self._unclaimed() if (proof := self._direct_proof(one))}
        self.claims.update(self._without_personal(direct))
        self.claims.update(self._session_mates())
        detached = self._add_children()
        for pid in [pid for pid, proof in self.claims.items() if proof in _ANCHORS]:
            for parent in self._climb(self.snapshot[pid]):
                self.claims.setdefault(parent, Proof.PARENT)
        left = {pid for pid, process in self.snapshot.items() if self._is_marked(process)} | detached
        left -= self.claims.keys() | self.dbswitch
        left_alone = (self.snapshot[pid] for pid in sorted(left) if self.snapshot[pid].parent not in left)
        # Parents first: one that would start its child again is signalled before the child.
        depth = {pid: sum(one.pid in self.claims for one in self._line(pid)) for pid in self.claims}
        order = sorted(self.claims, key=lambda pid: (depth[pid], pid))
        owned = tuple(Owned(self.snapshot[pid], self.claims[pid]) for pid in order)
        return Claims(owned, tuple(left_alone))

    def _line(self, pid: int) -> Iterator[Process]:
        seen: set[int] = set()
        while pid not in seen and (process := self.snapshot.get(pid)) is not None:
            seen.add(pid)
            yield process
            pid = process.parent

    def _unclaimed(self) -> Iterator[tuple[int, Process]]:
        return ((i, one) for i, one in self.snapshot.items() if i not in self.spared and i not in self.claims)

    def _is_marked(self, process: Process) -> bool:
        return process.marker is not None and process.marker.startswith(self.evidence.marker_prefix)

    def _direct_proof(self, process: Process) -> Proof | None:
        marked = self._is_marked(process)
        leader = self.evidence.leader
        if leader is not None and leader.pid in {process.session, process.group}:
            # The kernel gives the number to another process only once the session is empty. Where the leader is dead, a
            # later session of that number is told apart by the marker.
            living = self.snapshot.get(leader.pid)
            if living.id == leader if living is not None else marked:
                return Proof.SESSION
        if process.pid in self.evidence.lock_pids:
            return Proof.LOCK
        # `next start` has the same title as the server of `next dev`, which is forked with NEXT_PRIVATE_WORKER.
        inside, server = process.folder == self.evidence.root, process.next_worker
        if inside and (is_next_dev(process.argv) or (server and is_next_server(process.argv))):
            return Proof.FOLDER
        if marked and process.pid in self.evidence.port_pids:
            return Proof.PORT
        return Proof.NODE if marked and self._is_project_node(process) else None

    def _is_project_node(self, process: Process) -> bool:
        root = self.evidence.root
        inside = any(f"{place}/".startswith(f"{root}/") for place in (process.folder, *process.argv[1:]))
        return inside and is_node(process.argv, process.executable)

    def _without_personal(self, claims: Mapping[int, Proof]) -> dict[int, Proof]:
        """Leave out what the user started in an editor or terminal which the server had opened."""
        leader = self.evidence.leader.pid if self.evidence.leader is not None else None

        def is_below(pid: int) -> bool:
            for one in self._line(pid):
                if one.pid == leader or claims.get(one.pid) in _ANCHORS:
                    return False
                if is_personal(one.argv):
                    return self._is_marked(one)
            return False

        return {pid: proof for pid, proof in claims.items() if not is_below(pid)}

    def _session_mates(self) -> dict[int, Proof]:
        """Return the rest of a session that dbswitch started, also when its record was lost."""
        # dbswitch makes the server the leader of a session and group of its own; a job of an interactive shell has a group
        # that is not its session's.

        def started(process: Process) -> tuple[str | None, int] | None:
            same = process.group == process.session and self._is_marked(process)
            return (process.marker, process.session) if same else None

        strong = (self.snapshot[pid] for pid, proof in self.claims.items() if proof in _STRONG)
        proven = {started(one) for one in strong} - {None}
        mates = {pid: Proof.SESSION for pid, one in self._unclaimed() if started(one) in proven}
        return self._without_personal(mates)

    def _add_children(self) -> set[int]:
        """Claim the children that stayed in a claimed parent's session or group, or are Node.js in the project's folder.

        Return the children that left and are something else, such as a database or a browser.
        """
        detached = set()
        queue = list(self.claims)
        while queue:
            parent = self.snapshot[queue.pop()]
            for pid in self.children.get(parent.pid, ()):
                if pid in self.claims or pid in self.spared:
                    continue
                child = self.snapshot[pid]
                stayed = child.session == parent.session or child.group == parent.group
                if stayed or self._is_project_node(child):
                    self.claims[pid] = Proof.CHILD
                    queue.append(pid)
                else:
                    detached.add(pid)
        return detached

    def _dbswitch(self) -> set[int]:
        """Return dbswitch itself, its children, and the processes between it and the server; never claimed, never named."""
        snapshot, evidence = self.snapshot, self.evidence
        spared = {evidence.self_pid}
        for pid, process in snapshot.items():
            if pid == evidence.self_pid or is_dbswitch(process.argv):
                spared.add(pid)
                # What it runs (git, docker) inherits the marker of the server above it; a server it starts gets another one.
                if (marker := process.marker) is not None:
                    spared.update(one for one in self._descendants(pid) if snapshot[one].marker == marker)
        line = list(self._line(evidence.self_pid))
        for parent in line[1:]:
            # A wrapper (npx, uv run, sh -c) that a route handler put around dbswitch shares its session.
            other = any(is_it(parent.argv) for is_it in (is_personal, is_next_server, is_next_dev))
            if other or parent.id == evidence.leader or parent.session != line[0].session:
                break
            spared.add(parent.pid)
        return spared

    def _descendants(self, root: int) -> set[int]:
        found: set[int] = set()
        queue = [root]
        while queue:
            new = set(self.children.get(queue.pop(), ())) - found
            found |= new
            queue += new
        return found

    def _climb(self, process: Process) -> list[int]:
        """Return the package managers and script shells above a server; none if they run other programs too."""
        # `pnpm -r --parallel run dev` ends with its other packages when one of the shells it started is killed. Left alone,
        # such a parent ends or goes on by itself when the server has ended.
        chain: list[int] = []
        walked: list[int] = []  # and the shells that a task runner such as concurrently puts around its tasks
        line = [*self._line(process.pid)][1:]
        for parent, above in zip(line, [*line[1:], None], strict=False):
            if parent.pid in self.spared or parent.marker != process.marker:
                break  # the process that launched dbswitch's own server is not part of it
            is_link = is_chain_parent(parent.argv, above.argv if above is not None else ())
            # A task runner above the chain (concurrently, a script) has its jobs in its own session; turbo and nx may not.
            others = set(self.children.get(parent.pid, ())) - {process.pid, *walked, *self.claims}
            runs_it = is_link or parent.session == process.session or is_task_runner(parent.argv)
            if others and runs_it:
                return []
            if not is_link and not is_script_shell(parent.argv):
                break
            if is_link and chain == walked and parent.pid != 1:
                chain.append(parent.pid)
            walked.append(parent.pid)
        return chain
