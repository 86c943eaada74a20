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
    NONE = "not listening, refused, or no answer in time"
    ALIVE = "alive"
    NOTHING_WORKS = "answers 404 or 5xx to everything"


_OF_REPLY = {
    Reply.NOT_ASKED: ServerState.RUNNING,
    Reply.ALIVE: ServerState.READY,
    Reply.NOTHING_WORKS: ServerState.HALF_DEAD,
}


def of_living(reply: Reply, *, starting: bool) -> ServerState:
    """Return the state of a server with a living process; `starting`: the youngest is younger than a start may take."""
    # Next.js replaces its server when its configuration changes, so one that does not answer may be starting.
    if reply is Reply.NONE:
        return ServerState.STARTING if starting else ServerState.HALF_DEAD
    return _OF_REPLY[reply]


def of_absent(*, recorded: bool, hidden: bool, foreign: bool) -> ServerState:
    """Return the state where no process of the server is seen; `hidden`: Next's lock is held, `foreign`: its port is."""
    if hidden:
        return ServerState.HIDDEN
    if foreign:
        return ServerState.FOREIGN
    return ServerState.EXITED if recorded else ServerState.STOPPED
