"""Collect all facts in parallel, so that it takes little longer than the slowest part. Changes nothing."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from msgspec.structs import replace

from dbswitch.check.doctor import database_answers, installed_versions, reader_databases, server_and_files
from dbswitch.check.doctor.doctor_facts import Answer, Facts, TargetFacts, Trouble
from dbswitch.errors import DbswitchError
from dbswitch.project import generated
from dbswitch.project.targets import list_targets

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import Future
    from pathlib import Path

    from dbswitch.check.doctor.doctor_facts import ReaderFacts
    from dbswitch.database.migrations import MigrationState
    from dbswitch.database.url import DatabaseUrl
    from dbswitch.project.discovery import Project
    from dbswitch.project.targets import Target, TargetRef

T = TypeVar("T")
_Reply = tuple[Answer | Trouble, "MigrationState | Trouble | None"]
_WORKERS = 32


def look(project: Project, ambient: Mapping[str, str], *, run_commands: bool = False) -> Facts:
    """Return all facts about `project` as seen with the process environment `ambient`.

    A part that cannot be inspected is replaced by a `Trouble`.
    """
    began = time.monotonic()
    with ThreadPoolExecutor(_WORKERS, thread_name_prefix="dbswitch-doctor") as pool:
        node = pool.submit(installed_versions.program_version, "node", database_answers.DEADLINE)
        manager = pool.submit(
            installed_versions.program_version, project.package_manager, database_answers.DEADLINE
        )
        server = pool.submit(_or_trouble, lambda: server_and_files.look_at_server(project, ambient))
        refs = _or_trouble(lambda: list_targets(project))
        resolved = _resolve(pool, project, () if isinstance(refs, Trouble) else refs, ambient, run_commands)
        targets = [target for target, _ in resolved if target is not None]
        # Without the running server first: its row needs the server looked at, the databases need not wait for that.
        rows = _or_trouble(lambda: reader_databases.read_readers(project, targets, ambient, None))
        migrations = reader_databases.migrations_folder(project)
        replies = _ask(pool, project, [facts for _, facts in resolved], rows, migrations)
        files = server_and_files.look_at_files(project)
        written = server_and_files.look_at_generated(project)
        seen = server.result()
        if not isinstance(seen, Trouble) and seen[1] is not None:
            rows = _or_trouble(lambda: reader_databases.read_readers(project, targets, ambient, seen[1]))
            replies |= _ask(pool, project, [], rows, None, already=frozenset(replies))
        tunnels = _tunnels(pool, [facts for _, facts in resolved])
        answered = {url: reply.result() for url, reply in replies.items()}
        known = installed_versions.read_machine(project, node.result(), manager.result(), ambient)
    found = generated.find(project)
    foreign = _or_trouble(lambda: reader_databases.foreign_variables(project, ambient))
    return Facts(
        root=project.root,
        machine=known,
        readers=() if isinstance(rows, Trouble) else rows,
        readers_trouble=rows if isinstance(rows, Trouble) else None,
        foreign=() if isinstance(foreign, Trouble) else foreign,
        targets=tuple(_with_answers(project, facts, answered, tunnels) for _, facts in resolved),
        targets_trouble=refs if isinstance(refs, Trouble) else None,
        answers={url: answer for url, (answer, _) in answered.items()},
        has_migrations=migrations is not None,
        server=seen if isinstance(seen, Trouble) else seen[0],
        files=files,
        generated=written,
        hot_client=found.client is not None,
        identity_route=found.identity_path is not None or project.config.verify.path is not None,
        notices=project.notices,
        seconds=time.monotonic() - began,
    )


def _or_trouble(body: Callable[[], T]) -> T | Trouble:
    try:
        return body()
    except DbswitchError as error:
        return Trouble.of(error)


def _resolve(
    pool: ThreadPoolExecutor,
    project: Project,
    refs: Sequence[TargetRef],
    ambient: Mapping[str, str],
    run_commands: bool,  # noqa: FBT001  passed on by name
) -> list[tuple[Target | None, TargetFacts]]:
    asked = [
        pool.submit(database_answers.resolve, project, ref, ambient, run_commands=run_commands)
        for ref in refs
    ]
    return [one.result() for one in asked]


def _ask(
    pool: ThreadPoolExecutor,
    project: Project,
    targets: Sequence[TargetFacts],
    rows: tuple[ReaderFacts, ...] | Trouble,
    migrations: Path | None,
    already: frozenset[DatabaseUrl] = frozenset(),
) -> dict[DatabaseUrl, Future[_Reply]]:
    wanted: dict[DatabaseUrl, Path | None] = {}
    for target in targets:
        through = _migrating_url(project, target)
        for _, url in target.urls:
            wanted[url] = migrations if url == through else wanted.get(url)
    for row in () if isinstance(rows, Trouble) else rows:
        if row.url is not None:
            wanted.setdefault(row.url, None)
    return {
        url: pool.submit(database_answers.ask_both, url, folder)
        for url, folder in wanted.items()
        if url not in already
    }


def _migrating_url(project: Project, target: TargetFacts) -> DatabaseUrl | None:
    """Return the URL through which the Prisma CLI would migrate this target."""
    urls = dict(target.urls)
    return next((urls[key] for key in project.cli_variables if key in urls), target.url)


def _tunnels(pool: ThreadPoolExecutor, targets: Sequence[TargetFacts]) -> dict[int, str | None]:
    ports = {
        target.url.port
        for target in targets
        if target.url is not None and target.url.is_local and not target.url.is_socket
    }
    found = {port: pool.submit(database_answers.tunnel_at, port) for port in sorted(ports)}
    return {port: one.result() for port, one in found.items()}


def _with_answers(
    project: Project,
    facts: TargetFacts,
    answered: Mapping[DatabaseUrl, _Reply],
    tunnels: Mapping[int, str | None],
) -> TargetFacts:
    url = facts.url
    if url is None:
        return facts
    through = _migrating_url(project, facts)
    return replace(
        facts,
        tunnel=tunnels.get(url.port) if url.is_local and not url.is_socket else None,
        migrations=answered[through][1] if through is not None else None,
    )
