"""The dev server, its ports, the locks, the files' permissions and the generated files; read only."""

from __future__ import annotations

import hashlib
import os
import pwd
import re
import stat
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from dbswitch import durable
from dbswitch.check.doctor.doctor_facts import FileFacts, GeneratedFacts, GeneratedState, NextLock, ServerView
from dbswitch.check.doctor.reader_databases import env_file_names

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from dbswitch.project.discovery import Project
    from dbswitch.server.lifecycle import Observation
    from dbswitch.server.spec import ServerSpec

# The version in the header that `dbswitch generate` writes; a test compares it with generate/header.py, which this package must not import.
GENERATED_VERSION: Final = 1
# Names of files in the state folders, which `switch/` writes.
_SWITCH_LOCK, _UNFINISHED = "lock", ("journal", "switch.json")
_ASK: Final = 1.0  # seconds for each of at most two requests to the server
_GENERATED: Final = re.compile(
    rb"// dbswitch:generated [a-z-]+ v(?P<version>\d+) sha256=(?P<digest>[0-9a-f]{64})\n"
)


def look_at_server(
    project: Project, ambient: Mapping[str, str]
) -> tuple[ServerView, Mapping[str, str] | None]:
    """Return the server as it is now, and the environment it was launched with (full of secrets; None: not running)."""
    from dbswitch.project.server_spec import build
    from dbswitch.server import nextjs
    from dbswitch.server.lifecycle import observe

    spec = build(project, ambient)
    spec = replace(spec, limits=replace(spec.limits, ask=_ASK))
    seen = observe(spec)
    own = {one.process.pid for one in seen.processes}
    lock = nextjs.lock_path(spec.dist_dir)
    holders = nextjs.lock_holders(lock)
    view = ServerView(
        state=seen.state,
        port=seen.port or spec.port,
        port_explicit=spec.port_explicit,
        url=seen.url,
        pids=tuple(one.process.pid for one in seen.processes),
        by_us=seen.by_us,
        listening=tuple(sorted(seen.listening)),
        watched=spec.watched_ports(seen.port),
        foreign=tuple((one.port, one.describe()) for one in seen.foreign),
        hidden=seen.hidden,
        next_lock=_next_lock(lock),
        lock_holders=tuple(sorted(holders - own)),
        stale=_stale(project, seen),
        switch=_switch(project.state_dir),
        unfinished=any(_exists(project.private_dir / name) for name in _UNFINISHED),
    )
    return view, _launched_with(spec, seen)


def _next_lock(path: Path) -> NextLock:
    from dbswitch.server import nextjs

    try:
        if nextjs.lock_is_held(path):
            return NextLock.HELD
    except OSError:
        return NextLock.NONE
    return NextLock.FREE if _exists(path) else NextLock.NONE


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # in an unreadable folder; its permissions are a separate finding
        return False


def _stale(project: Project, seen: Observation) -> tuple[str, ...]:
    from dbswitch.envfiles.precedence import DEV_FILES
    from dbswitch.server.observation import changed_since_start

    files = [project.root / name for name in DEV_FILES]
    return tuple(path.name for path in changed_since_start(seen, files))


def _switch(state_dir: Path) -> str | None:
    from dbswitch.server.nextjs import lock_is_held

    try:
        if not lock_is_held(state_dir / _SWITCH_LOCK):
            return None
    except OSError:
        return None
    match durable.read_json(state_dir / _SWITCH_LOCK):
        case {"target": str(target), "pid": int(pid)}:
            return f"dbswitch {target}, pid {pid}"
        case _:
            return "another dbswitch"


def _launched_with(spec: ServerSpec, seen: Observation) -> Mapping[str, str] | None:
    if seen.top is None or not seen.processes or not spec.argv:
        return None
    found = seen.launch_env()
    # What is left of a chain whose top died has the env files' old values in its environment.
    return None if "__NEXT_PROCESSED_ENV" in found else found


def look_at_files(project: Project) -> tuple[FileFacts, ...]:
    """Return the permissions of the env files and the state folder."""
    found = [_file(project, name) for name in env_file_names(project)]
    found += [_file(project, name, private_place=True) for name in _state_names(project.state_dir)]
    return tuple(one for one in found if one is not None)


def _state_names(folder: Path) -> Iterator[str]:
    if folder.is_dir():
        yield folder.name
        try:
            names = sorted(path.name for path in folder.iterdir() if path.is_file())
        except OSError:  # not readable
            return
        yield from (f"{folder.name}/{name}" for name in names)


def _file(project: Project, name: str, *, private_place: bool = False) -> FileFacts | None:
    path = project.root / name
    try:
        status = path.stat()
        real = path.resolve()
    except OSError:
        return None
    group, other = _outsiders(status, folder=path.is_dir())
    within_reach = _within_reach(real)
    return FileFacts(
        name=name,
        mode=stat.S_IMODE(status.st_mode),
        owner=_user(status.st_uid),
        readable=within_reach and bool((group | other) & 0o4),
        writable=within_reach and bool((group | other) & 0o2),
        # The file is replaced by a rename, so the permissions of its folder count too.
        ours=_may(path, os.R_OK | os.W_OK) and _may(real.parent, os.W_OK),
        secret=not private_place and _holds_secret(path),
        tracked=project.git_error is None and name in project.tracked,
        private_place=private_place,
    )


def _may(path: Path, rights: int) -> bool:
    # By default access(2) answers for the real user, but files are opened as the effective one.
    return os.access(path, rights, effective_ids=os.access in os.supports_effective_ids)


def _outsiders(status: os.stat_result, *, folder: bool) -> tuple[int, int]:
    """Return the rights of the group and of others; a group of the owner's alone counts as the owner."""
    group, other = (status.st_mode >> 3) & 0o7, status.st_mode & 0o7
    try:
        if pwd.getpwuid(status.st_uid).pw_gid == status.st_gid:
            group = 0
    except KeyError:
        pass
    # In a folder with the sticky bit only the owner can rename a file.
    return (group & ~0o2, other & ~0o2) if folder and status.st_mode & stat.S_ISVTX else (group, other)


def _within_reach(path: Path) -> bool:
    """Return whether others can traverse every parent folder."""
    try:
        return all(folder.stat().st_mode & stat.S_IXOTH for folder in path.parents)
    except OSError:
        return False


def _holds_secret(path: Path) -> bool:
    from dbswitch.database.url import DatabaseUrl
    from dbswitch.envfiles.document import Document
    from dbswitch.errors import DbswitchError
    from dbswitch.project.target_sources import is_postgres

    try:
        bindings = Document.parse(durable.read_regular(path)).bindings if path.is_file() else ()
    except (OSError, DbswitchError):
        return False
    for binding in bindings:
        try:
            url = DatabaseUrl.parse(binding.value) if is_postgres(binding.value) else None
        except DbswitchError:
            continue
        if url is not None and url.password and not url.is_local:
            return True
    return False


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def look_at_generated(project: Project) -> tuple[GeneratedFacts, ...]:
    """Compare the files of `dbswitch generate` with this version."""
    from dbswitch.project.generated import find

    found = []
    for name, kind in find(project).files:
        try:
            content = durable.read_regular(project.root / name)
        except OSError:
            continue
        found.append(GeneratedFacts(name, kind, generated_state(content)))
    return tuple(found)


def generated_state(content: bytes) -> GeneratedState:
    """Judge the content of a file that begins with the header of `dbswitch generate`. Pure."""
    plain = content.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n")
    header = _GENERATED.match(plain)
    if header is None or hashlib.sha256(plain[header.end() :]).hexdigest().encode() != header["digest"]:
        return GeneratedState.EDITED
    version = int(header["version"])
    if version == GENERATED_VERSION:
        return GeneratedState.CURRENT
    return GeneratedState.OUTDATED if version < GENERATED_VERSION else GeneratedState.NEWER
