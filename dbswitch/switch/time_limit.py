"""The time limit of a switch (`dbswitch prod --for 30m`): its two clocks, its file, and the way back.

The copy of its file in `.dbswitch/` is for the generated client, which can only refuse queries because of it. A limit counts as
long as the env files lead to its target: one that a run has not written yet, or that a killed run left, has no effect.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from msgspec import Struct
from msgspec.structs import replace

from dbswitch import durable, state_folder
from dbswitch.durations import UNLIMITED, span
from dbswitch.errors import ConfigError, OvertakenError, ProtectedError, UsageError
from dbswitch.project import targets
from dbswitch.project.active_target import Active, active
from dbswitch.project.discovery import Project
from dbswitch.project.targets import Target
from dbswitch.server.processes import boot_id, start_own_command
from dbswitch.switch import history

FILE_NAME = "time-limit.json"
NOTICE = "time-limit"
# Both count the time that the machine sleeps; macOS has no CLOCK_BOOTTIME, and its CLOCK_MONOTONIC does that.
_SINCE_BOOT = time.CLOCK_BOOTTIME if sys.platform == "linux" else time.CLOCK_MONOTONIC


class Moment(Struct, frozen=True):
    """One moment on both clocks: seconds since the epoch, and since the boot named `boot`."""

    wall: float
    boot: str
    uptime: float


def now() -> Moment:
    """Return this moment."""
    return Moment(time.time(), boot_id(), time.clock_gettime(_SINCE_BOOT))


class TimeLimit(Struct, frozen=True):
    """A limit of `seconds` from `begun`, after which the project goes from `target` to `back`; `place` is for the client."""

    id: str
    target: str
    back: str
    begun: Moment
    seconds: float
    place: str = ""

    def left(self, at: Moment | None = None) -> float:
        """Return the seconds that are left, negative once it has passed."""
        # Within one boot the clock counts on which more time has passed, so setting the wall clock back lengthens nothing.
        # After a reboot there is only the wall clock; if it is before the beginning, it was set back: no time is left.
        at = at or now()
        elapsed = at.wall - self.begun.wall
        if at.boot == self.begun.boot and at.uptime >= self.begun.uptime:
            elapsed = max(elapsed, at.uptime - self.begun.uptime)
        return self.seconds - elapsed if elapsed >= 0 else 0.0

    @property
    def text(self) -> str:
        """One sentence for people."""
        if (left := self.left()) > 0:
            return f"{self.target} for another {span(left)}, then back to {self.back}"
        return (
            f"the time limit of {self.target} has passed; `dbswitch {self.back}` switches back, "
            "`dbswitch extend 15m` keeps it"
        )

    @property
    def fields(self) -> dict[str, str | float]:
        """What JSON output says; `ends` is in seconds since the epoch."""
        ends = self.begun.wall + self.seconds
        return {"target": self.target, "back": self.back, "ends": ends, "left": round(self.left(), 1)}


def stored(project: Project) -> tuple[TimeLimit, ...]:
    """Return every limit on the disk, whether it counts or not; none where the file cannot be read."""
    return durable.load(project.private_dir / FILE_NAME, tuple[TimeLimit, ...]) or ()


def in_force(project: Project, found: Active | None = None) -> TimeLimit | None:
    """Return the limit of the target that the env files lead to (`found`, if known already). Raises as `active`."""
    limits = stored(project)
    if not limits:
        return None
    on = {state.target for state in (found or active(project, {})).readers}
    return next((one for one in limits if one.target in on), None)


def passed(project: Project) -> TimeLimit | None:
    """Return the limit in force if its time is over. Raises as :func:`in_force`."""
    limit = in_force(project)
    return limit if limit is not None and limit.left() <= 0 else None


def planned(
    project: Project, target: Target, run_id: str, *, seconds: float | None, previous: str | None
) -> TimeLimit | None:
    """Return the limit that a switch from `previous` to `target` sets, from now on; None without one.

    `seconds` as :attr:`Request.limit`. Raises ProtectedError or UsageError: there is no target that it can go back to.
    """
    if seconds is None:
        seconds = target.settings.limit_seconds
    if not seconds:
        return None
    back = previous
    if back == target.name:  # it is on it already
        limit = in_force(project)
        back = limit.back if limit is not None else history.previous_target(project.private_dir, back)
    again = f"`dbswitch {target.name} --for {UNLIMITED}` switches without a limit"
    if back is None:
        raise UsageError(
            f"a switch to {target.name} with a time limit has no way back",
            facts=("the env files hold no known target now", "nothing was changed"),
            why="when the time limit has passed, dbswitch switches back to the previous target",
            fix=f"first switch to the target that is to be restored; {again}",
        )
    if targets.lookup(project, back).protected:
        raise ProtectedError(
            f"a switch to {target.name} with a time limit would go back to {back}, which is protected",
            facts=(f"the previous target is {back}", "nothing was changed"),
            why="dbswitch never switches to a protected target unless you type its name",
            fix=f"switch to a target that is not protected first; {again}",
        )
    place = f"{target.url.host}:{target.url.port}/{target.url.database}".lower()
    return TimeLimit(run_id, target.name, back, now(), seconds, place)


@contextmanager
def replaced(project: Project, new: TimeLimit | None) -> Iterator[None]:
    """Replace the limits by `new` if the block succeeds; if it raises, the one before stays. Raises ConfigError."""
    # The new one is on the disk before the block changes anything, and begins when the block ends.
    before = in_force(project)
    kept = () if before is None else (before,)
    if new is not None:
        _save(project, (*kept, new))
    try:
        yield
    except BaseException:
        if new is not None:
            with suppress(ConfigError):
                _save(project, kept)
        raise
    with suppress(ConfigError):  # it stays as it was, which is never a longer limit
        _save(project, () if new is None else (replace(new, begun=now()),))


def _save(project: Project, limits: tuple[TimeLimit, ...]) -> None:
    private, copy = project.private_dir / FILE_NAME, project.state_dir / FILE_NAME
    if not limits:
        with suppress(OSError):  # what stays has no effect without its target
            copy.unlink(missing_ok=True)
            private.unlink(missing_ok=True)
        return
    last, why = limits[-1], "without it nothing would switch back at the deadline"
    until = {"boot": last.begun.boot, "uptime": last.begun.uptime + last.seconds}
    shown = {name: last.fields[name] for name in ("target", "back", "ends")}
    state_folder.store(private, limits, "the time limit", why, "nothing was changed")
    state_folder.store(copy, {**shown, "place": last.place, **until}, "the time limit", why)


def extended(project: Project, seconds: float, run_id: str) -> TimeLimit:
    """Lengthen the limit in force, or start it again, under the lock. Raises UsageError (there is none) or ConfigError."""
    limit = in_force(project)
    if limit is None:
        raise UsageError(
            "no time limit is running",
            facts=(f"the project is on {active(project, {}).text}",),
            why="only a switch with a time limit can be extended",
            fix="`dbswitch TARGET --for 30m` switches with one",
        )
    moment = now()
    left = max(0.0, limit.left(moment))
    longer = replace(limit, id=run_id, begun=moment, seconds=left + seconds)
    _save(project, (longer,))
    return longer


def require_due(project: Project, limit_id: str) -> None:
    """Make sure under the lock that the limit has passed and was not replaced. Raises OvertakenError."""
    limit = passed(project)
    if limit is None or limit.id != limit_id:
        raise OvertakenError(
            "the time limit was ended by another switch",
            facts=("nothing was changed",),
            why="there is nothing to switch back from",
        )


def start_timer(project: Project, limit: TimeLimit) -> None:
    """Start the timer process. If it cannot be started, or is killed, the next command goes back."""
    with suppress(OSError):
        start_own_command(project.root, "extend", f"--timer={limit.id}")
