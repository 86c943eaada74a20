"""`dbswitch status`: the current state, derived from files and processes on each call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from dbswitch.envfiles.precedence import Reader, effective
from dbswitch.project import generated, reader_profiles, server_launch, targets
from dbswitch.project.active_target import Active, ReaderState, active
from dbswitch.project.client_in_use import follows_env_files
from dbswitch.project.value_origin import Exported, exported
from dbswitch.server import observation
from dbswitch.server.environment import touched_by_next
from dbswitch.switch import project_lock, recovery, time_limit
from dbswitch.switch.plan import is_running

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dbswitch.project.discovery import Project
    from dbswitch.project.target_sources import TargetRef
    from dbswitch.server.observation import Observation
    from dbswitch.switch.project_lock import Holder
    from dbswitch.switch.time_limit import TimeLimit


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
    return Status(
        active=replace(files_say, readers=rows),
        here=tuple(
            there
            for here, there in readers
            if there.reader is not Reader.SHELL
            and (here.target, here.database) != (there.target, there.database)
        ),
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
