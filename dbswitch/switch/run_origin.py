"""Who asked for a run and from where, and what the run did that only its events tell: for the history."""

from __future__ import annotations

import getpass
import os
import time
from typing import TYPE_CHECKING

from msgspec import Struct

from dbswitch.switch.events import Phase, PhaseChanged, PhaseState

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dbswitch.switch.events import Event

VARIABLE = "DBSWITCH_ORIGIN"  # what starts dbswitch for somebody, such as the admin page, names itself in it
_NAMED = frozenset({"page", "hook"})


class Origin(Struct, frozen=True):
    """Who asked, and from where.

    Attributes:
        user: the name of the operating system's user.
        origin: `terminal`, `page` (the admin page), `hook` (git), or `program` for anything without a terminal.
        away: seconds for which the server did not answer; None if it was not stopped.
        lifted: the guards that were lifted: `protected`, `read-only`.
    """

    user: str | None = None
    origin: str | None = None
    away: float | None = None
    lifted: tuple[str, ...] = ()


class OriginObserver:
    """Passes the events of a run on, and takes note of what the history needs.

    Args:
        emit: where the events go.
        ambient: the caller's process environment.
        terminal: the caller can be asked.
        lifted: guards that are lifted by the request itself.
    """

    def __init__(
        self,
        emit: Callable[[Event], None],
        ambient: Mapping[str, str],
        *,
        terminal: bool,
        lifted: tuple[str, ...] = (),
    ) -> None:
        self._emit = emit
        self._origin = _origin(ambient, terminal=terminal)
        self._lifted = lifted
        self._down: float | None = None
        self._away: float | None = None

    def emit(self, event: Event) -> None:
        """Pass `event` on."""
        match event:
            case PhaseChanged(phase=Phase.STOP, state=PhaseState.STARTED) if self._down is None:
                self._down = time.monotonic()
            case PhaseChanged(phase=Phase.ANSWER | Phase.ROLLBACK, state=PhaseState.DONE) if self._down:
                self._away = round(time.monotonic() - self._down, 3)
            case PhaseChanged(phase=Phase.GUARD, state=PhaseState.DONE, detail="confirmed"):
                self._lifted = ("protected", *self._lifted)
            case _:
                pass
        self._emit(event)

    @property
    def found(self) -> Origin:
        """What is known so far."""
        return Origin(_user(), self._origin, self._away, self._lifted)


def _origin(ambient: Mapping[str, str], *, terminal: bool) -> str:
    if ambient.get(VARIABLE) in _NAMED:
        return ambient[VARIABLE]
    if "GIT_INDEX_FILE" in ambient or "GIT_DIR" in ambient:
        return "hook"
    return "terminal" if terminal else "program"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container without an entry for the user
        return str(os.getuid())
