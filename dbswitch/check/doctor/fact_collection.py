"""Collect all facts in parallel, so that it takes little longer than the slowest part. Changes nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Final, TypeVar

from msgspec.structs import replace

from dbswitch.check.doctor import doctor_facts as f, local_facts
from dbswitch.database.failures import AttemptError, Failure, explain
from dbswitch.database.migrations import MigrationState, read_scripts
from dbswitch.database.place import place_in, place_of
from dbswitch.database.probe import Ready, ask_once
from dbswitch.database.url import DatabaseUrl, same_url
from dbswitch.envfiles.effective_values import read_env_files
from dbswitch.envfiles.precedence import Effective, Reader, effective
from dbswitch.errors import DatabaseNotReadyError, DbswitchError, UrlError
from dbswitch.project import generated
from dbswitch.project.active_target import active
from dbswitch.project.client_in_use import asks_elsewhere, client_in_use, follows_env_files, package_env_files
from dbswitch.project.discovery import Project
from dbswitch.project.prisma import migrations_folder
from dbswitch.project.reader_profiles import all_profiles
from dbswitch.project.target_sources import TargetRef
from dbswitch.project.targets import Target, guarded, list_targets, resolve_ref
from dbswitch.server.command_lines import program_name
from dbswitch.server.ports import listeners

T = TypeVar("T")
DEADLINE: Final = 3.0  # seconds; a serverless Postgres may need most of it to wake
_CONFIG_DEADLINE: Final = 30.0  # seconds; Node compiles prisma.config.ts and what it imports
_WORKERS: Final = 32
# Programs that forward a local port to a remote database.
_TUNNELS: Final = frozenset(
    {"ssh", "autossh", "sshd", "kubectl", "cloud_sql_proxy", "cloud-sql-proxy", "flyctl", "fly", "pscale", "socat", "tsh"}
)  # fmt: skip


def look(project: Project, ambient: Mapping[str, str], *, run_commands: bool = False) -> f.Facts:
    """Return all facts about `project` with the environment `ambient`; an error for a part that cannot be inspected."""
    began = time.monotonic()
    folder = migrations_folder(project.root, project.prisma)
    scripts = _or_error(lambda: read_scripts(folder)) if folder is not None else None
    replies: dict[DatabaseUrl, Future[Ready | DbswitchError]] = {}
    with ThreadPoolExecutor(_WORKERS, thread_name_prefix="dbswitch-doctor") as pool:
        node, manager = (
            pool.submit(local_facts.program_version, name, DEADLINE)
            for name in ("node", project.packages.manager)
        )
        by_prisma = partial(local_facts.prisma_cli_url, project, ambient, _CONFIG_DEADLINE)
        cli_url = pool.submit(by_prisma if run_commands else lambda: None)
        server = pool.submit(_or_error, partial(local_facts.look_at_server, project, ambient))
        refs = _or_error(lambda: list_targets(project))
        listed = () if isinstance(refs, DbswitchError) else refs

        def resolve(ref: TargetRef) -> f.TargetFacts:
            if ref.runs_command and not run_commands:
                return f.TargetFacts(ref)
            target = _or_error(lambda: guarded(project, resolve_ref(project, ref, ambient=ambient), listed))
            if isinstance(target, DbswitchError):
                return f.TargetFacts(ref, trouble=target)
            known = replace(ref, protected=target.protected)
            return f.TargetFacts(known, target, urls=_urls(project, target))

        resolved = list(pool.map(resolve, listed))
        migrating = {facts.ref.name: _migrating_url(project, facts) for facts in resolved}
        for url in dict.fromkeys(url for facts in resolved for _, url in facts.urls):
            compared = scripts if url in migrating.values() and isinstance(scripts, dict) else None
            replies[url] = pool.submit(ask, url, DEADLINE, compared)
        seen = server.result()
        launched_with = None if isinstance(seen, DbswitchError) else seen[1]
        known = [facts.values for facts in resolved if facts.values is not None]
        rows = _or_error(lambda: _readers(project, known, ambient, launched_with, cli_url.result()))
        for row in () if isinstance(rows, DbswitchError) else rows:
            if row.url is not None and row.url not in replies:
                replies[row.url] = pool.submit(ask, row.url, DEADLINE)
        # While the databases are asked.
        tunnels = _tunnels([facts.url for facts in resolved if facts.url is not None])
        files = local_facts.look_at_files(project)
        found = generated.find(project)
        # `next start` reads the files of production on purpose, and the shell is judged by its own finding.
        states = _or_error(lambda: active(project, ambient).readers)
        machine = local_facts.read_machine(project, node.result(), manager.result(), ambient)
    answers = {url: reply.result() for url, reply in replies.items()}
    return f.Facts(
        project=project,
        machine=machine,
        readers=() if isinstance(rows, DbswitchError) else rows,
        readers_trouble=rows if isinstance(rows, DbswitchError) else None,
        states=() if isinstance(states, DbswitchError) else states,
        package_env_files=tuple(package_env_files(project)),
        targets=tuple(
            replace(
                facts,
                tunnel=tunnels.get(facts.url.port) if _is_tcp_here(facts.url) else None,
                migrations=scripts
                if isinstance(scripts, DbswitchError)
                else _migrations(through, answers[through]),
            )
            if facts.url is not None and (through := migrating[facts.ref.name]) is not None
            else facts
            for facts in resolved
        ),
        targets_trouble=refs if isinstance(refs, DbswitchError) else None,
        answers=answers,
        server=seen if isinstance(seen, DbswitchError) else seen[0],
        files=files,
        generated=local_facts.look_at_generated(project, found),
        hot_client=follows_env_files(project, found),
        unused_client=_unused_client(project, found),
        no_client=_no_client(project, found),
        asks_elsewhere=asks_elsewhere(project, found),
        identity_route=found.identity_path is not None or project.config.verify.path is not None,
        seconds=time.monotonic() - began,
    )


def _unused_client(project: Project, found: generated.Generated) -> str:
    used = client_in_use(project, found) if found.client is not None else None
    return "" if used is None or used.generated else f"{found.client} is generated, but the app uses {used}"


def _no_client(project: Project, found: generated.Generated) -> str:
    if project.prisma.has_own_engine:
        return "Prisma's own engine connects to the database, and no client can follow a switch"
    used = client_in_use(project, found) if project.prisma.schema is None else None
    return f"the client is in the package {used.path}" if used is not None and used.package else ""


def _or_error(body: Callable[[], T]) -> T | DbswitchError:
    try:
        return body()
    except DbswitchError as error:
        return error


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


def _migrating_url(project: Project, target: f.TargetFacts) -> DatabaseUrl | None:
    """Return the URL through which the Prisma CLI would migrate this target."""
    urls = dict(target.urls)
    return next((urls[key] for key in project.cli_variables if key in urls), target.url)


def ask(
    url: DatabaseUrl, seconds: float, scripts: Mapping[str, bytes] | None = None
) -> Ready | DbswitchError:
    """Log in and query the identity, in one attempt of at most `seconds`."""
    try:
        return ask_once(url, seconds, scripts)
    except AttemptError as error:
        kind, told = error.failure.kind, explain(error.failure, str(url))
        what = f"{kind.text} ({kind.prisma_code})" if kind.retry else told.what
        return DatabaseNotReadyError(what, facts=told.facts, fix=told.fix)


def _migrations(url: DatabaseUrl, answer: Ready | DbswitchError) -> MigrationState | DbswitchError | None:
    state = None if isinstance(answer, DbswitchError) else answer.migrations
    return explain(state, str(url)) if isinstance(state, Failure) else state


def _is_tcp_here(url: DatabaseUrl) -> bool:
    return url.is_local and not url.is_socket


def _tunnels(urls: Sequence[DatabaseUrl]) -> dict[int, str]:
    """Return a line about the program at a local port of `urls`, where it forwards to another machine."""
    found = listeners(tuple({url.port for url in urls if _is_tcp_here(url)}))
    return {
        port: one.describe()
        for port, several in found.items()
        for one in several
        if one.process is not None and program_name(one.process.argv) in _TUNNELS
    }


def _readers(
    project: Project,
    targets: Sequence[Target],
    ambient: Mapping[str, str],
    launched_with: Mapping[str, str] | None,
    cli_url: str | None,
) -> tuple[f.ReaderFacts, ...]:
    """Return a row for each reader. Raises EnvFileError.

    `launched_with`: the running server's environment, if any; `cli_url`: what Prisma itself says, if it was asked.
    """
    profiles = {one.reader: one for one in all_profiles(project)}
    names = dict.fromkeys(name for profile in profiles.values() for name in profile.files)
    files = read_env_files(project.root, tuple(names))
    own = (project.primary_variable,)
    rows = (
        (f.NEXT_DEV, Reader.NEXT_DEV, own, ambient),
        (f.RUNNING, Reader.NEXT_DEV, own, launched_with),
        (f.NEXT_START, Reader.NEXT_START, own, ambient),
        (f.PRISMA_CLI, Reader.PRISMA, project.cli_variables, ambient),
        (f.STUDIO, Reader.PRISMA, project.studio_variables, ambient),
        (f.SHELL, Reader.SHELL, own, ambient),
    )
    found = []
    for name, reader, variables, environment in rows:
        if reader in profiles and environment is not None:
            values = [effective(key, profiles[reader], files, environment) for key in variables]
            chosen = next((one for one in values if one.value), values[0])
            if name == f.PRISMA_CLI and cli_url is not None and cli_url != chosen.value:
                chosen = Effective("datasource.url", cli_url, project.prisma.config_file, ())
            found.append(_row(name, chosen, targets))
    return tuple(found)


def _row(name: str, chosen: Effective, targets: Sequence[Target]) -> f.ReaderFacts:
    key, value = chosen.key, chosen.value
    url, unusable = None, ""
    try:
        url = DatabaseUrl.parse(value, name=key) if value else None
    except UrlError as error:
        unusable = error.what
    named = tuple(one.name for one in targets if value and url is not None and _has(one, key, value))
    return f.ReaderFacts(name, key, url, unusable, named, chosen.source, chosen.shadowed)


def _has(target: Target, key: str, value: str) -> bool:
    own = target.variables.get(key)
    # DIRECT_URL of a target that sets DATABASE_URL only: the same database is the same target.
    return place_in(value) == place_of(target.url) if own is None else same_url(value, own)
