"""What state the server is in, derived from facts on each call and never stored."""

from __future__ import annotations

from enum import StrEnum
from typing import assert_never


class ServerState(StrEnum):
    """The states a server can be in.

    RUNNING: it listens and was not asked over HTTP, so readiness is unknown. HIDDEN: Next's lock is held, and none of the
    server's processes can be seen.
    """

    STOPPED = "stopped"
    STARTING = "starting"
    RUNNING = "running"
    READY = "ready"
    EXITED = "exited"
    HALF_DEAD = "half-dead"
    FOREIGN = "foreign"
    HIDDEN = "hidden"


class Reply(StrEnum):
    """The result of asking the server over HTTP."""

    NOT_ASKED = "not asked"
    NONE = "refused, or no answer in time"
    ALIVE = "alive"
    NOTHING_WORKS = "answers 404 or 5xx to everything"


def derive(
    *,
    recorded: bool,
    living: bool,
    listening: bool,
    reply: Reply,
    starting: bool,
    hidden: bool,
    foreign_on_port: bool,
) -> ServerState:
    """Return the state that follows from these facts.

    `living`: a process of the server is alive; `listening`: one of them listens on the port. `starting`: its youngest Next.js
    process is younger than a start may take (Next.js replaces its server when its configuration changes); this separates
    starting from half-dead only where the server gave no answer, or does not listen at all. `hidden`: Next's lock is held, by no
    process that can be seen. `foreign_on_port`: a foreign process has the port that the server needs.
    """
    if not living:
        if hidden:
            return ServerState.HIDDEN
        if foreign_on_port:
            return ServerState.FOREIGN
        return ServerState.EXITED if recorded else ServerState.STOPPED
    mute = ServerState.STARTING if starting else ServerState.HALF_DEAD
    if not listening:
        return mute
    match reply:
        case Reply.ALIVE:
            return ServerState.READY
        case Reply.NOTHING_WORKS:
            return ServerState.HALF_DEAD
        case Reply.NOT_ASKED:
            return ServerState.RUNNING
        case Reply.NONE:
            return mute
        case _:
            assert_never(reply)
