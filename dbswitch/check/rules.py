"""Rules and findings as values. Pure. `docs/rules.md` has a paragraph for every rule."""

from __future__ import annotations

from enum import StrEnum
from typing import Self

from msgspec import Struct


class Severity(StrEnum):
    """`error` fails the check, `warning` does with `--strict`, `info` never does, `off` is not looked for."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"
    OFF = "off"


class RuleId(StrEnum):
    """The stable ids, used in comments and configuration; each with its usual severity, a summary and the reason."""

    severity: Severity
    summary: str
    why: str

    def __new__(cls, value: str, summary: str, why: str, severity: Severity = Severity.ERROR) -> Self:
        """Make a member of id, summary, reason and severity."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.severity, member.summary, member.why = severity, summary, why
        return member

    ENV_FILE_TRACKED = (
        "env-file-tracked",
        "An env file with secrets is tracked or staged",
        "Anyone who can read the repository can use the secret, and it stays in the history.",
    )
    PROTECTED_SECRET = (
        "protected-secret",
        "A secret of a protected target is in the content",
        "Anyone who can read the repository can write to the protected database.",
    )
    PROTECTED_HOST = (
        "protected-host",
        "The host of a protected target is in the content",
        "Code that names the protected database connects to it whichever target is active.",
    )
    URL_WITH_PASSWORD = (
        "url-with-password",
        "A Postgres URL with a password is in the source",
        "The password stays in the history, and the code connects to this database whichever target is active.",
    )
    PUBLIC_SECRET = (
        "public-secret",
        "A variable that Next.js sends to every browser holds a secret",
        "`next build` writes the value of every NEXT_PUBLIC_ variable that code reads into the files for browsers.",
    )
    ACTIVE_PROTECTED = (
        "active-protected",
        "The active target is protected",
        "Tests, seeds and migrations that run now change the protected database.",
        Severity.WARNING,
    )
    NOT_IGNORED = (
        "not-ignored",
        "A private file is not ignored by git",
        "The next `git add .` would commit it.",
    )
    MALFORMED_LINE = (
        "malformed-line",
        "A line of an env file is not a KEY=value line",
        "Readers ignore it or misread it.",
    )
    DUPLICATE_BINDING = (
        "duplicate-binding",
        "A variable is bound twice in one file",
        "Editing the one that is not used has no effect.",
        Severity.WARNING,
    )
    READERS_DISAGREE = (
        "readers-disagree",
        "Readers get different values from the same line",
        "Next.js, the Prisma CLI and the shell would not use the same value.",
        Severity.WARNING,
    )
    SHADOWED_VARIABLE = (
        "shadowed-variable",
        "A variable is shadowed with a different value",
        "The value in this file is not the one that is used.",
        Severity.WARNING,
    )
    UNDEFINED_VARIABLE = (
        "undefined-variable",
        "A variable is needed and no file defines it",
        "An undefined database URL silently means 127.0.0.1:5432; anything else fails when it is first used.",
        Severity.WARNING,
    )
    EXAMPLE_OUT_OF_STEP = (
        "example-out-of-step",
        "The example env file lacks a variable",
        "An app that is set up from it fails.",
        Severity.WARNING,
    )
    UNUSABLE_URL = (
        "unusable-url",
        "A database URL cannot be used",
        "Prisma or libpq would refuse it, or they would read it differently.",
    )
    SPLIT_DATABASES = (
        "split-databases",
        "The Prisma CLI and Next.js are on different databases",
        "A migration would change one database while the app uses the other.",
    )
    PLACEHOLDER_PASSWORD = (
        "placeholder-password",
        "A database that is not local has a placeholder password",
        "Attackers try such passwords first.",
        Severity.WARNING,
    )


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
