"""What state the server is in, derived from facts on each call and never stored."""

from __future__ import annotations

from enum import StrEnum
from typing import assert_never

from msgspec import Struct


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
    REFUSED = "refused"
    SILENT = "silent"  # connected, and no answer in time
    ALIVE = "alive"
    ALIVE_FAILING = "alive, its page fails"
    NOTHING_WORKS = "answers 404 or 5xx to everything"


class ServerFacts(Struct, frozen=True):
    """The facts that determine the state; times in seconds."""

    recorded: bool
    living: int  # own processes that are alive
    listening: bool  # one of them listens on a port
    reply: Reply
    age: float  # of its youngest Next.js process: Next.js replaces its server when its configuration changes
    start_limit: float  # how long a start may take
    hidden: bool  # Next's lock is held, by no process that can be seen
    foreign_on_port: bool  # the port the server needs is held by a foreign process


def derive(facts: ServerFacts) -> ServerState:
    """Return the state that follows from these facts.

    Age separates starting from half-dead only where the server was asked and gave no answer, or does not listen at all.
    """
    if facts.living == 0:
        if facts.hidden:
            return ServerState.HIDDEN
        if facts.foreign_on_port:
            return ServerState.FOREIGN
        return ServerState.EXITED if facts.recorded else ServerState.STOPPED
    mute = ServerState.STARTING if facts.age < facts.start_limit else ServerState.HALF_DEAD
    if not facts.listening:
        return mute
    match facts.reply:
        case Reply.ALIVE | Reply.ALIVE_FAILING:
            return ServerState.READY
        case Reply.NOTHING_WORKS:
            return ServerState.HALF_DEAD
        case Reply.NOT_ASKED:
            return ServerState.RUNNING
        case Reply.REFUSED | Reply.SILENT:
            return mute
        case _:
            assert_never(facts.reply)
