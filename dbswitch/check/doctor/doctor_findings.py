"""The findings of doctor, as values. Pure. `docs/how-to/doctor.md` has a line for every id."""

from __future__ import annotations

from enum import StrEnum

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
    """The stable ids."""

    VERSIONS_FIT = "versions-fit"
    NODE_MISSING = "node-missing"
    NODE_VERSION = "node-version"
    NODE_PIN = "node-pin"
    NOT_INSTALLED = "not-installed"
    NEXT_UNTESTED = "next-untested"
    TYPESCRIPT_VERSION = "typescript-version"
    PRISMA_UNSUPPORTED = "prisma-unsupported"
    PRISMA_MISMATCH = "prisma-mismatch"
    PRISMA_ADAPTER = "prisma-adapter"
    PRISMA_CONFIG = "prisma-config"
    PACKAGE_MANAGER_MISSING = "package-manager-missing"
    LOCK_FILES = "lock-files"
    SHELL_NODE_ENV = "shell-node-env"
    SHELL_INSIDE_NEXT = "shell-inside-next"
    READERS_AGREE = "readers-agree"
    ENV_UNREADABLE = "env-unreadable"
    URL_UNUSABLE = "url-unusable"
    NEXT_WITHOUT_URL = "next-without-url"
    PRISMA_WITHOUT_URL = "prisma-without-url"
    PRISMA_ELSEWHERE = "prisma-elsewhere"
    START_ELSEWHERE = "start-elsewhere"
    SERVER_ELSEWHERE = "server-elsewhere"
    VARIABLE_ELSEWHERE = "variable-elsewhere"
    SHELL_OVERRIDES = "shell-overrides"
    DATABASE_UNNAMED = "database-unnamed"
    PRISMA_POOLED = "prisma-pooled"
    SCHEMA_IGNORED = "schema-ignored"
    TARGETS_ANSWER = "targets-answer"
    TARGETS_NONE = "targets-none"
    TARGETS_UNREADABLE = "targets-unreadable"
    TARGET_BROKEN = "target-broken"
    TARGET_SKIPPED = "target-skipped"
    TARGET_UNREACHABLE = "target-unreachable"
    TARGET_READ_ONLY = "target-read-only"
    TARGET_SLOW = "target-slow"
    SAME_DATABASE = "same-database"
    DIRECT_ELSEWHERE = "direct-elsewhere"
    LOCAL_ELSEWHERE = "local-elsewhere"
    LOCAL_TUNNEL = "local-tunnel"
    PROTECTED_HERE = "protected-here"
    SERVER_VERSIONS = "server-versions"
    TLS_DIFFERS = "tls-differs"
    TLS_OFF = "tls-off"
    URL_NOTE = "url-note"
    MIGRATIONS_IN_STEP = "migrations-in-step"
    MIGRATIONS_FAILED = "migrations-failed"
    MIGRATIONS_EDITED = "migrations-edited"
    MIGRATIONS_PENDING = "migrations-pending"
    MIGRATIONS_MISSING = "migrations-missing"
    MIGRATIONS_UNREAD = "migrations-unread"
    SERVER_WELL = "server-well"
    SERVER_UNREAD = "server-unread"
    SERVER_HALF_DEAD = "server-half-dead"
    SERVER_HIDDEN = "server-hidden"
    SERVER_EXITED = "server-exited"
    SERVER_STALE = "server-stale"
    PORT_TAKEN = "port-taken"
    PORT_FOREIGN = "port-foreign"
    NEXT_LOCK_HELD = "next-lock-held"
    SWITCH_RUNNING = "switch-running"
    SWITCH_UNFINISHED = "switch-unfinished"
    FILES_PRIVATE = "files-private"
    FILE_WRITABLE_BY_OTHERS = "file-writable-by-others"
    FILE_READABLE_BY_OTHERS = "file-readable-by-others"
    FILE_NOT_WRITABLE = "file-not-writable"
    FILE_TRACKED = "file-tracked"
    STATE_FOLDER_OPEN = "state-folder-open"
    GENERATED_CURRENT = "generated-current"
    GENERATED_EDITED = "generated-edited"
    GENERATED_OUTDATED = "generated-outdated"
    GENERATED_NEWER = "generated-newer"
    NO_HOT_CLIENT = "no-hot-client"
    NO_IDENTITY_ROUTE = "no-identity-route"
    PROJECT_UNCLEAR = "project-unclear"


class Finding(Struct, frozen=True):
    """One finding. It contains no secret.

    Attributes:
        what: one sentence.
        facts: short lines with what was seen.
        fix: the command or edit that helps; empty if there is nothing to do.
    """

    id: FindingId
    level: Level
    what: str
    facts: tuple[str, ...] = ()
    fix: str = ""


def worst(findings: tuple[Finding, ...]) -> Level:
    """Return the highest level among `findings`."""
    return max((one.level for one in findings), key=lambda level: level.rank, default=Level.OK)


def in_order(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """Return the findings with the worst first, otherwise in the order in which they were found."""
    return tuple(sorted(findings, key=lambda one: -one.level.rank))
