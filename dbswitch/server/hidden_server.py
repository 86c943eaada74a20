"""A server that answers while none of its processes can be seen: in a container, or hidden from this user.

Saying that nothing runs would be wrong then, and stopping it is not possible from here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbswitch.errors import ServerError
from dbswitch.server import http_requests
from dbswitch.server.command_lines import is_node
from dbswitch.server.nextjs import lock_holders, lock_is_held, own_lock_path
from dbswitch.server.processes import look_at

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dbswitch.server.ports import Listener
    from dbswitch.server.spec import ServerSpec

_ANSWER = 400  # the first status that is no answer of Next's own path


def held_lock(spec: ServerSpec) -> str | None:
    """Return one line for display if Next's lock is held but no process that holds it can be seen."""
    path = own_lock_path(spec.dist_dir, spec.cwd)
    try:
        if path is not None and lock_is_held(path) and not lock_holders(path):
            return f"{path}: Next's lock is held, but no process that holds it can be seen"
    except OSError:
        return None
    return None


def answering(spec: ServerSpec, listeners: Iterable[Listener]) -> Listener | None:
    """Return the first listener that is not Node.js itself and through which a Next.js development server answers.

    That is a process of another namespace or user, or a forwarder in front of it (docker-proxy, ssh). Whether the server
    belongs to this project is unknown.
    """
    if spec.alive_path is None:
        return None
    for listener in listeners:
        process = look_at(listener.pid) if listener.pid is not None else None
        if process is not None and is_node(process.argv):
            continue
        path = http_requests.base_path(spec) + spec.alive_path
        try:
            if http_requests.get(spec, listener.port, path, spec.limits.ask) < _ANSWER:
                return listener
        except http_requests.NoAnswerError:
            continue
    return None


def port_fact(listener: Listener) -> str:
    """Describe the result of :func:`answering` in one line."""
    return f"{listener.describe()}; a Next.js development server answers there"


def cannot_be_stopped(facts: Sequence[str]) -> ServerError:
    """Return the error for a server that cannot be stopped from here."""
    return ServerError(
        "a dev server runs where its processes cannot be seen, so it cannot be stopped from here",
        facts=[*facts, "nothing was stopped"],
        why="only processes proven to be the project's server are ended, and this one is in another pid"
        " namespace (a container) or belongs to another user",
        fix="stop it where it was started, for example `docker compose exec SERVICE dbswitch stop`, or stop the container",
    )
