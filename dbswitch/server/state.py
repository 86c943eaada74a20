"""What state the server is in, derived from facts on each call and never stored."""

from __future__ import annotations

from enum import StrEnum


class ServerState(StrEnum):
    """The states a server can be in."""

    STOPPED = "stopped"
    STARTING = "starting"
    RUNNING = "running"  # it listens and was not asked over HTTP, so readiness is unknown
    READY = "ready"
    EXITED = "exited"
    HALF_DEAD = "half-dead"
    FOREIGN = "foreign"
    HIDDEN = "hidden"  # Next's lock is held, and none of the server's processes can be seen


class Reply(StrEnum):
    """The result of asking the server over HTTP."""

    NOT_ASKED = "not asked"
    NONE = "refused, or no answer in time"
    ALIVE = "alive"
    NOTHING_WORKS = "answers 404 or 5xx to everything"


_OF_REPLY = {
    Reply.NOT_ASKED: ServerState.RUNNING,
    Reply.ALIVE: ServerState.READY,
    Reply.NOTHING_WORKS: ServerState.HALF_DEAD,
}


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

    `living`: a process of the server is alive; `listening`: one of them listens on the port; `starting`: its youngest Next.js
    process is younger than a start may take. `hidden`: Next's lock is held, by no process that can be seen.
    """
    # Next.js replaces its server when its configuration changes, so that a server that does not answer may be starting.
    if not living:
        if hidden:
            return ServerState.HIDDEN
        if foreign_on_port:
            return ServerState.FOREIGN
        return ServerState.EXITED if recorded else ServerState.STOPPED
    if not listening or reply is Reply.NONE:
        return ServerState.STARTING if starting else ServerState.HALF_DEAD
    return _OF_REPLY[reply]
