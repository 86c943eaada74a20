"""Rules, their findings and their input, as values. Pure. `docs/rules.md` has a paragraph for every rule."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Self

from msgspec import Struct

from dbswitch.envfiles.precedence import ReaderProfile
from dbswitch.project.active_target import Active
from dbswitch.project.discovery import Project


class Severity(StrEnum):
    """`error` fails the check, `warning` does with `--strict`, `info` never does, `off` is not looked for."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"
    OFF = "off"


class RuleId(StrEnum):
    """The stable ids, used in comments and configuration; each with the reason and its usual severity."""

    why: str
    severity: Severity

    def __new__(cls, value: str, why: str, severity: Severity = Severity.ERROR) -> Self:
        """Make a member of id, reason and severity."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.why, member.severity = why, severity
        return member

    # fmt: off
    ENV_FILE_TRACKED = "env-file-tracked", "Anyone who can read the repository can use the secret, and it stays in the history."
    PROTECTED_SECRET = "protected-secret", "Anyone who can read the repository can write to the protected database."
    PROTECTED_HOST = "protected-host", "Code that names the protected database connects to it whichever target is active."
    URL_WITH_PASSWORD = "url-with-password", "The password stays in the history, and the code connects to this database whichever target is active."
    PUBLIC_SECRET = "public-secret", "`next build` writes the value of every NEXT_PUBLIC_ variable that code reads into the files for browsers."
    ACTIVE_PROTECTED = "active-protected", "Tests, seeds and migrations that run now change the protected database.", Severity.WARNING
    NOT_IGNORED = "not-ignored", "The next `git add .` would commit it."
    MALFORMED_LINE = "malformed-line", "Readers ignore it or misread it."
    DUPLICATE_BINDING = "duplicate-binding", "Editing the one that is not used has no effect.", Severity.WARNING
    READERS_DISAGREE = "readers-disagree", "Next.js, the Prisma CLI and the shell would not use the same value.", Severity.WARNING
    SHADOWED_VARIABLE = "shadowed-variable", "The value in this file is not the one that is used.", Severity.WARNING
    UNDEFINED_VARIABLE = "undefined-variable", "An undefined database URL silently means 127.0.0.1:5432; anything else fails when it is first used.", Severity.WARNING
    EXAMPLE_OUT_OF_STEP = "example-out-of-step", "An app that is set up from it fails.", Severity.WARNING
    UNUSABLE_URL = "unusable-url", "Prisma or libpq would refuse it, or they would read it differently."
    SPLIT_DATABASES = "split-databases", "A migration would change one database while the app uses the other."
    PLACEHOLDER_PASSWORD = "placeholder-password", "Attackers try such passwords first.", Severity.WARNING
    # fmt: on


class Finding(Struct, frozen=True):
    """One place where a rule found something. No text in it holds a secret."""

    rule: RuleId
    path: str  # relative to the top of the repository, `/` between
    what: str  # one sentence
    fix: str  # what helps, a command where there is one
    line: int = 1  # 1-based; 1 where the finding is about the whole file
    column: int = 1  # 1-based, in characters
    details: tuple[str, ...] = ()  # further lines: what exactly a file holds
    variable: str = ""  # for the rules whose findings are put together for each file
    entries: tuple[str, ...] = ()  # for `--fix`: the lines to add to the file at `fix_path`
    fix_path: str = ""
    severity: Severity | None = None  # None until the engine has looked it up in the configuration


def sort_key(finding: Finding) -> tuple[str, int, int, str, str]:
    """Return what findings are sorted by: place, then rule."""
    return (finding.path, finding.line, finding.column, finding.rule.value, finding.what)


class Scope(StrEnum):
    """Which content is judged."""

    INDEX = "index"
    TREE = "work tree"
    RANGE = "range"


class SecretValue(Struct, frozen=True):
    """One hidden text of a protected target; `label` says what it is: "password" or a variable's name."""

    label: str
    text: str

    def __repr__(self) -> str:
        return f"Secret({self.label!r})"


class ProtectedTarget(Struct, frozen=True):
    """The texts that must not appear anywhere: the secrets and hosts of one protected target."""

    target: str
    secrets: tuple[SecretValue, ...]
    hosts: tuple[str, ...]


class App(Struct, frozen=True):
    """One application of the repository."""

    project: Project
    folder: str  # its path with a trailing `/`; empty for the top of the repository
    files: Mapping[str, bytes]  # the env files of the checkout without examples, by name relative to the app
    examples: Mapping[str, bytes]  # the example env files likewise
    tracked: frozenset[str]  # names among `files` that git tracks
    unignored: frozenset[str]  # private names that git neither tracks nor ignores
    target_variables: frozenset[str]
    profiles: tuple[ReaderProfile, ...]
    protected_targets: tuple[ProtectedTarget, ...]
    protected: frozenset[str]
    ambient: Mapping[str, str]
    active: Active | None = None  # which target the checkout is on; None if unknown

    @property
    def gitignore(self) -> str:
        """The path of its ignore file."""
        return f"{self.folder}.gitignore"


class CheckInput(Struct, frozen=True):
    """The input of one run."""

    scope: Scope
    content: Mapping[str, bytes]  # what is judged, by path: the staged files, the range's or the work tree's
    apps: tuple[App, ...]
    others: Mapping[str, bytes] = {}  # further files that findings may point into: env files of the checkout
    excluded: tuple[str, ...] = ()
    every_variable: bool = False  # undefined variables that no target sets are findings too
    earlier: tuple[tuple[str, bytes], ...] = ()  # what a commit inside a range had and its last one has not
