"""Which database each reader would use, and which readers disagree. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from dbswitch.check.doctor import doctor_facts as f
from dbswitch.check.doctor.doctor_facts import INFO, OK, PROBLEM, WARNING, DoctorFinding, Facts, ReaderFacts
from dbswitch.database.url import DatabaseUrl

_PRODUCTION_FILES: Final = (".env.production.local", ".env.production")
_ADAPTERS_SINCE: Final = 7


def readers(facts: Facts) -> Iterator[DoctorFinding]:
    """Judge the readers."""
    if facts.readers_trouble is not None:
        yield PROBLEM.failed("env-unreadable", facts.readers_trouble)
        return
    parts = (_unusable, _without_url, _elsewhere, _foreign, _other_packages, _shell, _unnamed, _prisma_url)
    found = [one for part in parts for one in part(facts)]
    yield from found
    base = facts.base
    if base is not None and base.url is not None and all(one.level is INFO for one in found):
        yield OK.found("readers-agree", f"Every reader that has a URL is on {_called(base)}")


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
            where = f"{row.reader} takes {row.variable} from {row.source}"
            fix = "correct the URL, or let `dbswitch TARGET` write a valid one"
            yield PROBLEM.found("url-unusable", row.unusable, where, fix=fix)


def _without_url(facts: Facts) -> Iterator[DoctorFinding]:
    base = facts.base
    if base is not None and base.url is None and not base.unusable:
        yield PROBLEM.found(
            "next-without-url",
            f"Next.js dev gets no {base.variable}",
            "node-postgres then uses 127.0.0.1:5432 without a warning",
            fix=f"dbswitch {facts.targets[0].ref.name}" if facts.targets else "dbswitch init",
        )
    prisma = facts.reader(f.PRISMA_CLI)
    if prisma is not None and prisma.url is None and not prisma.unusable:
        yield INFO.found(
            "prisma-without-url",
            f"The Prisma CLI gets no {prisma.variable} from any file",
            "it only works if the shell, or `dbswitch exec TARGET --`, provides one",
        )


def _elsewhere(facts: Facts) -> Iterator[DoctorFinding]:
    base = facts.base
    if base is None or base.url is None:
        return
    different = (row for row in facts.readers if f.agreement(facts, row) is f.Agreement.DIFFERENT)
    told = {row.reader: row for row in different if not row.unusable}
    if prisma := told.get(f.PRISMA_CLI) or told.get(f.STUDIO):
        names = " and ".join(name for name in (f.PRISMA_CLI, f.STUDIO) if name in told)
        what = f"{names} would use a different database from Next.js dev"
        fix = f"dbswitch {base.targets[0] if base.targets else 'TARGET'}"
        yield PROBLEM.found("prisma-elsewhere", what, _from(base), _from(prisma), fix=fix)
    if running := told.get(f.RUNNING):
        what = f"The {f.RUNNING} is on a different database from the one in the env files"
        yield PROBLEM.found("server-elsewhere", what, _from(base), _from(running), fix="dbswitch restart")
    if start := told.get(f.NEXT_START):
        by_design = start.source in _PRODUCTION_FILES
        what = "`next start` would use a different database from `next dev`"
        why = "a switch never changes production's files" if by_design else ""
        level = INFO if by_design else WARNING
        yield level.found("start-elsewhere", what, _from(base), _from(start), why)


def _foreign(facts: Facts) -> Iterator[DoctorFinding]:
    protected = {target.ref.name for target in facts.targets if target.ref.protected}
    readers: dict[tuple[str, str, str], list[str]] = {}
    for state in facts.states:
        for variable, owner in state.foreign if state.target is not None else ():
            readers.setdefault((variable, owner, str(state.target)), []).append(state.reader)
    for (variable, owner, on), names in readers.items():
        level = PROBLEM if owner in protected else WARNING
        what = f"{variable} has the value of {owner}, but {names[0]} is on {on}"
        yield level.found("variable-elsewhere", what, f"read by {', '.join(names)}", fix=f"dbswitch {on}")


def _other_packages(facts: Facts) -> Iterator[DoctorFinding]:
    for path, variable in facts.package_env_files:
        yield WARNING.found(
            "package-elsewhere",
            f"{path} gives the Prisma CLI of that package its own {variable}, which a switch does not change",
            fix=f"remove the line, and run its Prisma commands through `dbswitch exec`; or make {path} a link to `.env` of this project",
        )


def _shell(facts: Facts) -> Iterator[DoctorFinding]:
    row = facts.reader(f.SHELL)
    base = facts.base
    if row is None or (row.url is None and not row.unusable):
        return
    files = base.shadowed if base is not None else ()
    yield WARNING.found(
        "shell-overrides",
        f"{row.variable} is exported in this shell and overrides every env file",
        f"it leads to {_called(row)}",
        f"overridden in this shell: {', '.join(files)}" if files else "",
        fix=f"unset {row.variable}",
    )


def _unnamed(facts: Facts) -> Iterator[DoctorFinding]:
    base = facts.base
    if base is None or base.url is None or base.targets or not facts.targets:
        return
    unknown = [one.ref.name for one in facts.targets if one.values is None]
    harmless = next((one.ref.name for one in facts.targets if not one.ref.protected), None)
    level = INFO if unknown else WARNING
    yield level.found(
        "database-unnamed",
        "Next.js dev is on a database that no target names",
        _from(base),
        f"not compared: {', '.join(unknown)}" if unknown else "",
        "a switch away from it can be undone only by hand",
        fix=f"dbswitch {harmless}, or make it a target" if harmless else "make it a target",
    )


def _prisma_url(facts: Facts) -> Iterator[DoctorFinding]:
    row = facts.reader(f.PRISMA_CLI)
    if row is not None and row.url is not None and _is_pooled(row.url):
        yield WARNING.found(
            "prisma-pooled",
            "The Prisma CLI would migrate through a connection pooler",
            f"{row.variable}: {row.url}",
            "migrations need a dedicated session, which a pooler does not provide",
            fix="give the Prisma CLI a direct URL (DIRECT_URL)",
        )
    base = facts.base
    number = facts.machine.major("@prisma/client") or 0
    schema = base.url.search_path if base is not None and base.url is not None else None
    if number >= _ADAPTERS_SINCE and schema not in {None, "public"} and not facts.hot_client:
        yield WARNING.found(
            "schema-ignored",
            f"`schema={schema}` in the URL applies to the Prisma CLI but not to the app",
            "a driver adapter ignores it unless the code passes `{ schema }`",
            fix="pass it to the adapter, or run `dbswitch generate client`, whose client does",
        )


def _is_pooled(url: DatabaseUrl) -> bool:
    # How the providers mark their transaction poolers (Supabase, Neon, Prisma).
    return url.port == 6543 or "-pooler." in url.host.lower() or url.parameter("pgbouncer") == "true"
