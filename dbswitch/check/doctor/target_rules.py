"""Rules over the targets: reachability, name, TLS and migrations. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from itertools import combinations
from typing import Final

from dbswitch.check.doctor import doctor_facts as f
from dbswitch.check.doctor.doctor_facts import INFO, OK, PROBLEM, WARNING, DoctorFinding
from dbswitch.database.migrations import count
from dbswitch.database.tls import PLAIN, advice, libpq_view, node_view
from dbswitch.database.url import DatabaseUrl
from dbswitch.errors import DbswitchError
from dbswitch.project.environment_mark import contradicts
from dbswitch.project.target_names import canonical
from dbswitch.server.command_lines import masked_text

_SLOW: Final = 1.0  # seconds for login and one query
_PACKAGE_RUNNERS: Final = {"npm": "npx", "pnpm": "pnpm exec", "yarn": "yarn", "bun": "bunx"}


def targets(facts: f.Facts) -> Iterator[DoctorFinding]:
    """Judge the targets and what they lead to."""
    if facts.targets_trouble is not None:
        yield PROBLEM.failed("targets-unreadable", facts.targets_trouble)
        return
    if not facts.targets:
        what = "This project has no targets yet"
        fix = f"dbswitch init, or add to .env.local: {facts.project.target_example}"
        yield WARNING.found("targets-none", what, fix=fix)
        return
    found = [
        *(one for target in facts.targets for one in _one(facts, target)),
        *_unknown_databases(facts),
        *_names(facts),
        *_server_versions(facts),
    ]
    yield from found
    count = sum(target.url is not None for target in facts.targets)
    if count and not {"target-unreachable", "target-broken"} & {one.id for one in found}:
        one = f"The target {facts.targets[0].ref.name} answers"
        yield OK.found("targets-answer", "Every target answers" if count > 1 else one)


def _one(facts: f.Facts, target: f.TargetFacts) -> Iterator[DoctorFinding]:
    name, url = target.ref.name, target.url
    if target.trouble is not None:
        yield PROBLEM.failed("target-broken", target.trouble, f"The target {name} cannot be used: ")
    elif url is None:
        what = f"{name} was not checked: its command was not run"
        yield INFO.found("target-skipped", what, target.ref.source, fix="dbswitch doctor --run-commands")
    else:
        yield from _reachable(facts, target)
        yield from _is_what_it_says(target, url)
        yield from _tls(name, url)
        for text in url.warnings():
            if text not in advice(url):
                yield INFO.found("url-note", f"{name}: {text}")


def _reachable(facts: f.Facts, target: f.TargetFacts) -> Iterator[DoctorFinding]:
    level = PROBLEM if target.ref.name in facts.active else WARNING
    for number, (variable, url) in enumerate(target.urls):
        answer = facts.answers.get(url)
        name = target.ref.name if number == 0 else f"{variable} of {target.ref.name}"
        if isinstance(answer, DbswitchError):
            start = masked_text(shlex.join(target.ref.settings.start))
            fix = (f"start it: {start}" if start else "") or answer.fix or f"dbswitch wait {target.ref.name}"
            yield level.failed("target-unreachable", answer, f"{name} does not answer: ", fix)
        elif answer is not None:
            said = answer.identity.environment
            if contradicts(said, target.ref.name, target.ref.aliases):
                what = f"the database of {name} is marked as {said}"
                fix = f"correct its URL in {target.ref.source}; if it is a copy, `dbswitch mark {target.ref.name}`"
                seen = f"dbswitch.environment = '{said}' at {url}"
                yield PROBLEM.found("marker-contradicts", what, seen, fix=fix)
            if answer.identity.in_recovery or answer.identity.read_only:
                # One of its notices speaks of TLS, which has findings of its own.
                notices = (text for text in answer.notices if "TLS" not in text and "encrypted" not in text)
                yield WARNING.found("target-read-only", f"{name} can be read but not written", *notices)
            if answer.latency > _SLOW:
                what = f"{name} took {answer.latency:.1f} s for a login and one query"
                yield INFO.found("target-slow", what, "a serverless database takes that long to wake")
    for other, url in target.urls[1:]:
        variable, first = target.urls[0]
        one, two = facts.identity(first), facts.identity(url)
        # The database behind a pooler answers with its own identity. Unknown does not count as different.
        if one is not None and two is not None and not one.same_as(two):
            what = f"{other} of {target.ref.name} leads to a different database from its {variable}"
            fix = f"correct them in {target.ref.source}"
            yield PROBLEM.found("direct-elsewhere", what, f"{variable}: {first}", f"{other}: {url}", fix=fix)


def _is_what_it_says(target: f.TargetFacts, url: DatabaseUrl) -> Iterator[DoctorFinding]:
    where = f.distance(url)
    if canonical(target.ref.name) == "local":
        if where is f.Distance.FAR:
            what = f"{target.ref.name} is not local: it is on {url.host}"
            fix = "give it another name, or correct its URL"
            yield WARNING.found("local-elsewhere", what, str(url), f"from {target.ref.source}", fix=fix)
        elif where is f.Distance.NEAR:
            what = f"{target.ref.name} is on {url.host}: {where.value}, not this machine"
            yield INFO.found("local-elsewhere", what, str(url))
        elif target.tunnel is not None:
            what = f"{target.ref.name} is not local: a tunnel listens at its port"
            fix = "close the tunnel, or give the local database another port"
            yield WARNING.found("local-tunnel", what, target.tunnel, fix=fix)
    elif target.ref.protected and where is f.Distance.HERE and target.tunnel is None:
        what = f"{target.ref.name} is protected although its database is on this machine"
        yield INFO.found("protected-here", what, str(url))


def _tls(name: str, url: DatabaseUrl) -> Iterator[DoctorFinding]:
    # A container on the same host usually has no TLS, and the app does not need it.
    unasked = f.distance(url) is f.Distance.NEAR and node_view(url) is PLAIN
    level = INFO if unasked else WARNING
    for text in advice(url):
        yield level.found("tls-differs", f"{name}: {text}", str(url))
    if libpq_view(url) is PLAIN and f.distance(url) is f.Distance.FAR:
        what = f"{name} is reached without encryption: passwords and data can be intercepted"
        fix = "sslmode=verify-full, or sslmode=require&uselibpqcompat=true"
        yield WARNING.found("tls-off", what, str(url), fix=fix)


def _unknown_databases(facts: f.Facts) -> Iterator[DoctorFinding]:
    """Report databases that readers would use and no target names."""
    named = {url for target in facts.targets for _, url in target.urls}
    unnamed: dict[DatabaseUrl, f.ReaderFacts] = {}
    for row in facts.readers:
        if row.url is not None and row.url not in named:
            unnamed.setdefault(row.url, row)
    for url, row in unnamed.items():
        answer = facts.answers.get(url)
        if isinstance(answer, DbswitchError):
            level = PROBLEM if row == facts.base else WARNING
            before = f"The database of {row.reader} does not answer: "
            yield level.failed("target-unreachable", answer, before)


def _names(facts: f.Facts) -> Iterator[DoctorFinding]:
    for one, other in combinations(facts.targets, 2):
        if one.url is None or other.url is None or not f.same_database(facts, one.url, other.url):
            continue
        proven = facts.identity(one.url) is not None and facts.identity(other.url) is not None
        evades = one.ref.protected is not other.ref.protected
        unguarded = other if one.ref.protected else one
        level = PROBLEM if evades else WARNING
        yield level.found(
            "same-database",
            f"{one.ref.name} and {other.ref.name} are two names for one database",
            f"{one.ref.name}: {one.url}",
            f"{other.ref.name}: {other.url}",
            "the same server and database answered" if proven else "judged by host, port and database name",
            f"`dbswitch {unguarded.ref.name}` reaches it without a confirmation" if evades else "",
            fix=f"correct or remove one of them ({one.ref.source}; {other.ref.source})",
        )


def _server_versions(facts: f.Facts) -> Iterator[DoctorFinding]:
    found: dict[str, list[str]] = {}
    for target in facts.targets:
        if (who := facts.identity(target.url)) is not None:
            found.setdefault(who.server_version.partition(".")[0], []).append(target.ref.name)
    if len(found) > 1:
        yield INFO.found(
            "server-versions",
            "The targets' servers have different major versions",
            *(f"PostgreSQL {number}: {', '.join(names)}" for number, names in sorted(found.items())),
        )


def migrations(facts: f.Facts) -> Iterator[DoctorFinding]:
    """Judge the migrations of every target that was compared."""
    compared = [target for target in facts.targets if target.migrations is not None]
    found = [one for target in compared for one in _migrations(facts, target)]
    yield from found
    if compared and not found:
        names = ", ".join(target.ref.name for target in compared)
        yield OK.found("migrations-in-step", f"Migrations up to date: {names}")


def _migrations(facts: f.Facts, target: f.TargetFacts) -> Iterator[DoctorFinding]:
    state = target.migrations
    if isinstance(state, DbswitchError):
        before = f"The migrations of {target.ref.name} could not be compared: "
        yield WARNING.failed("migrations-unread", state, before)
        return
    assert state is not None
    prisma = f"{_PACKAGE_RUNNERS.get(facts.project.packages.manager, 'npx')} prisma"
    run = prisma if target.ref.name in facts.active else f"dbswitch exec {target.ref.name} -- {prisma}"
    # An unused database may be behind; if the active one is, the app fails.
    level = WARNING if target.ref.name in facts.active else INFO
    if state.failed:
        why = "Prisma applies no further migrations until it is resolved"
        what = f"{target.ref.name} has a failed migration: {why}"
        fix = f"{run} migrate resolve --rolled-back {state.failed[0]} (or --applied)"
        yield PROBLEM.found("migrations-failed", what, *state.failed, fix=fix)
    if state.edited:
        what = f"Migrations were edited after {target.ref.name} had applied them: `migrate dev` will ask to reset a database"
        fix = "restore the files as they were applied, and put the change into a new migration"
        yield WARNING.found("migrations-edited", what, *state.edited, fix=fix)
    if state.pending:
        with_tables = f", which has {state.tables} table{'s'[: state.tables > 1]}" if state.tables else ""
        # Prisma documentation, "Baselining a database": `migrate dev` would offer to reset it.
        resolve = f"`{run} migrate resolve --applied NAME`"
        baseline = f"baseline it: {resolve} for each migration whose tables it has"
        yield level.found(
            "migrations-pending",
            f"{target.ref.name} lacks {count(state.pending)}",
            "" if state.has_table else f"Prisma Migrate was never used on this database{with_tables}",
            *_some(state.pending),
            *(f"{name} was rolled back" for name in state.rolled_back),
            fix=baseline if state.tables else f"{run} migrate {'deploy' if target.ref.protected else 'dev'}",
        )
    if state.missing:
        what = f"{target.ref.name} has applied {count(state.missing)} that this checkout does not have"
        fix = "git pull, or change to the branch that has them"
        yield level.found("migrations-missing", what, *_some(state.missing), fix=fix)


def _some(names: tuple[str, ...]) -> tuple[str, ...]:
    return names if len(names) <= 5 else (*names[:4], f"and {len(names) - 4} more")
