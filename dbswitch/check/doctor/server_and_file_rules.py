"""The server, its ports, the locks, the files' permissions and the generated files. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dbswitch.check.doctor.doctor_facts import NextLock, Trouble
from dbswitch.check.doctor.doctor_findings import DoctorFinding, FindingId as Id, Level
from dbswitch.project.generated import GeneratedState
from dbswitch.server.state import ServerState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dbswitch.check.doctor.doctor_facts import Facts, FileFacts, ServerView

# Which `dbswitch generate` writes a kind of file; the admin page has several kinds.
_COMMAND_OF: Final = {"client": "client", "identity": "route", "route": "route"}


def server(facts: Facts) -> Iterator[DoctorFinding]:
    """Judge the server, the ports and the locks."""
    view = facts.server
    if view is None:
        return
    if isinstance(view, Trouble):
        yield Id.SERVER_UNREAD.found(view.what, *view.facts, fix=view.fix)
        return
    found = [*_state(view), *_ports(view), *_locks(view), *_stale(facts, view)]
    yield from found
    if all(one.level is Level.INFO for one in found):
        yield Id.SERVER_WELL.found(_state_text(view))


def _state_text(view: ServerView) -> str:
    if view.pids:
        return f"The dev server is {view.state.value} at {view.url}"
    return f"No dev server runs, and port {view.port} is free for one"


def _state(view: ServerView) -> Iterator[DoctorFinding]:
    if view.state is ServerState.HALF_DEAD:
        what = "The dev server runs but does not answer; the next switch restarts it"
        yield Id.SERVER_HALF_DEAD.found(what, f"pid {', '.join(map(str, view.pids))}", fix="dbswitch restart")
    elif view.state is ServerState.HIDDEN:
        what = "A dev server is running, but none of its processes can be seen from here"
        fix = "run dbswitch where the server was started, for example in its container"
        yield Id.SERVER_HIDDEN.found(what, *view.hidden, fix=fix)
    elif view.state is ServerState.EXITED:
        what = "The dev server that dbswitch started has exited"
        yield Id.SERVER_EXITED.found(what, fix="`dbswitch logs` shows why; `dbswitch dev` starts it")


def _ports(view: ServerView) -> Iterator[DoctorFinding]:
    for port, text in view.foreign if view.state is not ServerState.HIDDEN else ():
        what = f"Port {port} is held by a program that is not this project's"
        if port != view.port or view.pids:
            yield Id.PORT_FOREIGN.found(what, text)
            continue
        # Without a configured port Next.js silently uses the next free one.
        silent = "Next.js would silently use another port"
        why = "the server cannot start there" if view.port_explicit else silent
        yield Id.PORT_TAKEN.found(
            what, text, why, fix="end it yourself, or set [server] port in dbswitch.toml"
        )


def _locks(view: ServerView) -> Iterator[DoctorFinding]:
    if view.next_lock is NextLock.HELD and view.lock_holders:
        what = "Next's lock is held by a process that is not this project's server"
        fix = "end that process; do not delete the lock: a second server would then corrupt the build folder"
        yield Id.NEXT_LOCK_HELD.found(what, f"pid {', '.join(map(str, view.lock_holders))}", fix=fix)
    if view.switch is not None:
        yield Id.SWITCH_RUNNING.found("A switch is running right now", view.switch)
    elif view.unfinished:
        yield Id.SWITCH_UNFINISHED.found("A killed switch has not been finished", fix="dbswitch restart")


def _stale(facts: Facts, view: ServerView) -> Iterator[DoctorFinding]:
    if view.stale and not facts.hot_client:
        what = "Env files changed after the dev server started: its Prisma client may still be on the previous database"
        yield Id.SERVER_STALE.found(what, *view.stale, fix="dbswitch restart")


def files(facts: Facts) -> Iterator[DoctorFinding]:
    """Judge who may read and change the files that hold secrets."""
    found = [one for file in facts.files for one in _file(file)]
    yield from found
    if facts.files and not found:
        yield Id.FILES_PRIVATE.found("No other user can change the env files or read a remote password")


def _file(file: FileFacts) -> Iterator[DoctorFinding]:
    name = file.name
    seen = f"{name}: mode {file.mode:04o}, owner {file.owner}"
    if file.private_place:
        if file.readable or file.writable:
            what = f"{name} is open to others; it should be private to its owner"
            yield Id.STATE_FOLDER_OPEN.found(what, seen, fix=f"chmod go= {name}")
    elif file.writable:
        what = f"Others on this machine can change {name}, and so the database the app uses"
        yield Id.FILE_WRITABLE_BY_OTHERS.found(what, seen, fix=f"chmod go-w {name}")
    elif file.readable and file.secret:
        what = f"Others on this machine can read the password of a remote database in {name}"
        yield Id.FILE_READABLE_BY_OTHERS.found(what, seen, fix=f"chmod 600 {name}")
    if not file.ours:
        what = f"You cannot change {name}, so no switch can"
        yield Id.FILE_NOT_WRITABLE.found(what, seen, fix=f"sudo chown $USER {name}")
    if file.tracked and file.secret:
        what = f"git tracks {name}, which holds the password of a remote database"
        yield Id.FILE_TRACKED.found(what, fix="`dbswitch check --all` has the details")


def generated(facts: Facts) -> Iterator[DoctorFinding]:
    """Judge the files of `dbswitch generate`, and the lack of them."""
    found = []
    for one in facts.generated:
        again = f"dbswitch generate {_COMMAND_OF.get(one.kind, 'page')}"
        if one.state is GeneratedState.EDITED:
            fix = f"move your edit to a file of your own, then {again} --force"
            found.append(
                Id.GENERATED_EDITED.found(f"{one.path} was generated and then edited by hand", fix=fix)
            )
        elif one.state is GeneratedState.OUTDATED:
            found.append(
                Id.GENERATED_OUTDATED.found(f"{one.path} was generated by an older dbswitch", fix=again)
            )
        elif one.state is GeneratedState.NEWER:
            what = f"{one.path} was generated by a newer dbswitch than this one"
            found.append(Id.GENERATED_NEWER.found(what, fix="update dbswitch"))
    yield from found
    if facts.generated and not found:
        yield Id.GENERATED_CURRENT.found("The generated files are current and unedited")
    if not facts.hot_client:
        what = "The app does not use the generated client: a switch restarts the server"
        yield Id.NO_HOT_CLIENT.found(what, fix="dbswitch generate client")
    if not facts.identity_route:
        what = "The app cannot be asked which database it is on: a switch stays unverified"
        yield Id.NO_IDENTITY_ROUTE.found(what, fix="dbswitch generate route")
