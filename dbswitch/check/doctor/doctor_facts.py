"""The facts of doctor and its findings, as values. Pure; URLs are masked when shown. `docs/how-to/doctor.md` lists the findings."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from enum import StrEnum

import semantic_version
from msgspec import Struct, field

from dbswitch.check.text_kinds import is_private_host
from dbswitch.database.identity import Identity
from dbswitch.database.migrations import MigrationState
from dbswitch.database.place import place_of
from dbswitch.database.probe import Ready
from dbswitch.database.url import DatabaseUrl
from dbswitch.errors import DbswitchError
from dbswitch.project.active_target import ReaderState
from dbswitch.project.discovery import Project
from dbswitch.project.generated import GeneratedState
from dbswitch.project.target_sources import TargetRef
from dbswitch.project.targets import Target
from dbswitch.server.observation import Observation
from dbswitch.server.spec import ServerSpec

NEXT_DEV = "Next.js dev"
NEXT_START = "Next.js start"
PRISMA_CLI = "Prisma CLI"
STUDIO = "Prisma Studio"
SHELL = "shell"
RUNNING = "running server"


class Version(Struct, frozen=True):
    """A program or package and its version; `version` is None where there is none. `source` is for display."""

    name: str
    version: str | None
    source: str


def parse_version(text: str) -> tuple[int, int, int] | None:
    """Return major, minor and patch of `v20.19.1`, of `20` as well; None for anything else."""
    try:
        found = semantic_version.Version.coerce(text.strip().lstrip("vV="))
    except ValueError:
        return None
    return (found.major, found.minor, found.patch)


class MachineFacts(Struct, frozen=True):
    """Programs, packages and the caller's environment."""

    versions: tuple[Version, ...] = ()  # for the table, in its order
    node: str | None = None  # its version, None where it was not found
    needs: tuple[tuple[str, str], ...] = ()  # package or file, and the range of Node it asks for
    node_pin: tuple[str, str] | None = None  # the file that pins Node's version, and what it says
    manager_found: bool = True  # on the PATH
    lock_files: tuple[str, ...] = ()
    installed: Mapping[str, str] = field(default_factory=dict)  # package to installed version
    node_env: str | None = None  # NODE_ENV of the caller's environment
    inside_next: bool = False  # the caller's environment is that of a process started by Next.js

    def major(self, package: str) -> int | None:
        """Return the installed major version of a package."""
        triple = parse_version(self.installed.get(package, ""))
        return triple[0] if triple is not None else None


class ReaderFacts(Struct, frozen=True):
    """The database that one reader would connect to."""

    reader: str
    variable: str  # the one that this reader takes its URL from
    url: DatabaseUrl | None = None  # None where it gets none that can be used; `unusable` may say why
    unusable: str = ""
    targets: tuple[str, ...] = ()  # those that have this URL
    source: str | None = None  # the file, or "process environment"
    shadowed: tuple[str, ...] = ()  # other bindings of the variable, of lower precedence


class TargetFacts(Struct, frozen=True):
    """One target. Its `values` are None where its command was not run, and where there is `trouble` with them."""

    ref: TargetRef
    values: Target | None = None
    trouble: DbswitchError | None = None  # why it could not be resolved
    urls: tuple[tuple[str, DatabaseUrl], ...] = ()  # variable and URL, the one that the app uses first
    tunnel: str | None = None  # who listens at its local port, where that is a tunnel
    migrations: MigrationState | DbswitchError | None = None  # compared with the project's, if that was done

    @property
    def url(self) -> DatabaseUrl | None:
        """The URL the app uses."""
        return self.urls[0][1] if self.urls else None


class ServerFacts(Struct, frozen=True):
    """The dev server, and the locks."""

    spec: ServerSpec
    seen: Observation
    next_lock: str = "none"  # `<distDir>/dev/lock`: none, held, or free (a leftover, which blocks no start)
    lock_holders: tuple[int, ...] = ()  # pids that hold Next's lock and are not of this server
    stale: tuple[str, ...] = ()  # env files that changed after the server started
    switch: str | None = None  # the holder of dbswitch's own lock; None if it is free
    unfinished: bool = False  # a killed switch has not been finished

    @property
    def port(self) -> int:
        """The port that it has or needs."""
        return self.seen.port or self.spec.port

    @property
    def pids(self) -> tuple[int, ...]:
        """Its processes."""
        return tuple(one.process.pid for one in self.seen.processes)


class FileFacts(Struct, frozen=True):
    """The permissions of a file."""

    name: str
    mode: int
    owner: str
    readable: bool = False  # by other users, given the permissions of its parent folders
    writable: bool = False  # by other users
    ours: bool = True  # we can change it
    secret: bool = False  # it holds the password of a database that is not on this machine
    tracked: bool = False
    private_place: bool = False  # it is in `.dbswitch`, or that folder itself


class GeneratedFacts(Struct, frozen=True):
    """One file that `dbswitch generate` wrote."""

    path: str
    kind: str
    state: GeneratedState


class Facts(Struct, frozen=True):
    """All facts. A `DbswitchError` replaces a part that could not be inspected."""

    project: Project
    machine: MachineFacts = field(default_factory=MachineFacts)
    readers: tuple[ReaderFacts, ...] = ()
    readers_trouble: DbswitchError | None = None
    states: tuple[ReaderState, ...] = ()  # of the readers that a switch brings together
    package_env_files: tuple[tuple[str, str], ...] = ()  # of other packages; and the URL's variable
    targets: tuple[TargetFacts, ...] = ()
    targets_trouble: DbswitchError | None = None
    answers: Mapping[DatabaseUrl, Ready | DbswitchError] = field(default_factory=dict)
    server: ServerFacts | DbswitchError | None = None
    files: tuple[FileFacts, ...] = ()
    generated: tuple[GeneratedFacts, ...] = ()
    hot_client: bool = False  # the app uses the generated client
    unused_client: str = ""  # which generated client the app does not use, and which it does
    no_client: str = ""  # why `generate client` is impossible here
    asks_elsewhere: str | None = None  # which route asks another client than the app's
    identity_route: bool = False
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

    def identity(self, url: DatabaseUrl | None) -> Identity | None:
        """Return the identity that answered."""
        found = None if url is None else self.answers.get(url)
        return found.identity if isinstance(found, Ready) else None


class Agreement(StrEnum):
    """The relation of a reader to Next.js dev."""

    SAME = "same"
    DIFFERENT = "different"
    NO_URL = "no url"


class Distance(StrEnum):
    """Where a host is, by its name."""

    HERE = "this machine"
    NEAR = "the local network or a container"
    FAR = "elsewhere"


def same_database(facts: Facts, left: DatabaseUrl, right: DatabaseUrl) -> bool:
    """Say whether two URLs lead to one database: by the identities that answered, else by the URLs."""
    one, other = facts.identity(left), facts.identity(right)
    if one is not None and other is not None:
        return one.same_as(other)
    return place_of(left) == place_of(right)


def agreement(facts: Facts, row: ReaderFacts) -> Agreement:
    """Compare a reader with Next.js dev. A reader without a URL contradicts no other."""
    base = facts.base
    if row.url is None:
        return Agreement.DIFFERENT if row.unusable else Agreement.NO_URL
    if base is None or base.url is None:
        return Agreement.SAME if base is None else Agreement.DIFFERENT
    # A direct and a pooled URL of one target differ but lead to the same database.
    same = set(row.targets) & set(base.targets) or same_database(facts, row.url, base.url)
    return Agreement.SAME if same else Agreement.DIFFERENT


def distance(url: DatabaseUrl) -> Distance:
    """Classify the host of a URL without resolving it."""
    if url.is_local:
        return Distance.HERE
    host = url.host.lower().rstrip(".")
    try:
        near = (address := ipaddress.ip_address(host)).is_private or address.is_link_local
    except ValueError:
        near = "." not in host or is_private_host(host)
    return Distance.NEAR if near else Distance.FAR


class Level(StrEnum):
    """How much it matters; from `warning` on the exit code is 1."""

    OK = "ok"
    INFO = "info"
    WARNING = "warning"
    PROBLEM = "problem"

    @property
    def rank(self) -> int:
        """0 for ok, up to 3 for a problem."""
        return tuple(Level).index(self)

    def found(self, name: str, what: str, *facts: str, fix: str = "") -> DoctorFinding:
        """Return a finding of this level; see :class:`DoctorFinding`. Empty facts are left out."""
        return DoctorFinding(name, self, what.rstrip("."), tuple(filter(None, facts)), fix)

    def failed(self, name: str, error: DbswitchError, before: str = "", fix: str = "") -> DoctorFinding:
        """Return the finding that something could not be inspected or used."""
        return self.found(name, f"{before}{error.what}", *error.facts, fix=fix or error.fix)


OK, INFO, WARNING, PROBLEM = Level


class DoctorFinding(Struct, frozen=True):
    """One finding. It contains no secret."""

    id: str
    level: Level
    what: str  # one sentence
    facts: tuple[str, ...] = ()  # short lines with what was seen
    fix: str = ""  # the command or edit that helps; empty if there is nothing to do


def worst(findings: tuple[DoctorFinding, ...]) -> Level:
    """Return the highest level among `findings`."""
    return max((one.level for one in findings), key=lambda level: level.rank, default=Level.OK)


def in_order(findings: tuple[DoctorFinding, ...]) -> tuple[DoctorFinding, ...]:
    """Return the findings with the worst first, otherwise in the order in which they were found."""
    return tuple(sorted(findings, key=lambda one: -one.level.rank))
