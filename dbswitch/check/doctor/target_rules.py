"""Rules over the targets: reachability, name, TLS and migrations. Pure."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Final

from dbswitch.check.doctor.database_comparison import Distance, distance, identity, same_database
from dbswitch.check.doctor.doctor_facts import Answer, Trouble
from dbswitch.check.doctor.doctor_findings import Finding, FindingId, Level
from dbswitch.database.tls import Encryption, advice, libpq_view, node_view
from dbswitch.project.names import canonical

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dbswitch.check.doctor.doctor_facts import Facts, TargetFacts

_ID = FindingId
_SLOW: Final = 1000.0  # milliseconds for login and one query
_PACKAGE_RUNNERS: Final = {"npm": "npx", "pnpm": "pnpm exec", "yarn": "yarn", "bun": "bunx"}


def targets(facts: Facts) -> Iterator[Finding]:
    """Judge the targets and what they lead to."""
    if facts.targets_trouble is not None:
        trouble = facts.targets_trouble
        yield Finding(_ID.TARGETS_UNREADABLE, Level.PROBLEM, trouble.what, trouble.facts, trouble.fix)
        return
    if not facts.targets:
        yield Finding(
            _ID.TARGETS_NONE,
            Level.WARNING,
            "This project has no targets yet",
            (),
            "dbswitch init, or add DATABASE_URL_LOCAL and DATABASE_URL_PROD to .env.local",
        )
        return
    found = [
        *(one for target in facts.targets for one in _one(facts, target)),
        *_unknown_databases(facts),
        *_names(facts),
        *_server_versions(facts),
    ]
    yield from found
    count = sum(target.url is not None for target in facts.targets)
    if count and not {_ID.TARGET_UNREACHABLE, _ID.TARGET_BROKEN} & {one.id for one in found}:
        yield Finding(
            _ID.TARGETS_ANSWER,
            Level.OK,
            "Every target answers" if count > 1 else f"The target {facts.targets[0].name} answers",
        )


def _one(facts: Facts, target: TargetFacts) -> Iterator[Finding]:
    if target.skipped:
        yield Finding(
            _ID.TARGET_SKIPPED,
            Level.INFO,
            f"{target.name} was not checked: its command was not run",
            (target.source,),
            "dbswitch doctor --run-commands",
        )
    elif target.trouble is not None:
        trouble = target.trouble
        yield Finding(
            _ID.TARGET_BROKEN,
            Level.PROBLEM,
            f"The target {target.name} cannot be used: {trouble.what.rstrip('.')}",
            trouble.facts,
            trouble.fix,
        )
    else:
        yield from _reachable(facts, target)
        yield from _is_what_it_says(target)
        yield from _tls(target)
        for text in target.notes:
            yield Finding(_ID.URL_NOTE, Level.INFO, f"{target.name}: {text.rstrip('.')}")


def _reachable(facts: Facts, target: TargetFacts) -> Iterator[Finding]:
    active = target.name in facts.active
    for number, (variable, url) in enumerate(target.urls):
        answer = facts.answers.get(url)
        name = target.name if number == 0 else f"{variable} of {target.name}"
        match answer:
            case Trouble():
                fix = f"start it: {target.start}" if target.start else answer.fix
                yield Finding(
                    _ID.TARGET_UNREACHABLE,
                    Level.PROBLEM if active else Level.WARNING,
                    f"{name} does not answer: {answer.what}",
                    answer.facts,
                    fix or f"dbswitch wait {target.name}",
                )
            case Answer():
                # One of its notices speaks of TLS, which has findings of its own.
                if answer.identity.in_recovery or answer.identity.read_only:
                    yield Finding(
                        _ID.TARGET_READ_ONLY,
                        Level.WARNING,
                        f"{name} can be read but not written",
                        tuple(
                            text for text in answer.notices if "TLS" not in text and "encrypted" not in text
                        ),
                    )
                if answer.milliseconds > _SLOW:
                    yield Finding(
                        _ID.TARGET_SLOW,
                        Level.INFO,
                        f"{name} took {answer.milliseconds / 1000:.1f} s for a login and one query",
                        ("a serverless database takes that long to wake",),
                    )
            case None:
                pass
    if len(target.urls) > 1:
        yield from _ways(facts, target)


def _ways(facts: Facts, target: TargetFacts) -> Iterator[Finding]:
    variable, first = target.urls[0]
    for other, url in target.urls[1:]:
        one, two = identity(facts, first), identity(facts, url)
        # The database behind a pooler answers with its own identity. Unknown does not count as different.
        if one is not None and two is not None and not one.same_as(two):
            yield Finding(
                _ID.DIRECT_ELSEWHERE,
                Level.PROBLEM,
                f"{other} of {target.name} leads to another database than its {variable}",
                (f"{variable}: {first}", f"{other}: {url}"),
                f"correct them in {target.source}",
            )


def _is_what_it_says(target: TargetFacts) -> Iterator[Finding]:
    url = target.url
    if url is None:
        return
    where = distance(url)
    if canonical(target.name) == "local":
        if where is Distance.FAR:
            yield Finding(
                _ID.LOCAL_ELSEWHERE,
                Level.WARNING,
                f"{target.name} is not local: it is on {url.host}",
                (str(url), f"from {target.source}"),
                "give it another name, or correct its URL",
            )
        elif where is Distance.NEAR:
            yield Finding(
                _ID.LOCAL_ELSEWHERE,
                Level.INFO,
                f"{target.name} is on {url.host}: {where.value}, not this machine",
                (str(url),),
            )
        elif target.tunnel is not None:
            yield Finding(
                _ID.LOCAL_TUNNEL,
                Level.WARNING,
                f"{target.name} is not local: a tunnel listens at its port",
                (target.tunnel,),
                "close the tunnel, or give the local database another port",
            )
    elif target.protected and where is Distance.HERE and target.tunnel is None:
        yield Finding(
            _ID.PROTECTED_HERE,
            Level.INFO,
            f"{target.name} is protected and on this machine",
            (str(url),),
        )


def _tls(target: TargetFacts) -> Iterator[Finding]:
    url = target.url
    if url is None:
        return
    # A container on the same host usually has no TLS, and the app does not need it.
    unasked = distance(url) is Distance.NEAR and node_view(url).encryption is Encryption.NEVER
    level = Level.INFO if unasked else Level.WARNING
    for text in advice(url):
        yield Finding(_ID.TLS_DIFFERS, level, f"{target.name}: {text.rstrip('.')}", (str(url),))
    if libpq_view(url).encryption is Encryption.NEVER and distance(url) is Distance.FAR:
        yield Finding(
            _ID.TLS_OFF,
            Level.WARNING,
            f"{target.name} is reached without encryption: passwords and data can be intercepted",
            (str(url),),
            "sslmode=verify-full, or sslmode=require&uselibpqcompat=true",
        )


def _unknown_databases(facts: Facts) -> Iterator[Finding]:
    """Report databases that readers would use and no target names."""
    named = {url for target in facts.targets for _, url in target.urls}
    seen = set(named)
    for row in facts.readers:
        if row.url is None or row.url in seen:
            continue
        seen.add(row.url)
        answer = facts.answers.get(row.url)
        if isinstance(answer, Trouble):
            yield Finding(
                _ID.TARGET_UNREACHABLE,
                Level.PROBLEM if row == facts.base else Level.WARNING,
                f"The database of {row.reader} does not answer: {answer.what}",
                answer.facts,
                answer.fix,
            )


def _names(facts: Facts) -> Iterator[Finding]:
    known = [target for target in facts.targets if target.url is not None]
    for one, other in combinations(known, 2):
        assert one.url is not None
        assert other.url is not None
        if not same_database(facts, one.url, other.url):
            continue
        proven = identity(facts, one.url) is not None and identity(facts, other.url) is not None
        evades = one.protected is not other.protected
        unguarded = other if one.protected else one
        yield Finding(
            _ID.SAME_DATABASE,
            Level.PROBLEM if evades else Level.WARNING,
            f"{one.name} and {other.name} are two names for one database",
            (
                f"{one.name}: {one.url}",
                f"{other.name}: {other.url}",
                "the same server and database answered"
                if proven
                else "judged by host, port and database name",
                *((f"`dbswitch {unguarded.name}` reaches it without a confirmation",) if evades else ()),
            ),
            f"correct or remove one of them ({one.source}; {other.source})",
        )


def _server_versions(facts: Facts) -> Iterator[Finding]:
    found: dict[str, list[str]] = {}
    for target in facts.targets:
        who = identity(facts, target.url) if target.url is not None else None
        if who is not None:
            found.setdefault(who.server_version.partition(".")[0], []).append(target.name)
    if len(found) > 1:
        yield Finding(
            _ID.SERVER_VERSIONS,
            Level.INFO,
            "The targets' servers are of different major versions",
            tuple(f"PostgreSQL {number}: {', '.join(names)}" for number, names in sorted(found.items())),
        )


def migrations(facts: Facts) -> Iterator[Finding]:
    """Judge the migrations of every target that was compared."""
    compared = [target for target in facts.targets if target.migrations is not None]
    found = [one for target in compared for one in _migrations(facts, target)]
    yield from found
    if compared and not found:
        yield Finding(
            _ID.MIGRATIONS_IN_STEP, Level.OK, f"Migrations are in step: {', '.join(t.name for t in compared)}"
        )


def _migrations(facts: Facts, target: TargetFacts) -> Iterator[Finding]:
    state = target.migrations
    if isinstance(state, Trouble):
        yield Finding(
            _ID.MIGRATIONS_UNREAD,
            Level.WARNING,
            f"The migrations of {target.name} could not be compared: {state.what.rstrip('.')}",
            state.facts,
            state.fix,
        )
        return
    assert state is not None
    prisma = f"{_PACKAGE_RUNNERS.get(facts.machine.manager, 'npx')} prisma"
    run = prisma if target.name in facts.active else f"dbswitch exec {target.name} -- {prisma}"
    # An unused database may be behind; if the active one is, the app fails.
    level = Level.WARNING if target.name in facts.active else Level.INFO
    if state.failed:
        yield Finding(
            _ID.MIGRATIONS_FAILED,
            Level.PROBLEM,
            f"{target.name} has a failed migration: Prisma applies no further migrations until it is resolved",
            state.failed,
            f"{run} migrate resolve --rolled-back {state.failed[0]} (or --applied)",
        )
    if state.edited:
        yield Finding(
            _ID.MIGRATIONS_EDITED,
            Level.WARNING,
            f"Migrations were edited after {target.name} had applied them: `migrate dev` will ask to reset a database",
            state.edited,
            "restore the files as they were applied, and put the change into a new migration",
        )
    if state.pending:
        never = () if state.has_table else ("Prisma Migrate was never used on this database",)
        yield Finding(
            _ID.MIGRATIONS_PENDING,
            level,
            f"{target.name} lacks {_count(state.pending)}",
            (*never, *_some(state.pending)),
            f"{run} migrate {'deploy' if target.protected else 'dev'}",
        )
    if state.missing:
        yield Finding(
            _ID.MIGRATIONS_MISSING,
            level,
            f"{target.name} has applied {_count(state.missing)} that this checkout does not have",
            _some(state.missing),
            "git pull, or change to the branch that has them",
        )


def _count(names: tuple[str, ...]) -> str:
    return f"{len(names)} migration{'s' if len(names) > 1 else ''}"


def _some(names: tuple[str, ...]) -> tuple[str, ...]:
    return names if len(names) <= 5 else (*names[:4], f"and {len(names) - 4} more")
