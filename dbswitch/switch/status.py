"""`dbswitch status`: where everything stands, derived from the files and processes at the moment of asking."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from dbswitch.project import generated, readers, server_spec, targets
from dbswitch.project.active import active
from dbswitch.server import lifecycle
from dbswitch.switch import mutex, recovery

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dbswitch.project.active import Active
    from dbswitch.project.discovery import Project
    from dbswitch.project.targets import TargetRef
    from dbswitch.server.lifecycle import Observation
    from dbswitch.switch.tickets import Holder


class Status(Struct, frozen=True):
    """What `dbswitch status` shows.

    Attributes:
        active: the target per reader, the shell this was called from among them.
        hot_client: the project uses the generated Prisma client.
        identity_route: the app can be asked which database it is on.
        holder: the run that holds the lock right now.
        unfinished: what a killed run left and which command finishes it; None where it left nothing.
    """

    active: Active
    targets: tuple[TargetRef, ...]
    server: Observation
    port: int
    hot_client: bool
    identity_route: bool
    holder: Holder | None
    unfinished: str | None
    notices: tuple[str, ...]


def status(project: Project, ambient: Mapping[str, str]) -> Status:
    """Look at everything, change nothing.

    Raises:
        ConfigError: the targets cannot be listed.
        EnvFileError: an env file cannot be read.
    """
    spec = server_spec.build(project)
    found = generated.find(project)
    holder = mutex.peek(project.state_dir)
    return Status(
        active=active(project, ambient, readers=readers.all_profiles(project)),
        targets=targets.list_targets(project),
        server=lifecycle.observe(spec),
        port=spec.port,
        hot_client=found.client is not None,
        identity_route=found.identity_path is not None or project.config.verify.path is not None,
        holder=holder,
        unfinished=recovery.unfinished(project.private_dir) if holder is None else None,
        notices=project.notices,
    )
