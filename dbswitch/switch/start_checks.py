"""Checks and notices before a server is stopped or started."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from dbswitch.errors import ServerError
from dbswitch.server import starting, stopping
from dbswitch.server.stopping import taken

if TYPE_CHECKING:
    from dbswitch.project.discovery import Project
    from dbswitch.server.environment import CleanEnvironment
    from dbswitch.server.observation import Observation
    from dbswitch.server.spec import ServerSpec
    from dbswitch.switch.reporter import Reporter


def require_startable(
    spec: ServerSpec, observed: Observation, clean: CleanEnvironment, *, take_port: bool
) -> None:
    """Before anything is stopped, refuse if the server could not be started again.

    Raises PortTakenError or ServerError.
    """
    starting.require_command(spec)
    stopping.require_visible(observed)
    needed = stopping.start_port(spec, observed.port)
    holders = tuple(one for one in observed.foreign if one.port == needed)
    if holders and not take_port:
        raise taken(needed, holders)
    name = spec.argv[0]
    program = name if "/" not in name else str(spec.cwd / name)
    if shutil.which(program, path=clean.env.get("PATH")) is None:
        raise ServerError(
            "the dev server's command cannot be run",
            facts=(f"{name}: not found, or not executable", "nothing was stopped"),
            why="the server could not be started again after the stop",
            fix="check the dev script in package.json, and that Node.js is on the PATH",
        )


def tell_started(project: Project, reporter: Reporter, clean: CleanEnvironment) -> None:
    """Report the variables that are not passed to the new server, and whether its files will belong to root."""
    if clean.removed:
        names = ", ".join(clean.removed)
        reporter.notice(
            "environment", f"not passed on to the dev server, so that the env files decide: {names}"
        )
    root = project.root
    if os.geteuid() == 0 != root.stat().st_uid:
        reporter.notice(
            "runs-as-root",
            f"the dev server runs as root, but {root.name} belongs to another user, who may not be able to write .next afterwards",
            "warning",
        )
