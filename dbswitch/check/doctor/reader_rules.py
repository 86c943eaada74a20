"""Which database each reader would use, and which readers disagree. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dbswitch.check.doctor.doctor_facts import (
    NEXT_START,
    PRISMA_CLI,
    RUNNING,
    SHELL,
    STUDIO,
    Agreement,
    agreement,
)
from dbswitch.check.doctor.doctor_findings import DoctorFinding, FindingId as Id, Level
from dbswitch.check.doctor.version_rules import major

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dbswitch.check.doctor.doctor_facts import Facts, ReaderFacts
    from dbswitch.database.url import DatabaseUrl

_PRODUCTION_FILES: Final = (".env.production.local", ".env.production")
_ADAPTERS_SINCE: Final = 7


def readers(facts: Facts) -> Iterator[DoctorFinding]:
    """Judge the readers."""
    if facts.readers_trouble is not None:
        trouble = facts.readers_trouble
        yield Id.ENV_UNREADABLE.found(trouble.what, *trouble.facts, fix=trouble.fix)
        return
    parts = (_unusable, _without_url, _elsewhere, _foreign, _shell, _unnamed, _prisma_url)
    found = [one for part in parts for one in part(facts)]
    yield from found
    base = facts.base
    if base is not None and base.url is not None and all(one.level is Level.INFO for one in found):
        yield Id.READERS_AGREE.found(f"Every reader that has a URL is on {_called(base)}")


def _called(row: ReaderFacts) -> str:
    return " = ".join(row.targets) or f"`{row.url}`"


def _from(row: ReaderFacts) -> str:
    where = f" from {row.source}" if row.source else ""
    shadowed = f" (also bound in {', '.join(row.shadowed)})" if row.shadowed else ""
    return f"{row.reader}: {_called(row)}, {row.variable}{where}{shadowed}"


def _unusable(facts: Facts) -> Iterator[DoctorFinding]:
    seen: set[tuple[str, str | None]] = set()
    for row in facts.readers:
        if row.unusable and (row.variable, row.source) not in seen:
            seen.add((row.variable, row.source))
            what = row.unusable
            fix = "correct the URL, or `dbswitch TARGET` writes a good one"
            yield Id.URL_UNUSABLE.found(what, f"{row.reader} takes {row.variable} from {row.source}", fix=fix)


def _without_url(facts: Facts) -> Iterator[DoctorFinding]:
    base = facts.base
    if base is not None and base.url is None and not base.unusable:
        yield Id.NEXT_WITHOUT_URL.found(
            f"Next.js dev gets no {base.variable}",
            "node-postgres then uses 127.0.0.1:5432 without a warning",
            fix=f"dbswitch {facts.targets[0].name}" if facts.targets else "dbswitch init",
        )
    prisma = facts.reader(PRISMA_CLI)
    if prisma is not None and prisma.url is None and not prisma.unusable:
        yield Id.PRISMA_WITHOUT_URL.found(
            f"The Prisma CLI gets no {prisma.variable} from any file",
            "it only works if the shell, or `dbswitch exec TARGET --`, provides one",
        )


def _elsewhere(facts: Facts) -> Iterator[DoctorFinding]:
    base = facts.base
    if base is None or base.url is None:
        return
    different = (row for row in facts.readers if agreement(facts, row) is Agreement.DIFFERENT)
    told = {row.reader: row for row in different if not row.unusable}
    seen = {name: (_from(base), _from(row)) for name, row in told.items()}
    switch = f"dbswitch {base.targets[0]}" if base.targets else "dbswitch TARGET"
    if PRISMA_CLI in told:
        names = "The Prisma CLI and Studio" if STUDIO in told else "The Prisma CLI"
        what = f"{names} would work on another database than Next.js dev"
        yield Id.PRISMA_ELSEWHERE.found(what, *seen[PRISMA_CLI], fix=switch)
    elif STUDIO in told:
        what = "Prisma Studio would show another database than Next.js dev uses"
        yield Id.PRISMA_ELSEWHERE.found(what, *seen[STUDIO], fix=switch)
    if RUNNING in told:
        what = f"The {RUNNING} is on another database than the env files say"
        yield Id.SERVER_ELSEWHERE.found(what, *seen[RUNNING], fix="dbswitch restart")
    if NEXT_START in told:
        by_design = told[NEXT_START].source in _PRODUCTION_FILES
        yield Id.START_ELSEWHERE.found(
            "`next start` would use another database than `next dev`",
            *seen[NEXT_START],
            "a switch never changes production's files" if by_design else "",
            level=Level.INFO if by_design else Level.WARNING,
        )


def _foreign(facts: Facts) -> Iterator[DoctorFinding]:
    protected = {target.name for target in facts.targets if target.protected}
    readers: dict[tuple[str, str, str], list[str]] = {}
    for one in facts.foreign:
        readers.setdefault((one.variable, one.owner, one.on), []).append(one.reader)
    for (variable, owner, on), names in readers.items():
        yield Id.VARIABLE_ELSEWHERE.found(
            f"{variable} has the value of {owner}, but {names[0]} is on {on}",
            f"read by {', '.join(names)}",
            fix=f"dbswitch {on}",
            level=Level.PROBLEM if owner in protected else Level.WARNING,
        )


def _shell(facts: Facts) -> Iterator[DoctorFinding]:
    row = facts.reader(SHELL)
    base = facts.base
    if row is None or (row.url is None and not row.unusable):
        return
    files = base.shadowed if base is not None else ()
    yield Id.SHELL_OVERRIDES.found(
        f"{row.variable} is exported in this shell and overrides every env file",
        f"it is on {_called(row)}",
        f"without effect from here: {', '.join(files)}" if files else "",
        fix=f"unset {row.variable}",
    )


def _unnamed(facts: Facts) -> Iterator[DoctorFinding]:
    base = facts.base
    if base is None or base.url is None or base.targets or not facts.targets:
        return
    unknown = [one.name for one in facts.targets if one.skipped or one.trouble is not None]
    harmless = next((one.name for one in facts.targets if not one.protected), None)
    yield Id.DATABASE_UNNAMED.found(
        "Next.js dev is on a database that no target names",
        _from(base),
        f"not compared: {', '.join(unknown)}" if unknown else "",
        "a switch away from it can be undone only by hand",
        fix=f"dbswitch {harmless}, or make it a target" if harmless else "make it a target",
        level=Level.INFO if unknown else Level.WARNING,
    )


def _prisma_url(facts: Facts) -> Iterator[DoctorFinding]:
    row = facts.reader(PRISMA_CLI)
    if row is not None and row.url is not None and _is_pooled(row.url):
        yield Id.PRISMA_POOLED.found(
            "The Prisma CLI would migrate through a connection pooler",
            f"{row.variable}: {row.url}",
            "migrations need a dedicated session, which a pooler does not provide",
            fix="give the Prisma CLI a direct URL (DIRECT_URL)",
        )
    base = facts.base
    number = major(facts.machine, "@prisma/client") or 0
    schema = base.url.search_path if base is not None and base.url is not None else None
    if number >= _ADAPTERS_SINCE and schema not in {None, "public"} and not facts.hot_client:
        yield Id.SCHEMA_IGNORED.found(
            f"`schema={schema}` in the URL applies to the Prisma CLI but not to the app",
            "a driver adapter ignores it unless the code passes `{ schema }`",
            fix="pass it to the adapter, or run `dbswitch generate client`, whose client does",
        )


def _is_pooled(url: DatabaseUrl) -> bool:
    # How the providers mark their transaction poolers (Supabase, Neon, Prisma).
    return url.port == 6543 or "-pooler." in url.host.lower() or url.parameter("pgbouncer") == "true"
