"""Ending the foreign process that holds the needed port: only with `--take-port`, and only that process."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from dbswitch.errors import PortTakenError
from dbswitch.server.processes import Sent, look_at, send, wait_gone

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dbswitch.server.ports import Listener
    from dbswitch.server.spec import ServerLimits


def end_foreign(holders: Sequence[Listener], limits: ServerLimits, on_step: Callable[[str], None]) -> None:
    """End the processes that hold a port: TERM, wait, KILL, wait; each verified to be the one that was named.

    Their other children are left alone: nothing is known about them.

    Raises:
        PortTakenError: one is unknown, not ours to signal, above us in the process tree, or outlived KILL.
    """
    above = _ancestors()
    for holder in holders:
        if holder.process is None or holder.process.pid in above:
            reason = "the system does not reveal which process it is"
            if holder.process is not None:
                reason = "this command is running below it"
            raise _kept(holder, reason)
        for number, seconds in ((signal.SIGTERM, limits.term), (signal.SIGKILL, limits.kill)):
            on_step(f"{number.name.removeprefix('SIG')} to {holder.describe()}")
            if send(holder.process, number) is Sent.DENIED:
                raise _kept(holder, "it belongs to another user")
            if not wait_gone([holder.process], seconds):
                break
        else:
            raise _kept(holder, "it outlived KILL")


def _ancestors() -> frozenset[int]:
    """Return this process and everything above it, process 1 included."""
    found = {1}
    pid = os.getpid()
    while pid > 1 and pid not in found:
        found.add(pid)
        process = look_at(pid)
        pid = process.parent if process is not None else 1
    return frozenset(found)


def _kept(holder: Listener, reason: str) -> PortTakenError:
    return PortTakenError(
        f"the process on port {holder.port} was not ended: {reason}",
        facts=[holder.describe()],
        why="the server needs that port",
        fix="end that process yourself, or set another port",
    )
