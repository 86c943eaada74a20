"""Rules and findings as values. Pure. `docs/rules.md` has a paragraph for every rule."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct


class Severity(StrEnum):
    """`error` fails the check, `warning` does with `--strict`, `info` never does, `off` is not looked for."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"
    OFF = "off"


class RuleId(StrEnum):
    """The stable ids, used in comments and configuration."""

    ENV_FILE_TRACKED = "env-file-tracked"
    PROTECTED_SECRET = "protected-secret"  # noqa: S105  the name of a rule
    PROTECTED_HOST = "protected-host"
    URL_WITH_PASSWORD = "url-with-password"  # noqa: S105  the name of a rule
    PUBLIC_SECRET = "public-secret"  # noqa: S105  the name of a rule
    ACTIVE_PROTECTED = "active-protected"
    NOT_IGNORED = "not-ignored"
    MALFORMED_LINE = "malformed-line"
    DUPLICATE_BINDING = "duplicate-binding"
    READERS_DISAGREE = "readers-disagree"
    SHADOWED_VARIABLE = "shadowed-variable"
    UNDEFINED_VARIABLE = "undefined-variable"
    EXAMPLE_OUT_OF_STEP = "example-out-of-step"
    UNUSABLE_URL = "unusable-url"
    SPLIT_DATABASES = "split-databases"
    PLACEHOLDER_PASSWORD = "placeholder-password"  # noqa: S105  the name of a rule


class Rule(Struct, frozen=True):
    """What is the same for all findings of a rule."""

    id: RuleId
    severity: Severity
    title: str
    why: str


_ALL = (
    Rule(
        RuleId.ENV_FILE_TRACKED,
        Severity.ERROR,
        "An env file with secrets is tracked or staged",
        "Anyone who can read the repository can use the secret, and it stays in the history.",
    ),
    Rule(
        RuleId.PROTECTED_SECRET,
        Severity.ERROR,
        "A secret of a protected target is in the content",
        "Anyone who can read the repository can write to the protected database.",
    ),
    Rule(
        RuleId.PROTECTED_HOST,
        Severity.ERROR,
        "The host of a protected target is in the content",
        "Code that names the protected database connects to it whichever target is active.",
    ),
    Rule(
        RuleId.URL_WITH_PASSWORD,
        Severity.ERROR,
        "A Postgres URL with a password is in the source",
        "The password stays in the history, and the code connects to this database whichever target is active.",
    ),
    Rule(
        RuleId.PUBLIC_SECRET,
        Severity.ERROR,
        "A variable that Next.js sends to every browser holds a secret",
        "`next build` writes the value of every NEXT_PUBLIC_ variable that code reads into the files for browsers.",
    ),
    Rule(
        RuleId.ACTIVE_PROTECTED,
        Severity.WARNING,
        "The active target is protected",
        "Tests, seeds and migrations that run now change the protected database.",
    ),
    Rule(
        RuleId.NOT_IGNORED,
        Severity.ERROR,
        "A private file is not ignored by git",
        "The next `git add .` would commit it.",
    ),
    Rule(
        RuleId.MALFORMED_LINE,
        Severity.ERROR,
        "A line of an env file is not a KEY=value line",
        "Readers ignore it or misread it.",
    ),
    Rule(
        RuleId.DUPLICATE_BINDING,
        Severity.WARNING,
        "A variable is bound twice in one file",
        "Editing the one that is not used has no effect.",
    ),
    Rule(
        RuleId.READERS_DISAGREE,
        Severity.WARNING,
        "Readers get different values from the same line",
        "Next.js, the Prisma CLI and the shell would not use the same value.",
    ),
    Rule(
        RuleId.SHADOWED_VARIABLE,
        Severity.WARNING,
        "A variable is shadowed with a different value",
        "The value in this file is not the one that is used.",
    ),
    Rule(
        RuleId.UNDEFINED_VARIABLE,
        Severity.WARNING,
        "A variable is needed and no file defines it",
        "An undefined database URL silently means 127.0.0.1:5432; anything else fails when it is first used.",
    ),
    Rule(
        RuleId.EXAMPLE_OUT_OF_STEP,
        Severity.WARNING,
        "The example env file lacks a variable",
        "An app that is set up from it fails.",
    ),
    Rule(
        RuleId.UNUSABLE_URL,
        Severity.ERROR,
        "A database URL cannot be used",
        "Prisma or libpq would refuse it, or they would read it differently.",
    ),
    Rule(
        RuleId.SPLIT_DATABASES,
        Severity.ERROR,
        "The Prisma CLI and Next.js are on different databases",
        "A migration would change one database while the app uses the other.",
    ),
    Rule(
        RuleId.PLACEHOLDER_PASSWORD,
        Severity.WARNING,
        "A database that is not local has a placeholder password",
        "Attackers try such passwords first.",
    ),
)
RULES = {rule.id: rule for rule in _ALL}


class Finding(Struct, frozen=True):
    """One place where a rule found something. No text in it holds a secret.

    Attributes:
        path: relative to the top of the repository, `/` between.
        what: one sentence.
        fix: what helps, a command where there is one.
        line: 1-based; 1 where the finding is about the whole file.
        column: 1-based, in characters.
        details: further lines: what exactly a file holds.
        variable: the variable it is about, for the rules whose findings are put together for each file.
        entries: for `--fix`: the lines to add to the file at `fix_path`; none where there is no safe fix.
        severity: None until the engine has looked it up in the configuration.
    """

    rule: RuleId
    path: str
    what: str
    fix: str
    line: int = 1
    column: int = 1
    details: tuple[str, ...] = ()
    variable: str = ""
    entries: tuple[str, ...] = ()
    fix_path: str = ""
    severity: Severity | None = None


def sort_key(finding: Finding) -> tuple[str, int, int, str, str]:
    """Return what findings are sorted by: place, then rule."""
    return (finding.path, finding.line, finding.column, finding.rule.value, finding.what)
