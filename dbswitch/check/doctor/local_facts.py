"""Programs and packages, the dev server, its ports and locks, the files; read only. Programs are asked for their version."""

from __future__ import annotations

import contextlib
import os
import platform
import pwd
import shutil
import stat
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from msgspec.structs import replace

from dbswitch import __version__, durable, state_folder
from dbswitch.check.doctor import doctor_facts as f
from dbswitch.database.url import DatabaseUrl
from dbswitch.durable import parse_json, read_regular_text
from dbswitch.envfiles import readers
from dbswitch.envfiles.precedence import DEV_FILES
from dbswitch.errors import UrlError
from dbswitch.project import generated
from dbswitch.project.discovery import Project
from dbswitch.project.packages import LOCK_FILES, boundary, installed_manifest
from dbswitch.project.reader_profiles import all_profiles
from dbswitch.project.server_launch import build
from dbswitch.server import nextjs
from dbswitch.server.observation import changed_since_start, observe
from dbswitch.server.ports import user_name

_SHOWN: Final = {
    "next": "Next.js",
    "prisma": "Prisma CLI",
    "@prisma/client": "Prisma client",
    "@prisma/adapter-pg": "Prisma adapter",
    "@prisma/adapter-neon": "Prisma adapter",
    "typescript": "TypeScript",
}
_ASKING_FOR_NODE: Final = ("next", "prisma", "@prisma/client")
_NODE_PINS: Final = (".nvmrc", ".node-version")
_ASK: Final = 1.0  # seconds for each of at most two requests to the server
# Asking for a version must not download one (corepack), nor write a log or check for updates (npm).
_QUIET: Final = {
    "COREPACK_ENABLE_NETWORK": "0",
    "COREPACK_ENABLE_DOWNLOAD_PROMPT": "0",
    "npm_config_update_notifier": "false",
    "npm_config_logs_max": "0",
}


# As the Prisma CLI finds its URL. The configuration may print something: the answer is the last line.
_PRISMA_LOADER: Final = """
const { createRequire } = require("node:module");
const prisma = createRequire(createRequire(process.cwd() + "/package.json").resolve("prisma/package.json"));
prisma("@prisma/config").loadConfigFromFile({ configRoot: process.cwd() }).then(
  (found) => process.stdout.write("\\n" + JSON.stringify(found.config.datasource.url), () => process.exit()));
"""


def program_version(name: str, seconds: float) -> str | None:
    """Return what `NAME --version` says; None where the program is missing, fails, or takes longer than `seconds`."""
    # It is asked in the root folder: in a project some package managers would fetch the version the project wants.
    words = _output([name, "--version"], "/", {**os.environ, **_QUIET}, seconds).split()
    return words[0].removeprefix("v")[:40] if words else None


def prisma_cli_url(project: Project, ambient: Mapping[str, str], seconds: float) -> str | None:
    """Return the URL that Prisma's own loader gets from `prisma.config.ts`, by running that file; None if it gets none."""
    # It is not run for another user than the one that the project belongs to.
    if project.prisma.config_file is None or project.root.stat().st_uid != os.geteuid():
        return None
    told = _output(["node", "-e", _PRISMA_LOADER], project.root, ambient, seconds)
    try:
        url = parse_json(told.rpartition("\n")[2])
    except ValueError:
        return None
    return url if isinstance(url, str) and url else None


def _output(command: list[str], folder: str | Path, environment: Mapping[str, str], seconds: float) -> str:
    """Return the standard output; "" where the program is missing, fails, or takes too long."""
    program = shutil.which(command[0])
    if program is None:
        return ""
    try:
        done = subprocess.run(
            [program, *command[1:]],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""


def read_machine(
    project: Project, node: str | None, manager: str | None, ambient: Mapping[str, str]
) -> f.MachineFacts:
    """Return the known versions, given those that Node and the package manager reported."""
    from psycopg import pq

    wanted, name = project.manifest.dependencies, project.packages.manager
    manifests = {package: installed_manifest(project.root, package) for package in _SHOWN}
    found = {package: one.get("version") for package, one in manifests.items()}
    installed = {package: version for package, version in found.items() if isinstance(version, str)}
    own = durable.read_object(project.root / "package.json")
    pinned = own.get("packageManager")
    chosen = f"chosen by {project.packages.manager_source}"
    if isinstance(pinned, str):
        chosen = f"package.json asks for {pinned.partition('+')[0]}"
    libpq = pq.version()
    versions = [
        f.Version("dbswitch", __version__, f"Python {platform.python_version()}"),
        f.Version("libpq", f"{libpq // 10000}.{libpq % 10000}", "used for probes"),
        f.Version("Node.js", node, _where("node")),
        f.Version(name, manager, f"{_where(name)}; {chosen}"),
    ]
    for package, shown in _SHOWN.items():
        if package in installed or package in wanted:
            source = f", package.json asks for {wanted[package]}" if package in wanted else ""
            versions.append(f.Version(shown, installed.get(package), f"{package}{source}"))
    asking = {f"{one} {installed[one]}": manifests[one] for one in _ASKING_FOR_NODE if one in installed}
    asking["package.json"] = own
    return f.MachineFacts(
        versions=tuple(versions),
        node=node,
        needs=tuple((who, need) for who, one in asking.items() if (need := _engine(one))),
        node_pin=_node_pin(project.root),
        manager_found=shutil.which(name) is not None,
        lock_files=tuple(file for file, _ in LOCK_FILES if (project.root / file).is_file()),
        installed=installed,
        node_env=ambient.get("NODE_ENV") or None,
        inside_next="__NEXT_PROCESSED_ENV" in ambient,
    )


def _where(program: str) -> str:
    return shutil.which(program) or "not on the PATH"


def _engine(manifest: Mapping[str, Any]) -> str:
    engines = manifest.get("engines")
    wanted = engines.get("node") if isinstance(engines, dict) else None
    return wanted if isinstance(wanted, str) else ""


def _node_pin(root: Path) -> tuple[str, str] | None:
    for folder in boundary(root):
        for name in _NODE_PINS:
            try:
                text = read_regular_text(folder / name, errors="replace").strip()
            except OSError:
                continue
            return (name, text[:40]) if text else None
    return None


def look_at_server(
    project: Project, ambient: Mapping[str, str]
) -> tuple[f.ServerFacts, Mapping[str, str] | None]:
    """Return the server as it is now, and the environment it was launched with (full of secrets; None: not running)."""
    spec = build(project, ambient)
    spec = replace(spec, limits=replace(spec.limits, ask=_ASK))
    seen = observe(spec)
    lock = nextjs.lock_path(spec.dist_dir)
    env_files = [project.root / name for name in DEV_FILES]
    own = {one.process.pid for one in seen.processes}
    view = f.ServerFacts(
        spec,
        seen,
        next_lock="held" if _is_held(lock) else "free" if lock.is_file() else "none",
        lock_holders=tuple(sorted(nextjs.lock_holders(lock) - own)),
        stale=tuple(path.name for path in changed_since_start(seen, env_files)),
        switch=_switch(project.state_dir / state_folder.LOCK),
        unfinished=any(os.path.lexists(project.private_dir / name) for name in state_folder.UNFINISHED),
    )
    if seen.top is None or not seen.processes or not spec.argv:
        return view, None
    found = seen.launch_env()
    # What is left of a chain whose top died has the env files' old values in its environment.
    return view, None if "__NEXT_PROCESSED_ENV" in found else found


def _is_held(path: Path) -> bool:
    try:
        return nextjs.lock_is_held(path)
    except OSError:
        return False


def _switch(lock: Path) -> str | None:
    if not _is_held(lock):
        return None
    match durable.read_json(lock):
        case {"target": str(target), "process": {"pid": int(pid)}}:
            return f"dbswitch {target}, pid {pid}"
        case _:
            return "another dbswitch"


def look_at_files(project: Project) -> tuple[f.FileFacts, ...]:
    """Return the permissions of the env files and the state folder."""
    from_profiles = (name for profile in all_profiles(project) for name in profile.files)
    of_targets = sorted(f"env/{path.name}" for path in (project.root / "env").glob("*.env"))
    names = dict.fromkeys((*DEV_FILES, *from_profiles, *of_targets))
    found = (*(_file(project, name) for name in names), *_state_files(project))
    return tuple(one for one in found if one is not None)


def _state_files(project: Project) -> Iterator[f.FileFacts | None]:
    folder = project.state_dir
    if folder.is_dir():
        yield _file(project, folder.name, private_place=True)
        with contextlib.suppress(OSError):  # not readable
            for path in sorted(path for path in folder.iterdir() if path.is_file()):
                yield _file(project, f"{folder.name}/{path.name}", private_place=True)


def _file(project: Project, name: str, *, private_place: bool = False) -> f.FileFacts | None:
    path = project.root / name
    try:
        status = path.stat()
        real = path.resolve()
    except OSError:
        return None
    group, other = _outsiders(status, folder=path.is_dir())
    within_reach = _within_reach(real)
    return f.FileFacts(
        name=name,
        mode=stat.S_IMODE(status.st_mode),
        owner=user_name(status.st_uid),
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
    with contextlib.suppress(KeyError):
        if pwd.getpwuid(status.st_uid).pw_gid == status.st_gid:
            group = 0
    # In a folder with the sticky bit only the owner can rename a file.
    return (group & ~0o2, other & ~0o2) if folder and status.st_mode & stat.S_ISVTX else (group, other)


def _within_reach(path: Path) -> bool:
    try:
        return all(folder.stat().st_mode & stat.S_IXOTH for folder in path.parents)
    except OSError:
        return False


def _holds_secret(path: Path) -> bool:
    with contextlib.suppress(OSError):
        for value in readers.dotenv(durable.read_regular(path)).values():
            with contextlib.suppress(UrlError):
                url = DatabaseUrl.parse(value)
                if url.password and not url.is_local:
                    return True
    return False


def look_at_generated(project: Project, found: generated.Generated) -> tuple[f.GeneratedFacts, ...]:
    """Compare the files of `dbswitch generate` with this version."""
    seen = []
    for name, kind in found.files:
        with contextlib.suppress(OSError):
            state = generated.generated_state(durable.read_regular(project.root / name))
            # A header that is not at the very beginning is that of an edited file.
            foreign = state is generated.GeneratedState.FOREIGN
            seen.append(f.GeneratedFacts(name, kind, generated.GeneratedState.EDITED if foreign else state))
    return tuple(seen)
