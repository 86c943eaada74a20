"""The lifecycle of the project's server in one place: observe, stop, start, wait, follow.

What a server is, how it is proven to be the project's, and what happens in which order: `docs/explanation/restart.md`.
"""

from __future__ import annotations

from dbswitch.server.environment import CleanEnvironment, clean
from dbswitch.server.observation import Observation, observe
from dbswitch.server.spec import DEFAULT_PORTS, NEXT_ALIVE_PATH, ServerLimits, ServerSpec
from dbswitch.server.starting import Answer, Running, exit_status, require_command, start, wait_ready
from dbswitch.server.state import ServerState
from dbswitch.server.stopping import (
    StopReport,
    remove_lock_if_free,
    require_ports_free,
    require_visible,
    start_port,
    stop,
)

__all__ = [
    "DEFAULT_PORTS",
    "NEXT_ALIVE_PATH",
    "Answer",
    "CleanEnvironment",
    "Observation",
    "Running",
    "ServerLimits",
    "ServerSpec",
    "ServerState",
    "StopReport",
    "clean",
    "exit_status",
    "observe",
    "remove_lock_if_free",
    "require_command",
    "require_ports_free",
    "require_visible",
    "start",
    "start_port",
    "stop",
    "wait_ready",
]
