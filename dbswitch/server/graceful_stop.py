"""Graceful stop: TERM to every process, wait, KILL to the rest, wait; ownership is checked again before every signal."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

from msgspec import Struct

from dbswitch.server.processes import Sent, is_alive, send, wait_gone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from dbswitch.server.ownership import Owned
    from dbswitch.server.processes import ProcessId

_LOOK = 0.25  # seconds until new processes are looked for while the known ones are ending
_LINGER = 0.02  # seconds that a dispensable process gets


class StopOutcome(Struct, frozen=True):
    """Which processes were signalled, which needed KILL, which are left (`denied`: signalling them is not permitted)."""

    signalled: tuple[Owned, ...]
    killed: tuple[Owned, ...]
    left: tuple[Owned, ...]
    denied: frozenset[ProcessId]
    seconds: float


def stop_processes(
    find: Callable[[], Sequence[Owned]],
    *,
    term: float,
    kill: float,
    on_step: Callable[[str], None],
    dispensable: Callable[[Owned], bool] = lambda _owned: False,
) -> StopOutcome:
    """Stop everything that `find` proves to be ours.

    Args:
        find: returns the living processes; called before each round, so that a respawned child or one that left the
            group is found too.
        term: seconds between TERM and KILL.
        kill: seconds to wait after KILL.
        on_step: called with a description of each step.
        dispensable: says which processes need not be waited for once all others are dead: after its server's end Next's command line
            program loads the config again and sends telemetry, which takes 0.3 to 3 s (measured) of the next start.
    """
    began = time.monotonic()
    signalled: dict[ProcessId, Owned] = {}
    killed: dict[ProcessId, Owned] = {}
    denied: set[ProcessId] = set()
    living: Sequence[Owned] = find()
    for number, seconds, reached in ((signal.SIGTERM, term, signalled), (signal.SIGKILL, kill, killed)):
        if not living:
            break
        on_step(f"{number.name.removeprefix('SIG')} to {_names(living)}")
        deadline = time.monotonic() + seconds
        while living:
            for owned in living:
                if owned.id in reached or owned.id in denied:
                    continue
                if send(owned.id, number) is Sent.DENIED:
                    denied.add(owned.id)
                    continue
                reached[owned.id] = owned
                if owned.process.suspended and number is signal.SIGTERM:
                    # A job stopped with Ctrl-Z keeps TERM pending until it is continued.
                    send(owned.id, signal.SIGCONT)
            left = deadline - time.monotonic()
            if left <= 0 or all(owned.id in denied for owned in living):
                break
            needed = [owned.id for owned in living if not dispensable(owned)]
            if needed:
                wait_gone(needed, min(left, _LOOK))
            elif still := wait_gone([owned.id for owned in living], min(left, _LINGER)):
                for process in still:
                    send(process, signal.SIGKILL)
                wait_gone(still, min(left, _LOOK))
            living = _with_proven(find(), reached.values())
    return StopOutcome(
        signalled=tuple((signalled | killed).values()),
        killed=tuple(killed.values()),
        left=tuple(living),
        denied=frozenset(denied),
        seconds=time.monotonic() - began,
    )


def _with_proven(found: Sequence[Owned], before: Iterable[Owned]) -> Sequence[Owned]:
    """Add the processes that were proven and signalled before: the parent or leader that proved them may have ended first."""
    known = {one.id for one in found}
    return [*found, *(one for one in before if one.id not in known and is_alive(one.id))]


def _names(owned: Sequence[Owned]) -> str:
    return ", ".join(f"{one.process.pid}" for one in owned)
