"""The life of the project's server: observe, stop, start, wait until it answers.

What a server is, how it is proven to be the project's, and what happens in which order: `docs/explanation/restart.md`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbswitch.server.environment import CleanEnvironment, clean
from dbswitch.server.spec import DEFAULT_PORTS, NEXT_ALIVE_PATH, ServerLimits, ServerSpec
from dbswitch.server.state import ServerState

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "DEFAULT_PORTS",
    "NEXT_ALIVE_PATH",
    "CleanEnvironment",
    "ServerLimits",
    "ServerSpec",
    "ServerState",
    "clean",
]
