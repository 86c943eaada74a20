"""The decision of a switch, as a pure function: from the observed facts to the plan.

Everything shown before a change, and everything `--dry-run` prints, is read from the :class:`Plan`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, assert_never

from msgspec import Struct

from dbswitch.database.url import DatabaseUrl
from dbswitch.envfiles.precedence import effective
from dbswitch.errors import UrlError, UsageError
from dbswitch.server.state import ServerState
from dbswitch.switch.events import Notice

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dbswitch.envfiles.placement import EditPlan
    from dbswitch.envfiles.precedence import ReaderProfile
    from dbswitch.project.targets import Target


class Mode(StrEnum):
    """How the running app moves to the new database."""

    RESTART = "restart"
    HOT = "hot"
    NONE = "none"


class Situation(Struct, frozen=True):
    """The facts a plan is made from, all observed under the lock.

    Attributes:
        previous: the target that is active now; None when it is none of the known ones.
        stopped_by_switch: a killed switch had stopped a server and not started it again.
        stale: the server started before the env files got their current values.
        configured: `[switch] mode` of the configuration; None is automatic.
        overridden: why the running app does not follow the env files (its environment holds other values); empty if it does.
        leaving_protected: the app is on the database of a protected target, and the switch leads elsewhere, or to
            read-only sessions.
    """

    target: str
    database: str
    protected: bool
    previous: str | None
    edits: EditPlan
    server: ServerState
    stopped_by_switch: bool
    stale: bool
    hot_client: bool
    identity_route: bool
    configured: Mode | None
    leaving_protected: bool = False
    overridden: str = ""


class Plan(Struct, frozen=True):
    """What a switch will do.

    Attributes:
        unchanged: no env file needs a new value.
        confirm: its database name where it has to be confirmed first, or None.
        verify: the app will be asked afterwards.
        server: one line that says what happens to the dev server.
    """

    target: str
    previous: str | None
    mode: Mode
    unchanged: bool
    confirm: str | None
    verify: bool
    server: str
    edits: EditPlan
    notices: tuple[Notice, ...]

    @property
    def files(self) -> tuple[str, ...]:
        """Names of the env files that change, in writing order."""
        return tuple(edit.name for edit in self.edits.edits)

    @property
    def variables(self) -> tuple[str, ...]:
        """Names of the variables that change, sorted."""
        return tuple(sorted({key for edit in self.edits.edits for key in edit.keys}))


def is_running(state: ServerState) -> bool:
    """Return whether a server of this project exists, healthy or not."""
    match state:
        case (
            ServerState.READY
            | ServerState.RUNNING
            | ServerState.STARTING
            | ServerState.HALF_DEAD
            | ServerState.HIDDEN
        ):
            return True
        case ServerState.STOPPED | ServerState.EXITED | ServerState.FOREIGN:
            return False
        case _:
            assert_never(state)


def decide(situation: Situation, asked: Mode | None, exported: Sequence[str] = ()) -> Plan:
    """Return the plan for `situation`; `asked` is `--restart`, `--hot`, `--no-restart` or None.

    `exported` describes each variable that the caller's shell exports with another value.

    Raises UsageError: `--hot` in a project without the generated client.
    """
    unchanged = not situation.edits.edits
    mode, server, notices = _follow(situation, asked, unchanged=unchanged)
    running = is_running(situation.server)
    if running and mode is Mode.NONE and not unchanged and not situation.hot_client:
        notices += (
            Notice(
                "app-not-restarted",
                "the running app keeps its old connection until it is restarted (`dbswitch restart`)",
                "warning",
            ),
        )
    needs_guard = situation.protected and not (unchanged and mode is Mode.NONE)
    return Plan(
        target=situation.target,
        previous=situation.previous,
        mode=mode,
        unchanged=unchanged,
        confirm=situation.database if needs_guard else None,
        verify=situation.identity_route
        and (mode is not Mode.NONE or (running and (unchanged or situation.hot_client))),
        server=server,
        edits=situation.edits,
        notices=(
            *(Notice("env-files", text) for text in situation.edits.notices),
            *notices,
            *(Notice("exported", text, "warning") for text in exported),
        ),
    )


def _follow(
    situation: Situation, asked: Mode | None, *, unchanged: bool
) -> tuple[Mode, str, tuple[Notice, ...]]:
    if asked is Mode.HOT and not situation.hot_client:
        raise UsageError(
            "--hot needs the generated Prisma client, and this project has none",
            why="without it the running app would stay on the old database while the env files name the new one",
            fix="run `dbswitch generate client`, or leave --hot out",
        )
    if situation.stopped_by_switch and not is_running(situation.server):
        return Mode.RESTART, "start the dev server again (a killed switch had stopped it)", ()
    if not is_running(situation.server):
        return Mode.NONE, _absent(situation.server), (Notice("no-server", _absent(situation.server)),)
    if situation.server is ServerState.HALF_DEAD and asked is not Mode.NONE:
        text = "the dev server does not answer, so it is restarted although --hot was given"
        notices = (Notice("hot-not-possible", text, "warning"),) if asked is Mode.HOT else ()
        return Mode.RESTART, "restart the dev server (it runs but does not answer)", notices
    if situation.overridden and asked is not Mode.NONE:
        text = f"{situation.overridden}, so it is restarted although --hot was given"
        notices = (Notice("hot-not-possible", text, "warning"),) if asked is Mode.HOT else ()
        return Mode.RESTART, f"restart the dev server ({situation.overridden})", notices
    if unchanged and asked is None:
        if situation.stale and not situation.hot_client:
            return Mode.RESTART, "restart the dev server (it is older than the env files)", ()
        return Mode.NONE, "leave the dev server running", ()
    wanted = asked or situation.configured or _automatic(situation)
    if wanted is Mode.HOT and asked is None and situation.hot_client and situation.leaving_protected:
        # A client that is idle during a hot switch and connects later would write to the protected database.
        left = "writable sessions" if situation.previous == situation.target else "a protected target"
        return Mode.RESTART, f"restart the dev server (it leaves {left}; --hot keeps it)", ()
    match wanted:
        case Mode.HOT if situation.hot_client:
            return Mode.HOT, "keep the dev server; its Prisma client follows the env files", ()
        case Mode.HOT | Mode.RESTART if situation.server is ServerState.HIDDEN:
            return (
                Mode.RESTART,
                "restart the dev server (refused from here: no process of it can be seen)",
                (),
            )
        case Mode.HOT | Mode.RESTART:
            return Mode.RESTART, "restart the dev server", ()
        case Mode.NONE:
            return Mode.NONE, "leave the dev server running", ()
        case _:
            assert_never(wanted)


def _automatic(situation: Situation) -> Mode:
    # Without the route there is no proof that the client followed.
    return Mode.HOT if situation.hot_client and situation.identity_route else Mode.RESTART


def _absent(state: ServerState) -> str:
    match state:
        case ServerState.EXITED:
            return "no dev server is running (the last one has exited)"
        case ServerState.FOREIGN:
            return "no dev server of this project can be seen (its port belongs to another program)"
        case ServerState.STOPPED:
            return "no dev server is running"
        case (
            ServerState.READY
            | ServerState.RUNNING
            | ServerState.STARTING
            | ServerState.HALF_DEAD
            | ServerState.HIDDEN
        ):
            return ""
        case _:
            assert_never(state)


def changed_variables(
    target: Target, plan: EditPlan, files: Mapping[str, bytes], profiles: Sequence[ReaderProfile]
) -> tuple[str, ...]:
    """Return `KEY: before -> after` for every variable that changes, and what is removed because `target` lacks it.

    `files` are the env files as they are, name to content. Of `profiles`, the first reader that sees a change is described.
    """
    after = {**files, **{edit.name: edit.new for edit in plan.edits}}
    lines: list[str] = []
    for key in sorted({key for edit in plan.edits for key in edit.keys}):
        values = [
            (effective(key, one, files, {}).value, effective(key, one, after, {}).value) for one in profiles
        ]
        old, new = next(
            ((old, new) for old, new in values if old != new), values[0] if values else (None, None)
        )
        if new is None and key not in target.variables:
            lines.append(f"{target.name} has no {key}: it is removed")
        else:
            lines.append(f"{key}: {_described(old)} -> {_described(new, old)}")
    return tuple(lines)


def _described(value: str | None, before: str | None = None) -> str:
    """Return a value without its secret: the place of a URL, else only whether it is set."""
    if not value:
        return "not set" if value is None else "empty"
    place = _place(value)
    if place is None:
        return "set" if not before or _place(before) is not None else "set to another value"
    same = before is not None and _place(before) == place
    return f"{place} (other user, password or options)" if same else place


def _place(value: str) -> str | None:
    try:
        url = DatabaseUrl.parse(value)
    except UrlError:
        return None
    return f"{url.address}/{url.database}"
