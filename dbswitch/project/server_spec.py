"""The server's description for `dbswitch/server`, from the configuration and what the project's files say."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from dbswitch.project.discovery import DEFAULT_PORT
from dbswitch.project.nextinfo import DEFAULT_DIST_DIR

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dbswitch.project.discovery import Project
    from dbswitch.server.nextjs import DevCommand
    from dbswitch.server.spec import ServerSpec

_PORT = re.compile(r"[0-9]{1,5}")
_ANY_ADDRESS = frozenset({"0.0.0.0", "::", "[::]"})  # noqa: S104  compared with, never listened on


def build(project: Project, ambient: Mapping[str, str] | None = None) -> ServerSpec:
    """Return the description of the project's server.

    The port is the configured one, else the script's, else `PORT` of the process environment (`ambient`, None is this
    process's own), else 3000. `argv` is empty for a project that has neither a command nor a dev script nor Next.js: it
    can be switched, but there is no server to start.
    """
    from dbswitch.server.spec import NEXT_ALIVE_PATH, ServerLimits, ServerSpec

    environment = os.environ if ambient is None else ambient
    server = project.config.server
    command = _command(project)
    wanted = environment.get("PORT", "")
    ambient_port = int(wanted) if _PORT.fullmatch(wanted) and 0 < int(wanted) < 65536 else None
    asked = server.port or command.port or ambient_port
    hostname = command.hostname
    return ServerSpec(
        argv=command.argv,
        cwd=project.root,
        port=asked or DEFAULT_PORT,
        port_explicit=asked is not None,
        dist_dir=project.root
        / (project.next.dist_dir if project.next is not None else server.dist_dir or DEFAULT_DIST_DIR),
        state_dir=project.state_dir,
        private_dir=project.private_dir,
        ports=server.ports,
        ready_path=server.ready_path,
        limits=ServerLimits(term=server.term_timeout, kill=server.kill_timeout, ready=server.ready_timeout),
        port_flag=command.port_flag,
        hostname=hostname if hostname is not None and hostname not in _ANY_ADDRESS else "localhost",
        https=command.https,
        alive_path=NEXT_ALIVE_PATH if command.is_next and project.next is not None else None,
    )


def _command(project: Project) -> DevCommand:
    from dbswitch.server.nextjs import DevCommand, dev_command

    configured, name = project.config.server.command, project.packages.dev_script_name
    if configured or (name is None and project.next is None):
        # A configured command gets its port through PORT; host and scheme of the dev script may not hold for it.
        return DevCommand(configured, port_flag=False, is_next=project.next is not None)
    scripts = project.manifest.scripts if name is not None else {"dev": "next dev"}
    return dev_command(project.root, scripts, script=name or "dev", manager=project.package_manager)
