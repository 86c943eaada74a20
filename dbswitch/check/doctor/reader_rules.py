"""Which database each reader would use, and which readers disagree. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dbswitch.check.doctor.database_comparison import Agreement, agreement
from dbswitch.check.doctor.doctor_facts import NEXT_START, PRISMA_CLI, RUNNING, SHELL, STUDIO
from dbswitch.check.doctor.doctor_findings import Finding, FindingId, Level
from dbswitch.check.doctor.version_rules import major

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dbswitch.check.doctor.doctor_facts import Facts, ReaderFacts
    from dbswitch.database.url import DatabaseUrl

_ID = FindingId
_AMBIENT: Final = "process environment"
_PRODUCTION_FILES: Final = (".env.production.local", ".env.production")
_ADAPTERS_SINCE: Final = 7


def readers(facts: Facts) -> Iterator[Finding]:
    """Judge the readers."""
    if facts.readers_trouble is not None:
        trouble = facts.readers_trouble
        yield Finding(_ID.ENV_UNREADABLE, Level.PROBLEM, trouble.what, trouble.facts, trouble.fix)
        return
    found = [
        *_unusable(facts),
        *_without_url(facts),
        *_elsewhere(facts),
        *_foreign(facts),
        *_shell(facts),
        *_unnamed(facts),
        *_prisma_url(facts),
    ]
    yield from found
    if (
        facts.base is not None
        and facts.base.url is not None
        and all(one.level is Level.INFO for one in found)
    ):
        yield Finding(_ID.READERS_AGREE, Level.OK, f"Every reader that has a URL is on {_called(facts.base)}")


def _called(row: ReaderFacts) -> str:
    return " = ".join(row.targets) or f"`{row.url}`"


def _from(row: ReaderFacts) -> str:
    where = f" from {row.source}" if row.source else ""
    shadowed = f" (also bound in {', '.join(row.shadowed)})" if row.shadowed else ""
    return f"{row.reader}: {_called(row)}, {row.variable}{where}{shadowed}"


def _unusable(facts: Facts) -> Iterator[Finding]:
    seen: set[tuple[str, str | None]] = set()
    for row in facts.readers:
        if row.unusable and (row.variable, row.source) not in seen:
            seen.add((row.variable, row.source))
            yield Finding(
                _ID.URL_UNUSABLE,
                Level.PROBLEM,
                row.unusable.rstrip("."),
                (f"{row.reader} takes {row.variable} from {row.source}",),
                "correct the URL, or `dbswitch TARGET` writes a good one",
            )


def _without_url(facts: Facts) -> Iterator[Finding]:
    base = facts.base
    if base is not None and base.url is None and not base.unusable:
        yield Finding(
            _ID.NEXT_WITHOUT_URL,
            Level.PROBLEM,
            f"Next.js dev gets no {base.variable}",
            ("node-postgres then uses 127.0.0.1:5432 without a warning",),
            f"dbswitch {facts.targets[0].name}" if facts.targets else "dbswitch init",
        )
    prisma = facts.reader(PRISMA_CLI)
    if prisma is not None and prisma.url is None and not prisma.unusable:
        yield Finding(
            _ID.PRISMA_WITHOUT_URL,
            Level.INFO,
            f"The Prisma CLI gets no {prisma.variable} from any file",
            ("it only works if the shell, or `dbswitch exec TARGET --`, provides one",),
        )


def _elsewhere(facts: Facts) -> Iterator[Finding]:
    base = facts.base
    if base is None or base.url is None:
        return
    told = {row.reader for row in facts.readers if agreement(facts, row) is Agreement.DIFFERENT}
    for name, found in ((PRISMA_CLI, _ID.PRISMA_ELSEWHERE), (RUNNING, _ID.SERVER_ELSEWHERE)):
        row = facts.reader(name)
        if name in told and row is not None and not row.unusable:
            running = name == RUNNING
            yield Finding(
                found,
                Level.PROBLEM,
                f"The {name} is on another database than the env files say"
                if running
                else f"{_prisma_names(told)} would work on another database than Next.js dev",
                (_from(base), _from(row)),
                "dbswitch restart"
                if running
                else (f"dbswitch {base.targets[0]}" if base.targets else "dbswitch TARGET"),
            )
    row = facts.reader(STUDIO)
    if STUDIO in told and PRISMA_CLI not in told and row is not None and not row.unusable:
        yield Finding(
            _ID.PRISMA_ELSEWHERE,
            Level.PROBLEM,
            "Prisma Studio would show another database than Next.js dev uses",
            (_from(base), _from(row)),
            f"dbswitch {base.targets[0]}" if base.targets else "dbswitch TARGET",
        )
    row = facts.reader(NEXT_START)
    if NEXT_START in told and row is not None and not row.unusable:
        by_design = row.source in _PRODUCTION_FILES
        yield Finding(
            _ID.START_ELSEWHERE,
            Level.INFO if by_design else Level.WARNING,
            "`next start` would use another database than `next dev`",
            (
                _from(base),
                _from(row),
                *(("a switch never changes production's files",) if by_design else ()),
            ),
        )


def _foreign(facts: Facts) -> Iterator[Finding]:
    protected = {target.name for target in facts.targets if target.protected}
    readers: dict[tuple[str, str, str], list[str]] = {}
    for one in facts.foreign:
        readers.setdefault((one.variable, one.owner, one.on), []).append(one.reader)
    for (variable, owner, on), names in readers.items():
        yield Finding(
            _ID.VARIABLE_ELSEWHERE,
            Level.PROBLEM if owner in protected else Level.WARNING,
            f"{variable} has the value of {owner}, but {names[0]} is on {on}",
            (f"read by {', '.join(names)}",),
            f"dbswitch {on}",
        )


def _prisma_names(told: set[str]) -> str:
    return "The Prisma CLI and Studio" if STUDIO in told else "The Prisma CLI"


def _shell(facts: Facts) -> Iterator[Finding]:
    row = facts.reader(SHELL)
    base = facts.base
    if row is None or (row.url is None and not row.unusable):
        return
    files = base.shadowed if base is not None else ()
    yield Finding(
        _ID.SHELL_OVERRIDES,
        Level.WARNING,
        f"{row.variable} is exported in this shell and overrides every env file",
        (f"it is on {_called(row)}", *((f"without effect from here: {', '.join(files)}",) if files else ())),
        f"unset {row.variable}",
    )


def _unnamed(facts: Facts) -> Iterator[Finding]:
    base = facts.base
    if base is None or base.url is None or base.targets or not facts.targets:
        return
    unknown = [one.name for one in facts.targets if one.skipped or one.trouble is not None]
    harmless = next((one.name for one in facts.targets if not one.protected), None)
    yield Finding(
        _ID.DATABASE_UNNAMED,
        Level.INFO if unknown else Level.WARNING,
        "Next.js dev is on a database that no target names",
        (
            _from(base),
            *((f"not compared: {', '.join(unknown)}",) if unknown else ()),
            "a switch away from it can be undone only by hand",
        ),
        f"dbswitch {harmless}, or make it a target" if harmless else "make it a target",
    )


def _prisma_url(facts: Facts) -> Iterator[Finding]:
    row = facts.reader(PRISMA_CLI)
    if row is not None and row.url is not None and is_pooled(row.url):
        yield Finding(
            _ID.PRISMA_POOLED,
            Level.WARNING,
            "The Prisma CLI would migrate through a connection pooler",
            (
                f"{row.variable}: {row.url}",
                "migrations need a dedicated session, which a pooler does not provide",
            ),
            "give the Prisma CLI a direct URL (DIRECT_URL)",
        )
    base = facts.base
    number = major(facts.machine, "@prisma/client") or 0
    schema = base.url.search_path if base is not None and base.url is not None else None
    if number >= _ADAPTERS_SINCE and schema not in {None, "public"} and not facts.hot_client:
        yield Finding(
            _ID.SCHEMA_IGNORED,
            Level.WARNING,
            f"`schema={schema}` in the URL applies to the Prisma CLI but not to the app",
            ("a driver adapter ignores it unless the code passes `{ schema }`",),
            "pass it to the adapter, or run `dbswitch generate client`, whose client does",
        )


def is_pooled(url: DatabaseUrl) -> bool:
    """Say whether a URL leads to a transaction pooler, by how the providers mark theirs (Neon, Supabase, Prisma)."""
    return url.port == 6543 or "-pooler." in url.host.lower() or url.parameter("pgbouncer") == "true"
