"""Collect all facts in parallel, so that it takes little longer than the slowest part. Changes nothing."""

from __future__ import annotations

import shlex
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, TypeVar

from msgspec.structs import replace

from dbswitch.check.doctor import installed_versions, reader_databases, server_and_files
from dbswitch.check.doctor.doctor_facts import DatabaseAnswer, Facts, TargetFacts, Trouble
from dbswitch.database.failures import AttemptError, Failure, explain
from dbswitch.database.migrations import read_scripts
from dbswitch.database.probe import ask_once
from dbswitch.database.tls import advice
from dbswitch.database.url import DatabaseUrl
from dbswitch.errors import DbswitchError, UrlError
from dbswitch.project import generated
from dbswitch.project.prisma import migrations_folder
from dbswitch.project.targets import list_targets, resolve_ref
from dbswitch.server.command_lines import masked_text
from dbswitch.server.ports import listeners

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from dbswitch.database.migrations import MigrationState
    from dbswitch.project.discovery import Project
    from dbswitch.project.target_sources import TargetRef
    from dbswitch.project.targets import Target

T = TypeVar("T")
DEADLINE: Final = 3.0  # seconds; a serverless Postgres may need most of it to wake
_WORKERS: Final = 32
# Programs that forward a local port to a remote database.
_TUNNELS: Final = frozenset(
    {"ssh", "autossh", "sshd", "kubectl", "cloud_sql_proxy", "cloud-sql-proxy", "flyctl", "fly", "pscale", "socat", "tsh"}
)  # fmt: skip


def look(project: Project, ambient: Mapping[str, str], *, run_commands: bool = False) -> Facts:
    """Return all facts about `project` as seen with the process environment `ambient`.

    A part that cannot be inspected is replaced by a `Trouble`.
    """
    began = time.monotonic()
    with ThreadPoolExecutor(_WORKERS, thread_name_prefix="dbswitch-doctor") as pool:
        node, manager = (
            pool.submit(installed_versions.program_version, name, DEADLINE)
            for name in ("node", project.package_manager)
        )
        server = pool.submit(_or_trouble, lambda: server_and_files.look_at_server(project, ambient))
        refs = _or_trouble(lambda: list_targets(project))
        asked = [
            pool.submit(_resolve, project, ref, ambient, run_commands=run_commands)
            for ref in (() if isinstance(refs, Trouble) else refs)
        ]
        resolved = [one.result() for one in asked]
        known = [target for target, _ in resolved if target is not None]
        # Without the running server first: its row needs the server looked at, the databases need not wait for that.
        rows = _or_trouble(lambda: reader_databases.read_readers(project, known, ambient, None))
        migrations = migrations_folder(project.root, project.prisma)
        wanted: dict[DatabaseUrl, Path | None] = {}
        for _, facts in resolved:
            through = _migrating_url(project, facts)
            for _, url in facts.urls:
                wanted[url] = migrations if url == through else wanted.get(url)
        for row in () if isinstance(rows, Trouble) else rows:
            if row.url is not None:
                wanted.setdefault(row.url, None)
        replies = {url: pool.submit(_ask_both, url, folder) for url, folder in wanted.items()}
        local = [
            facts.url for _, facts in resolved if facts.url and facts.url.is_local and not facts.url.is_socket
        ]
        tunnels = {url.port: pool.submit(_tunnel_at, url.port) for url in local}
        files = server_and_files.look_at_files(project)
        written = server_and_files.look_at_generated(project)
        seen = server.result()
        if not isinstance(seen, Trouble) and seen[1] is not None:
            rows = _or_trouble(lambda: reader_databases.read_readers(project, known, ambient, seen[1]))
            for row in () if isinstance(rows, Trouble) else rows:
                if row.url is not None and row.url not in replies:
                    replies[row.url] = pool.submit(_ask_both, row.url, None)
        machine = installed_versions.read_machine(project, node.result(), manager.result(), ambient)
    found = generated.find(project)
    foreign = _or_trouble(lambda: reader_databases.foreign_variables(project, ambient))
    return Facts(
        root=project.root,
        machine=machine,
        readers=() if isinstance(rows, Trouble) else rows,
        readers_trouble=rows if isinstance(rows, Trouble) else None,
        foreign=() if isinstance(foreign, Trouble) else foreign,
        targets=tuple(
            replace(
                facts,
                tunnel=tunnels[facts.url.port].result() if facts.url in local else None,
                migrations=replies[through].result()[1] if through is not None else None,
            )
            if facts.url is not None
            else facts
            for _, facts in resolved
            for through in (_migrating_url(project, facts),)
        ),
        targets_trouble=refs if isinstance(refs, Trouble) else None,
        target_example=project.target_example,
        answers={url: reply.result()[0] for url, reply in replies.items()},
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
    project: Project, ref: TargetRef, ambient: Mapping[str, str], *, run_commands: bool
) -> tuple[Target | None, TargetFacts]:
    """Return a target with its values and what is known about it so far; a `command` runs only on request."""
    if ref.runs_command and not run_commands:
        return None, TargetFacts(ref.name, ref.protected, ref.source, skipped=True)
    try:
        target = resolve_ref(project, ref, ambient=ambient)
    except DbswitchError as error:
        return None, TargetFacts(ref.name, ref.protected, ref.source, trouble=Trouble.of(error))
    return target, TargetFacts(
        name=target.name,
        protected=target.protected,
        source=target.source,
        urls=_urls(project, target),
        aliases=ref.aliases,
        notes=tuple(text for text in target.url.warnings() if text not in advice(target.url)),
        start=masked_text(shlex.join(target.start)),
    )


def _urls(project: Project, target: Target) -> tuple[tuple[str, DatabaseUrl], ...]:
    found = {target.primary: target.url}
    for key in project.url_variables:
        # A shadow database exists while `prisma migrate dev` runs, and only then.
        if key in target.variables and key not in found and key not in project.shadow_variables:
            try:
                found[key] = DatabaseUrl.parse(target.variables[key], name=key)
            except UrlError:
                continue
    return tuple(found.items())


def _migrating_url(project: Project, target: TargetFacts) -> DatabaseUrl | None:
    """Return the URL through which the Prisma CLI would migrate this target."""
    urls = dict(target.urls)
    return next((urls[key] for key in project.cli_variables if key in urls), target.url)


def ask(
    url: DatabaseUrl, seconds: float = DEADLINE, *, scripts: Mapping[str, bytes] | None = None
) -> tuple[DatabaseAnswer | Trouble, MigrationState | Trouble | None]:
    """Log in and query the identity, in one attempt of at most `seconds`."""
    try:
        ready = ask_once(url, seconds, scripts)
    except AttemptError as error:
        kind, told = error.failure.kind, explain(error.failure, str(url))
        what = f"{kind.text} ({kind.prisma_code})" if kind.retry else told.what
        return Trouble(what, told.facts, told.fix), None
    state = ready.migrations
    compared = Trouble.of(explain(state, str(url))) if isinstance(state, Failure) else state
    return DatabaseAnswer(ready.identity, ready.latency * 1000, ready.encrypted, ready.notices), compared


def _ask_both(
    url: DatabaseUrl, migrations: Path | None
) -> tuple[DatabaseAnswer | Trouble, MigrationState | Trouble | None]:
    scripts = _or_trouble(lambda: read_scripts(migrations)) if migrations is not None else None
    if isinstance(scripts, Trouble):
        return ask(url)[0], scripts
    return ask(url, scripts=scripts)


def _tunnel_at(port: int) -> str | None:
    """Return a line about the program at a local port, if it forwards to another machine."""
    for one in listeners((port,))[port]:
        program = one.command.partition(" ")[0].rpartition("/")[2].rstrip(":")
        if program in _TUNNELS:
            return one.describe()
    return None
