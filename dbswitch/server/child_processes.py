"""The servers that this process started: their exit status; reaps their zombies."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import subprocess

# A Popen that is dropped before its process ended warns; these are kept until they are reaped.
_living: dict[int, subprocess.Popen[bytes]] = {}
_ended: dict[int, int] = {}


def keep(child: subprocess.Popen[bytes]) -> None:
    """Remember a child."""
    _ended.pop(child.pid, None)
    _living[child.pid] = child


def reap() -> None:
    """Collect those that ended, without waiting."""
    for pid, child in list(_living.items()):
        status = child.poll()
        if status is not None:
            del _living[pid]
            _ended[pid] = status


def status(pid: int) -> int | None:
    """Return how a child ended, negative for a signal; None while it runs or when it is not ours."""
    reap()
    return _ended.get(pid)
