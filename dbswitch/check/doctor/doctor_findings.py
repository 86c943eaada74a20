"""The findings of doctor, as values. Pure. `docs/how-to/doctor.md` has a line for every id."""

from __future__ import annotations

from enum import StrEnum
from typing import Self

from msgspec import Struct


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


class FindingId(StrEnum):
    """The stable ids, each with its usual level."""

    level: Level

    def __new__(cls, value: str, level: Level) -> Self:
        """Make a member of id and level."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.level = level
        return member

    def found(self, what: str, *facts: str, fix: str = "", level: Level | None = None) -> DoctorFinding:
        """Return a finding; see :class:`DoctorFinding`. Empty facts are left out."""
        return DoctorFinding(self, level or self.level, what.rstrip("."), tuple(filter(None, facts)), fix)

    VERSIONS_FIT = "versions-fit", Level.OK
    NODE_MISSING = "node-missing", Level.PROBLEM
    NODE_VERSION = "node-version", Level.PROBLEM
    NODE_PIN = "node-pin", Level.WARNING
    NOT_INSTALLED = "not-installed", Level.WARNING
    NEXT_UNTESTED = "next-untested", Level.INFO
    TYPESCRIPT_VERSION = "typescript-version", Level.PROBLEM
    PRISMA_UNSUPPORTED = "prisma-unsupported", Level.PROBLEM
    PRISMA_MISMATCH = "prisma-mismatch", Level.WARNING
    PRISMA_ADAPTER = "prisma-adapter", Level.WARNING
    PRISMA_CONFIG = "prisma-config", Level.WARNING
    PACKAGE_MANAGER_MISSING = "package-manager-missing", Level.PROBLEM
    LOCK_FILES = "lock-files", Level.WARNING
    SHELL_NODE_ENV = "shell-node-env", Level.WARNING
    SHELL_INSIDE_NEXT = "shell-inside-next", Level.WARNING
    READERS_AGREE = "readers-agree", Level.OK
    ENV_UNREADABLE = "env-unreadable", Level.PROBLEM
    URL_UNUSABLE = "url-unusable", Level.PROBLEM
    NEXT_WITHOUT_URL = "next-without-url", Level.PROBLEM
    PRISMA_WITHOUT_URL = "prisma-without-url", Level.INFO
    PRISMA_ELSEWHERE = "prisma-elsewhere", Level.PROBLEM
    START_ELSEWHERE = "start-elsewhere", Level.WARNING
    SERVER_ELSEWHERE = "server-elsewhere", Level.PROBLEM
    VARIABLE_ELSEWHERE = "variable-elsewhere", Level.PROBLEM
    SHELL_OVERRIDES = "shell-overrides", Level.WARNING
    DATABASE_UNNAMED = "database-unnamed", Level.WARNING
    PRISMA_POOLED = "prisma-pooled", Level.WARNING
    SCHEMA_IGNORED = "schema-ignored", Level.WARNING
    TARGETS_ANSWER = "targets-answer", Level.OK
    TARGETS_NONE = "targets-none", Level.WARNING
    TARGETS_UNREADABLE = "targets-unreadable", Level.PROBLEM
    TARGET_BROKEN = "target-broken", Level.PROBLEM
    TARGET_SKIPPED = "target-skipped", Level.INFO
    TARGET_UNREACHABLE = "target-unreachable", Level.PROBLEM
    TARGET_READ_ONLY = "target-read-only", Level.WARNING
    TARGET_SLOW = "target-slow", Level.INFO
    MARKER_CONTRADICTS = "marker-contradicts", Level.PROBLEM
    SAME_DATABASE = "same-database", Level.PROBLEM
    DIRECT_ELSEWHERE = "direct-elsewhere", Level.PROBLEM
    LOCAL_ELSEWHERE = "local-elsewhere", Level.WARNING
    LOCAL_TUNNEL = "local-tunnel", Level.WARNING
    PROTECTED_HERE = "protected-here", Level.INFO
    SERVER_VERSIONS = "server-versions", Level.INFO
    TLS_DIFFERS = "tls-differs", Level.WARNING
    TLS_OFF = "tls-off", Level.WARNING
    URL_NOTE = "url-note", Level.INFO
    MIGRATIONS_IN_STEP = "migrations-in-step", Level.OK
    MIGRATIONS_FAILED = "migrations-failed", Level.PROBLEM
    MIGRATIONS_EDITED = "migrations-edited", Level.WARNING
    MIGRATIONS_PENDING = "migrations-pending", Level.WARNING
    MIGRATIONS_MISSING = "migrations-missing", Level.WARNING
    MIGRATIONS_UNREAD = "migrations-unread", Level.WARNING
    SERVER_WELL = "server-well", Level.OK
    SERVER_UNREAD = "server-unread", Level.WARNING
    SERVER_HALF_DEAD = "server-half-dead", Level.PROBLEM
    SERVER_HIDDEN = "server-hidden", Level.WARNING
    SERVER_EXITED = "server-exited", Level.INFO
    SERVER_STALE = "server-stale", Level.WARNING
    PORT_TAKEN = "port-taken", Level.WARNING
    PORT_FOREIGN = "port-foreign", Level.INFO
    NEXT_LOCK_HELD = "next-lock-held", Level.WARNING
    SWITCH_RUNNING = "switch-running", Level.INFO
    SWITCH_UNFINISHED = "switch-unfinished", Level.WARNING
    FILES_PRIVATE = "files-private", Level.OK
    FILE_WRITABLE_BY_OTHERS = "file-writable-by-others", Level.PROBLEM
    FILE_READABLE_BY_OTHERS = "file-readable-by-others", Level.WARNING
    FILE_NOT_WRITABLE = "file-not-writable", Level.PROBLEM
    FILE_TRACKED = "file-tracked", Level.WARNING
    STATE_FOLDER_OPEN = "state-folder-open", Level.WARNING
    GENERATED_CURRENT = "generated-current", Level.OK
    GENERATED_EDITED = "generated-edited", Level.WARNING
    GENERATED_OUTDATED = "generated-outdated", Level.WARNING
    GENERATED_NEWER = "generated-newer", Level.WARNING
    NO_HOT_CLIENT = "no-hot-client", Level.INFO
    NO_IDENTITY_ROUTE = "no-identity-route", Level.INFO
    PROJECT_UNCLEAR = "project-unclear", Level.INFO


class DoctorFinding(Struct, frozen=True):
    """One finding. It contains no secret."""

    id: FindingId
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
