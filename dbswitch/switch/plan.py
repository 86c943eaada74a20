"""The decision of a switch, as a pure function: all that is shown before a change is read from the :class:`Plan`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum

from msgspec import Struct

from dbswitch.database.url import DatabaseUrl
from dbswitch.envfiles.placement import EditPlan
from dbswitch.envfiles.precedence import ReaderProfile, effective
from dbswitch.errors import UrlError, UsageError
from dbswitch.project.targets import Target
from dbswitch.server.state import ServerState
from dbswitch.switch.events import Notice


class Mode(StrEnum):
    """How the running app moves to the new database."""

    RESTART = "restart"
    HOT = "hot"
    NONE = "none"


class Situation(Struct, frozen=True):
    """The facts a plan is made from, all observed under the lock."""

    target: str
    protected: bool
    previous: str | None  # the target that is active now; None when it is none of the known ones
    edits: EditPlan
    server: ServerState
    stopped_by_switch: bool  # a killed switch had stopped a server and not started it again
    stale: bool  # the server started before the env files got their current values
    hot_client: bool
    identity_route: bool
    configured: Mode | None  # `[switch] mode` of the configuration; None is automatic
    # the app is on the database of a protected target, and the switch leads elsewhere, or to read-only sessions
    leaving_protected: bool = False
    # why the running app does not follow the env files (its environment holds other values); empty if it does
    overridden: str = ""


class Plan(Struct, frozen=True):
    """What a switch will do."""

    mode: Mode
    unchanged: bool  # no env file needs a new value
    confirm: bool  # the target has to be confirmed first
    verify: bool  # the app will be asked afterwards
    server: str  # one line that says what happens to the dev server
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


# Where no server of this project runs, and what is said about it.
_ABSENT = {
    ServerState.STOPPED: "no dev server is running",
    ServerState.EXITED: "no dev server is running (the last one has exited)",
    ServerState.FOREIGN: "no dev server of this project can be seen (its port belongs to another program)",
}


def is_running(state: ServerState) -> bool:
    """Return whether a server of this project exists, healthy or not."""
    return state not in _ABSENT


def decide(situation: Situation, asked: Mode | None, exported: Sequence[str] = ()) -> Plan:
    """Return the plan; `asked` is `--restart`, `--hot`, `--no-restart` or None, `exported` what the shell exports otherwise.

    Raises UsageError: `--hot` in a project without the generated client.
    """
    if asked is Mode.HOT and not situation.hot_client:
        raise UsageError(
            "--hot needs the generated Prisma client, and this project has none",
            why="without it the running app would stay on the old database while the env files name the new one",
            fix="run `dbswitch generate client`, or leave --hot out",
        )
    unchanged, running = not situation.edits.edits, is_running(situation.server)
    mode, server, told = _follow(situation, asked, unchanged=unchanged)
    notices = [*(Notice("env-files", text) for text in situation.edits.notices), *told]
    if running and mode is Mode.NONE and not unchanged and not situation.hot_client:
        text = "the running app keeps its old connection until it is restarted (`dbswitch restart`)"
        notices.append(Notice("app-not-restarted", text, "warning"))
    asks = mode is not Mode.NONE or (running and (unchanged or situation.hot_client))
    return Plan(
        mode=mode,
        unchanged=unchanged,
        confirm=situation.protected and not (unchanged and mode is Mode.NONE),
        verify=situation.identity_route and asks,
        server=server,
        edits=situation.edits,
        notices=(*notices, *(Notice("exported", text, "warning") for text in exported)),
    )


def _follow(
    situation: Situation, asked: Mode | None, *, unchanged: bool
) -> tuple[Mode, str, tuple[Notice, ...]]:
    """Return what happens to the server, one line that says it, and what the user should know about it."""
    state, restart = situation.server, "restart the dev server"
    if not is_running(state):
        if situation.stopped_by_switch:
            return Mode.RESTART, "start the dev server again (a killed switch had stopped it)", ()
        return Mode.NONE, _ABSENT[state], (Notice("no-server", _ABSENT[state]),)
    silent = "it runs but does not answer" if state is ServerState.HALF_DEAD else ""
    if asked is not Mode.NONE and (reason := silent or situation.overridden):
        why = "the dev server does not answer" if silent else reason
        text = f"{why}, so it is restarted although --hot was given"
        told = (Notice("hot-not-possible", text, "warning"),) if asked is Mode.HOT else ()
        return Mode.RESTART, f"{restart} ({reason})", told
    if unchanged and asked is None and situation.stale and not situation.hot_client:
        return Mode.RESTART, f"{restart} (it is older than the env files)", ()
    # Without the route there is no proof that the client followed.
    automatic = Mode.HOT if situation.hot_client and situation.identity_route else Mode.RESTART
    wanted = asked or (Mode.NONE if unchanged else situation.configured or automatic)
    if wanted is Mode.NONE:
        return Mode.NONE, "leave the dev server running", ()
    if wanted is Mode.HOT and situation.hot_client:
        if asked is not None or not situation.leaving_protected:
            return Mode.HOT, "keep the dev server; its Prisma client follows the env files", ()
        # A client that is idle during a hot switch and connects later would write to the protected database.
        left = "writable sessions" if situation.previous == situation.target else "a protected target"
        notice = Notice("leaving-protected", f"leaving {left} restarts the server; --hot keeps it running")
        return Mode.RESTART, f"{restart} (leaving {left}; --hot keeps it running)", (notice,)
    refused = " (refused from here: no process of it can be seen)"
    return Mode.RESTART, f"{restart}{refused if state is ServerState.HIDDEN else ''}", ()


def changed_variables(
    target: Target, plan: EditPlan, files: Mapping[str, bytes], profiles: Sequence[ReaderProfile]
) -> tuple[str, ...]:
    """Return `KEY: before -> after` for every variable that changes, and what is removed because `target` lacks it.

    `files` are the env files as they are, name to content. Of `profiles`, the first reader that sees a change is described.
    """
    after = {**files, **{edit.name: edit.new for edit in plan.edits}}
    lines: list[str] = []
    for key in sorted({key for edit in plan.edits for key in edit.keys}):
        values = [tuple(effective(key, one, these, {}).value for these in (files, after)) for one in profiles]
        old, new = next((pair for pair in values if pair[0] != pair[1]), (*values, (None, None))[0])
        if new is None and key not in target.variables:
            lines.append(f"{target.name} has no {key}: it is removed")
        else:
            lines.append(f"{key}: {_described(old)} -> {_described(new, old)}")
    return tuple(lines)


def _described(value: str | None, before: str | None = None) -> str:
    """Return a value without its secret: the place of a URL, else only whether it is set."""
    if not value:
        return "not set" if value is None else "empty"
    place, place_before = _place(value), _place(before or "")
    if place is None:
        return "set to another value" if before and place_before is None else "set"
    return f"{place} (other user, password or options)" if place == place_before else place


def _place(value: str) -> str | None:
    try:
        url = DatabaseUrl.parse(value)
    except UrlError:
        return None
    return f"{url.address}/{url.database}"
