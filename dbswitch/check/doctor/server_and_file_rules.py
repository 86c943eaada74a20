"""The server, its ports, the locks, the files' permissions and the generated files. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, assert_never

from dbswitch.check.doctor.doctor_facts import GeneratedState, NextLock, Trouble
from dbswitch.check.doctor.doctor_findings import Finding, FindingId, Level
from dbswitch.server.state import ServerState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dbswitch.check.doctor.doctor_facts import Facts, FileFacts, ServerView

_ID = FindingId
# Which `dbswitch generate` writes a kind of file; the admin page has several kinds.
_COMMAND_OF: Final = {"client": "client", "identity": "route", "route": "route"}


def server(facts: Facts) -> Iterator[Finding]:
    """Judge the server, the ports and the locks."""
    view = facts.server
    if view is None:
        return
    if isinstance(view, Trouble):
        yield Finding(_ID.SERVER_UNREAD, Level.WARNING, view.what, view.facts, view.fix)
        return
    found = [*_state(view), *_ports(view), *_locks(view), *_stale(facts, view)]
    yield from found
    if all(one.level is Level.INFO for one in found):
        yield Finding(_ID.SERVER_WELL, Level.OK, _state_text(view))


def _state_text(view: ServerView) -> str:
    if view.pids:
        return f"The dev server is {view.state.value} at {view.url}"
    return f"No dev server runs, and port {view.port} is free for one"


def _state(view: ServerView) -> Iterator[Finding]:
    match view.state:
        case ServerState.HALF_DEAD:
            yield Finding(
                _ID.SERVER_HALF_DEAD,
                Level.PROBLEM,
                "The dev server runs but does not answer; the next switch restarts it",
                (f"pid {', '.join(map(str, view.pids))}",),
                "dbswitch restart",
            )
        case ServerState.HIDDEN:
            yield Finding(
                _ID.SERVER_HIDDEN,
                Level.WARNING,
                "A dev server is running, but none of its processes can be seen from here",
                view.hidden,
                "run dbswitch where the server was started, for example in its container",
            )
        case ServerState.EXITED:
            yield Finding(
                _ID.SERVER_EXITED,
                Level.INFO,
                "The dev server that dbswitch started has exited",
                (),
                "`dbswitch logs` shows why; `dbswitch dev` starts it",
            )
        case (
            ServerState.STOPPED
            | ServerState.STARTING
            | ServerState.RUNNING
            | ServerState.READY
            | ServerState.FOREIGN
        ):
            pass
        case _:
            assert_never(view.state)


def _ports(view: ServerView) -> Iterator[Finding]:
    for port, text in view.foreign if view.state is not ServerState.HIDDEN else ():
        needed = port == view.port and not view.pids
        # Without a configured port Next.js silently uses the next free one.
        why = (
            "the server cannot start there"
            if view.port_explicit
            else "Next.js would silently use another port"
        )
        yield Finding(
            _ID.PORT_TAKEN if needed else _ID.PORT_FOREIGN,
            Level.WARNING if needed else Level.INFO,
            f"Port {port} is held by a program that is not this project's",
            (text, *((why,) if needed else ())),
            "end it yourself, or set [server] port in dbswitch.toml" if needed else "",
        )


def _locks(view: ServerView) -> Iterator[Finding]:
    if view.next_lock is NextLock.HELD and view.lock_holders:
        yield Finding(
            _ID.NEXT_LOCK_HELD,
            Level.WARNING,
            "Next's lock is held by a process that is not this project's server",
            (f"pid {', '.join(map(str, view.lock_holders))}",),
            "end that process; do not delete the lock: a second server would then corrupt the build folder",
        )
    if view.switch is not None:
        yield Finding(_ID.SWITCH_RUNNING, Level.INFO, "A switch is running right now", (view.switch,))
    elif view.unfinished:
        yield Finding(
            _ID.SWITCH_UNFINISHED,
            Level.WARNING,
            "A killed switch has not been finished",
            (),
            "dbswitch restart",
        )


def _stale(facts: Facts, view: ServerView) -> Iterator[Finding]:
    if view.stale and not facts.hot_client:
        yield Finding(
            _ID.SERVER_STALE,
            Level.WARNING,
            "Env files changed after the dev server started: its Prisma client may still be on the previous database",
            view.stale,
            "dbswitch restart",
        )


def files(facts: Facts) -> Iterator[Finding]:
    """Judge who may read and change the files that hold secrets."""
    found = [one for file in facts.files for one in _file(file)]
    yield from found
    if facts.files and not found:
        yield Finding(
            _ID.FILES_PRIVATE, Level.OK, "No other user can change the env files or read a remote password"
        )


def _file(file: FileFacts) -> Iterator[Finding]:
    seen = (f"{file.name}: mode {file.mode:04o}, owner {file.owner}",)
    if file.private_place:
        if file.readable or file.writable:
            yield Finding(
                _ID.STATE_FOLDER_OPEN,
                Level.WARNING,
                f"{file.name} is open to others; it should be private to its owner",
                seen,
                f"chmod go= {file.name}",
            )
    elif file.writable:
        yield Finding(
            _ID.FILE_WRITABLE_BY_OTHERS,
            Level.PROBLEM,
            f"Others on this machine can change {file.name}, and so the database the app uses",
            seen,
            f"chmod go-w {file.name}",
        )
    elif file.readable and file.secret:
        yield Finding(
            _ID.FILE_READABLE_BY_OTHERS,
            Level.WARNING,
            f"Others on this machine can read the password of a remote database in {file.name}",
            seen,
            f"chmod 600 {file.name}",
        )
    if not file.ours:
        yield Finding(
            _ID.FILE_NOT_WRITABLE,
            Level.PROBLEM,
            f"You cannot change {file.name}, so no switch can",
            seen,
            f"sudo chown $USER {file.name}",
        )
    if file.tracked and file.secret:
        yield Finding(
            _ID.FILE_TRACKED,
            Level.WARNING,
            f"git tracks {file.name}, which holds the password of a remote database",
            (),
            "`dbswitch check --all` has the details",
        )


def generated(facts: Facts) -> Iterator[Finding]:
    """Judge the files of `dbswitch generate`, and the lack of them."""
    found = list(_generated(facts))
    yield from found
    if facts.generated and not found:
        yield Finding(_ID.GENERATED_CURRENT, Level.OK, "The generated files are current and unedited")
    if not facts.hot_client:
        yield Finding(
            _ID.NO_HOT_CLIENT,
            Level.INFO,
            "The app does not use the generated client: a switch restarts the server",
            (),
            "dbswitch generate client",
        )
    if not facts.identity_route:
        yield Finding(
            _ID.NO_IDENTITY_ROUTE,
            Level.INFO,
            "The app cannot be asked which database it is on: a switch stays unverified",
            (),
            "dbswitch generate route",
        )


def _generated(facts: Facts) -> Iterator[Finding]:
    for one in facts.generated:
        again = _COMMAND_OF.get(one.kind, "page")
        match one.state:
            case GeneratedState.EDITED:
                yield Finding(
                    _ID.GENERATED_EDITED,
                    Level.WARNING,
                    f"{one.path} was generated and then edited by hand",
                    (),
                    f"move your edit to a file of your own, then dbswitch generate {again} --force",
                )
            case GeneratedState.OUTDATED:
                yield Finding(
                    _ID.GENERATED_OUTDATED,
                    Level.WARNING,
                    f"{one.path} was generated by an older dbswitch",
                    (),
                    f"dbswitch generate {again}",
                )
            case GeneratedState.NEWER:
                yield Finding(
                    _ID.GENERATED_NEWER,
                    Level.WARNING,
                    f"{one.path} was generated by a newer dbswitch than this one",
                    (),
                    "update dbswitch",
                )
            case GeneratedState.CURRENT:
                pass
            case _:
                assert_never(one.state)
