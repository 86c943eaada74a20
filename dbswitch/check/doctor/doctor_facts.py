"""The facts that doctor collects, as values for rules and reports. Pure; URLs are masked when shown."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from msgspec import Struct, field

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from dbswitch.database.identity import Identity
    from dbswitch.database.migrations import MigrationState
    from dbswitch.database.url import DatabaseUrl
    from dbswitch.errors import DbswitchError
    from dbswitch.server.state import ServerState

NEXT_DEV = "Next.js dev"
NEXT_START = "Next.js start"
PRISMA_CLI = "Prisma CLI"
STUDIO = "Prisma Studio"
SHELL = "shell"
RUNNING = "running server"


class Trouble(Struct, frozen=True):
    """Why something could not be inspected: the parts of an error that a finding shows."""

    what: str
    facts: tuple[str, ...] = ()
    fix: str = ""

    @classmethod
    def of(cls, error: DbswitchError) -> Trouble:
        """Return the trouble that an error describes."""
        return cls(error.what, error.facts, error.fix)


class Version(Struct, frozen=True):
    """A program or package and its version; `version` is None where there is none. `source` is for display."""

    name: str
    version: str | None
    source: str


class MachineFacts(Struct, frozen=True):
    """Programs, packages and the caller's environment.

    Attributes:
        versions: for the table, in its order.
        node: Node's version, None where it was not found.
        needs: package or file, and the range of Node it asks for.
        node_pin: the file that pins Node's version, and what it says.
        manager_found: whether the project's package manager is on the PATH.
        lock_files: those in the project's folder.
        installed: package to installed version.
        wanted: the declared dependencies.
        node_env: NODE_ENV of the caller's environment.
        inside_next: the caller's environment is that of a process started by Next.js.
    """

    versions: tuple[Version, ...] = ()
    node: str | None = None
    needs: tuple[tuple[str, str], ...] = ()
    node_pin: tuple[str, str] | None = None
    manager: str = "npm"
    manager_source: str = ""
    manager_found: bool = True
    lock_files: tuple[str, ...] = ()
    installed: Mapping[str, str] = field(default_factory=dict)
    wanted: frozenset[str] = frozenset()
    prisma_config: str | None = None
    accelerate: bool = False
    node_env: str | None = None
    inside_next: bool = False


class ReaderFacts(Struct, frozen=True):
    """The database that one reader would connect to.

    Attributes:
        variable: the one this reader takes its URL from.
        url: None where it gets none, or none that can be used (`unusable` then says why).
        targets: those that have this URL.
        source: the file, or "process environment".
        shadowed: other bindings of the variable, of lower precedence.
    """

    reader: str
    variable: str
    url: DatabaseUrl | None = None
    unusable: str = ""
    targets: tuple[str, ...] = ()
    source: str | None = None
    shadowed: tuple[str, ...] = ()


class ForeignVariable(Struct, frozen=True):
    """A variable of the target `owner`, or that leads to its database, while the reader is on the target `on`."""

    reader: str
    variable: str
    owner: str
    on: str


class Answer(Struct, frozen=True):
    """A database that answered; `milliseconds` for login and one query."""

    identity: Identity
    milliseconds: float
    encrypted: bool
    notices: tuple[str, ...] = ()


class TargetFacts(Struct, frozen=True):
    """One target.

    Attributes:
        urls: variable and URL, the one that the app uses first.
        trouble: why it could not be resolved.
        skipped: it has a command, which was not run.
        start: the command that starts its database; empty where there is none.
        tunnel: who listens at its local port, where that is a tunnel.
        migrations: compared with the project's; None where that was not done.
    """

    name: str
    protected: bool
    source: str
    urls: tuple[tuple[str, DatabaseUrl], ...] = ()
    notes: tuple[str, ...] = ()
    trouble: Trouble | None = None
    skipped: bool = False
    start: str = ""
    tunnel: str | None = None
    migrations: MigrationState | Trouble | None = None

    @property
    def url(self) -> DatabaseUrl | None:
        """The URL the app uses."""
        return self.urls[0][1] if self.urls else None


class NextLock(StrEnum):
    """Next's own lock file, `<distDir>/dev/lock`."""

    NONE = "none"
    FREE = "free"  # a leftover; it never blocks a start
    HELD = "held"


class ServerView(Struct, frozen=True):
    """The dev server, its ports, and the locks.

    Attributes:
        foreign: port and description of other listeners on the checked ports.
        listening: own ports.
        hidden: evidence of a running server whose processes cannot be seen.
        lock_holders: pids that hold Next's lock and are not of this server.
        stale: env files that changed after the server started.
        switch: the holder of dbswitch's own lock; None if it is free.
        unfinished: a killed switch has not been finished.
    """

    state: ServerState
    port: int
    port_explicit: bool = False
    url: str | None = None
    pids: tuple[int, ...] = ()
    by_us: bool = False
    listening: tuple[int, ...] = ()
    watched: tuple[int, ...] = ()
    foreign: tuple[tuple[int, str], ...] = ()
    hidden: tuple[str, ...] = ()
    next_lock: NextLock = NextLock.NONE
    lock_holders: tuple[int, ...] = ()
    stale: tuple[str, ...] = ()
    switch: str | None = None
    unfinished: bool = False


class FileFacts(Struct, frozen=True):
    """The permissions of a file.

    Attributes:
        mode: permission bits.
        owner: the user's name.
        readable: other users of this machine can read it, given the permissions of its parent folders.
        writable: they can change it.
        ours: we can change it.
        secret: it holds the password of a database that is not on this machine.
        private_place: it is in `.dbswitch`, or that folder itself.
    """

    name: str
    mode: int
    owner: str
    readable: bool = False
    writable: bool = False
    ours: bool = True
    secret: bool = False
    tracked: bool = False
    private_place: bool = False


class GeneratedState(StrEnum):
    """A generated file compared with what this version of dbswitch writes."""

    CURRENT = "current"
    EDITED = "edited"
    OUTDATED = "outdated"
    NEWER = "newer"


class GeneratedFacts(Struct, frozen=True):
    """One file that `dbswitch generate` wrote."""

    path: str
    kind: str
    state: GeneratedState


class Facts(Struct, frozen=True):
    """All facts. A `Trouble` replaces a part that could not be inspected."""

    root: Path
    machine: MachineFacts = field(default_factory=MachineFacts)
    readers: tuple[ReaderFacts, ...] = ()
    readers_trouble: Trouble | None = None
    foreign: tuple[ForeignVariable, ...] = ()
    targets: tuple[TargetFacts, ...] = ()
    targets_trouble: Trouble | None = None
    answers: Mapping[DatabaseUrl, Answer | Trouble] = field(default_factory=dict)
    has_migrations: bool = False
    server: ServerView | Trouble | None = None
    files: tuple[FileFacts, ...] = ()
    generated: tuple[GeneratedFacts, ...] = ()
    hot_client: bool = False
    identity_route: bool = False
    notices: tuple[str, ...] = ()
    seconds: float = 0.0

    def reader(self, name: str) -> ReaderFacts | None:
        """Return the row of one reader."""
        return next((row for row in self.readers if row.reader == name), None)

    @property
    def base(self) -> ReaderFacts | None:
        """The reader that the others are compared with: Next.js dev."""
        return self.reader(NEXT_DEV)

    @property
    def active(self) -> tuple[str, ...]:
        """The names of the active target."""
        return self.base.targets if self.base is not None else ()
