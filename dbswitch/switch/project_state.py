"""Gather the facts a plan is made from, and those of `dbswitch status`; reads everything, changes nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping

from msgspec import Struct
from msgspec.structs import replace

from dbswitch import redaction
from dbswitch.database.place import place_of
from dbswitch.database.url import DatabaseUrl, same_url
from dbswitch.envfiles import effective_values
from dbswitch.envfiles.document import Document
from dbswitch.envfiles.placement import EditPlan
from dbswitch.envfiles.precedence import DEV_FILES, Reader, ReaderProfile, effective
from dbswitch.envfiles.transaction import FileChange
from dbswitch.errors import UrlError
from dbswitch.project import generated, reader_profiles, server_launch, targets, written_values
from dbswitch.project.active_target import Active, ReaderState, active
from dbswitch.project.client_in_use import follows_env_files
from dbswitch.project.config import ServerMode
from dbswitch.project.discovery import Project
from dbswitch.project.generated import Generated
from dbswitch.project.protection import owners_of
from dbswitch.project.target_sources import TargetRef
from dbswitch.project.targets import Target
from dbswitch.project.value_origin import Exported, exported
from dbswitch.project.written_values import Entered
from dbswitch.server import observation
from dbswitch.server.environment import touched_by_next
from dbswitch.server.http_requests import base_path
from dbswitch.server.observation import Observation, changed_since_start
from dbswitch.server.spec import ServerSpec
from dbswitch.switch import project_lock, recovery, time_limit
from dbswitch.switch.plan import Mode, Situation, is_running
from dbswitch.switch.project_lock import Holder
from dbswitch.switch.time_limit import TimeLimit


class Observed(Struct, frozen=True):
    """The observed state of the project and its server."""

    project: Project
    spec: ServerSpec
    server: Observation
    entered: Entered  # what earlier switches wrote
    files: Mapping[str, bytes] = {}  # the dev env files, name to content
    env_file_keys: frozenset[str] = frozenset()  # every variable bound in one of them
    target_keys: frozenset[str] = frozenset()  # every variable any target may set, or a switch wrote
    previous: str | None = None
    generated: Generated = Generated()
    hot_client: bool = False
    route: str | None = None

    @property
    def present(self) -> tuple[DatabaseUrl, ...]:
        """The database URLs that the env files give Next.js now, the one that the app uses first."""
        profile = ReaderProfile(Reader.NEXT_DEV, DEV_FILES)
        found = []
        for key in dict.fromkeys((self.project.primary_variable, *sorted(self.target_keys))):
            value = effective(key, profile, self.files, {}).value
            redaction.remember((value,) if value else ())
            with contextlib.suppress(UrlError):
                found.append(DatabaseUrl.parse(value or "", name=key))
        return tuple(found)


def look(project: Project, *, ask: bool = True, verify_later: bool = False) -> Observed:
    """Observe env files, server (with `ask` over HTTP) and generated files. Raises EnvFileError or ConfigError.

    `verify_later`: an app with an identity route is not asked now, since its identity is asked for later and says more.
    """
    found = generated.find(project)
    hot_client = follows_env_files(project, found)
    spec = server_launch.build(project)
    route = route_of(project, found, spec)
    files = effective_values.read_env_files(project.root)
    written = written_values.load(project.private_dir)
    bound = frozenset(binding.key for data in files.values() for binding in Document.parse(data).bindings)
    return Observed(
        project=project,
        spec=spec,
        server=observation.observe(spec, ask=ask and not (verify_later and hot_client and route is not None)),
        files=files,
        env_file_keys=bound,
        target_keys=targets.variable_names(project, targets.list_targets(project)) | written.variables,
        entered=written,
        # The server starts with none of these variables in its environment, so only the files count.
        previous=active(project, {}).nominal_target,
        generated=found,
        hot_client=hot_client,
        route=route,
    )


def route_of(project: Project, found: generated.Generated, spec: ServerSpec) -> str | None:
    """Return the URL path that reports which database the app is on; None where there is none."""
    if project.config.verify.path is not None:
        return project.config.verify.path
    return None if found.identity_path is None else base_path(spec) + found.identity_path


def server_alone(project: Project) -> Observed:
    """Observe the server only: a stop must not depend on readable env files."""
    spec = server_launch.build(project)
    return Observed(project, spec, observation.observe(spec), written_values.load(project.private_dir))


def changes(observed: Observed, plan: EditPlan) -> tuple[FileChange, ...]:
    """Return the plan's edits as changes of files, in writing order."""
    root = observed.project.root
    return tuple(FileChange(root / edit.name, edit.old, edit.new) for edit in plan.edits)


def situation(observed: Observed, target: Target, plan: EditPlan, *, stopped_by_switch: bool) -> Situation:
    """Return the facts that :func:`dbswitch.switch.plan.decide` decides on."""
    configured = observed.project.config.switch.mode
    files = [observed.project.root / name for name in observed.files]
    return Situation(
        target=target.name,
        protected=target.protected,
        previous=observed.previous,
        edits=plan,
        server=observed.server.state,
        stopped_by_switch=stopped_by_switch,
        stale=is_running(observed.server.state) and bool(changed_since_start(observed.server, files)),
        overridden=_overridden(observed, target),
        hot_client=observed.hot_client,
        identity_route=observed.route is not None,
        configured=None if configured is ServerMode.AUTO else Mode(configured.value),
        leaving_protected=_leaves_protected(observed, target),
    )


def _leaves_protected(observed: Observed, target: Target) -> bool:
    refs = targets.list_targets(observed.project)
    if any(ref.protected and ref.name == observed.previous and ref.name != target.name for ref in refs):
        return True
    here = place_of(target.url)
    left = [
        place_of(url)
        for url in observed.present
        if (not url.is_read_only if target.read_only else place_of(url) != here)
    ]
    return bool(owners_of(left, refs, observed.entered))


def _overridden(observed: Observed, target: Target) -> str:
    """Say which other values than the target's the living server has in its environment, where they beat every env file."""
    server = observed.server
    if not is_running(server.state):
        return ""
    if _differ(server.launch_env(), target, observed.target_keys):
        return "its own environment overrides the env files"
    return exported_instead(server, target, observed.target_keys)


def exported_instead(server: Observation, target: Target, keys: Iterable[str]) -> str:
    """Say which other values than the target's the dev script exports to the app; empty if none."""
    exported = _differ(server.next_env(), target, keys)
    return server.script_exports_text(exported) if exported else ""


def _differ(env: Mapping[str, str], target: Target, keys: Iterable[str]) -> list[str]:
    values = target.variables
    return [key for key in sorted(keys) if env.get(key) and not same_url(env[key], values.get(key, ""))]


class Status(Struct, frozen=True):
    """What `dbswitch status` shows."""

    # the target according to the env files and the running server's own environment; the shell this was called from
    # counts for its own row only
    active: Active
    # the readers that get something else when they are started from this shell
    here: tuple[ReaderState, ...]
    # the variables that this shell exports with another value than the env files
    exported: tuple[Exported, ...]
    targets: tuple[TargetRef, ...]
    server: Observation
    port: int
    hot_client: bool
    identity_route: bool
    # the targets' variables that the dev script exports to the running app, which then cannot follow a change of
    # the env files
    script_exports: tuple[str, ...]
    holder: Holder | None
    unfinished: str | None  # what a killed run left and which command finishes it; None if it left nothing
    limit: TimeLimit | None  # of the active target, passed or not
    notices: tuple[str, ...]


def status(project: Project, ambient: Mapping[str, str]) -> Status:
    """Observe everything, change nothing. Raises ConfigError or EnvFileError."""
    spec = server_launch.build(project)
    generated_files = generated.find(project)
    server = observation.observe(spec)
    # Inside a running Next.js the environment holds the env files as they were when it started.
    shell = {} if touched_by_next(ambient) else ambient
    profiles = reader_profiles.all_profiles(project)
    launch = server.launch_env() if is_running(server.state) else {}
    files_say = active(project, {}, readers=profiles, server=launch)
    shell_says = active(project, shell, readers=profiles, server=launch)
    readers = tuple(zip(files_say.readers, shell_says.readers, strict=True))
    refs = targets.list_targets(project)
    names = targets.variable_names(project, refs)
    own = server.next_env() if is_running(server.state) else {}
    files, profile = reader_profiles.read_files(project), reader_profiles.profiles(project)[0]
    files_only = {
        key: effective(key, profile, files, {}).value for key in names | frozenset(project.url_variables)
    }
    rows = tuple(there if there.reader is Reader.SHELL else here for here, there in readers)
    differing = (
        there for one, there in readers if (one.target, one.database) != (there.target, there.database)
    )
    return Status(
        active=replace(files_say, readers=rows),
        here=tuple(one for one in differing if one.reader is not Reader.SHELL),
        exported=exported(files_only, shell, refs),
        targets=refs,
        server=server,
        port=spec.port,
        hot_client=follows_env_files(project, generated_files),
        identity_route=generated_files.identity_path is not None or project.config.verify.path is not None,
        script_exports=tuple(name for name in sorted(names) if own.get(name) and not launch.get(name)),
        holder=project_lock.peek(project.state_dir),
        unfinished=recovery.unfinished(project),
        limit=time_limit.in_force(project, files_say),
        notices=project.notices,
    )
