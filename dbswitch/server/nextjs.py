"""Next.js specifics: its lock file, who holds it, and how its dev command is run without a package manager."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from msgspec import Struct

from dbswitch.durable import read_object, read_regular_text, real_path_inside

_PROC_LOCKS = Path("/proc/locks")
_ENTRY = Path("node_modules/next/dist/bin/next")
_SHELL_SYNTAX = re.compile(r"[^\w\s./:@,+-]")  # anything else needs a shell: quotes, $, &, |, =, *, ...
_PORT = re.compile(r"(?:^|\s)(?:-p|--port)(?:=|\s+)(\d{1,5})(?=\s|$)")
_PORT_VARIABLE = re.compile(r"(?:^|\s)PORT=(\d{1,5})(?=\s)")
_HOST = re.compile(r"(?:^|\s)(?:-H|--hostname)(?:=|\s+)([\w.:-]+)(?=\s|$)")
_NEXT_IN_SCRIPT = re.compile(r"(?:^|[\s/])next(?:\s+dev)?(?=\s|$)")
_MANAGER_OPTIONS = re.compile(
    r"^\s*(node-options|script-shell|shell-emulator|enable-pre-post-scripts)\s*=", re.MULTILINE
)


def lock_path(dist_dir: Path) -> Path:
    """Return where `next dev` keeps its lock: an flock(2) on a file that is empty in 16.0 and JSON with pid and port later."""
    # A stale file never blocks a start; deleting it under a living server lets a second one into the same folder.
    return dist_dir / "dev" / "lock"


def own_lock_path(dist_dir: Path, root: Path) -> Path | None:
    """Return where the lock is, or None where that is outside of the project."""
    # A checkout may contain a symlink to another project's build folder, whose lock that project's server holds.
    path = lock_path(dist_dir)
    return None if real_path_inside(root, path) is None else path


@contextlib.contextmanager
def _opened(path: Path, flags: int) -> Iterator[int]:
    fd = os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        yield fd
    finally:
        os.close(fd)


def lock_is_held(path: Path) -> bool:
    """Say whether a living process holds the lock. Raises OSError other than a missing file."""
    try:
        with _opened(path, os.O_RDONLY) as fd:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def lock_holders(path: Path) -> frozenset[int]:
    """Return the pids that hold the lock: from `/proc/locks` by inode, else what the file says while it is held."""
    with contextlib.suppress(OSError):
        status = path.stat()
        if lock_is_held(path):
            if holders := _proc_locks(status):
                return holders
            named = read_object(path).get("pid")
            # In another pid namespace the number is another process's, so it has to have the file open.
            if isinstance(named, int) and named > 1 and _has_open(named, status):
                return frozenset({named})
    return frozenset()


def _has_open(pid: int, status: os.stat_result) -> bool:
    """Say whether the process has the file open; False if the system does not tell (another user's process)."""
    import psutil

    with contextlib.suppress(psutil.Error, OSError):
        return any(
            os.path.samestat(Path(one.path).stat(), status) for one in psutil.Process(pid).open_files()
        )
    return False


def _proc_locks(status: os.stat_result) -> frozenset[int]:
    try:
        text = _PROC_LOCKS.read_text(encoding="ascii")
    except OSError:
        return frozenset()
    found = set()
    for fields in map(str.split, text.splitlines()):
        # 1: FLOCK ADVISORY WRITE 9145 fe:00:123 0 EOF; a waiter has "->" in second place.
        if len(fields) < 6 or fields[1] != "FLOCK":
            continue
        major, minor, inode = fields[5].split(":")
        pid = int(fields[4])
        # Pid 0 or negative: the holder is in another pid namespace.
        if pid <= 1 or int(inode) != status.st_ino:
            continue
        same_device = os.makedev(int(major, 16), int(minor, 16)) == status.st_dev
        # Some file systems (btrfs, overlayfs) report another device to stat. The inode number alone is no proof: a file
        # of another file system may have the same one.
        if same_device or (os.major(status.st_dev) == 0 and _has_open(pid, status)):
            found.add(pid)
    return frozenset(found)


def remove_lock(path: Path) -> bool:
    """Remove the lock file when no process holds it, and while none can take it; say whether a file was removed."""
    # The exclusive flock is kept until after the removal, so a server that starts in between waits its turn: it retries
    # for a second, and then creates a new file.
    try:
        with _opened(path, os.O_RDWR) as fd:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not os.path.samestat(os.fstat(fd), path.stat()):
                return False
            path.unlink()
    except OSError:
        return False
    return True


class DevCommand(Struct, frozen=True):
    """How the dev server is started."""

    argv: tuple[str, ...]
    port_flag: bool  # it takes `-p PORT` appended; else it gets `PORT` in its environment
    port: int | None = None  # what the script itself says; None where it leaves that open
    hostname: str | None = None
    https: bool = False  # it answers TLS only
    is_next: bool = True


def dev_command(
    root: Path, scripts: Mapping[str, str], *, script: str = "dev", manager: str = "npm"
) -> DevCommand:
    """Return how to start the project's dev script: by the package manager, or, if it is a plain `next dev ...`, by node."""
    # npm and its shell cost 0.6 s and are two more processes.
    text = scripts.get(script, "").strip()
    port = _PORT.search(text) or _PORT_VARIABLE.search(f" {text}")
    host = _HOST.search(text)
    node = shutil.which("node")
    # Looked for as Node does: here, then in the folders above (a workspace).
    entry = next((entry for folder in (root, *root.parents) if (entry := folder / _ENTRY).is_file()), None)
    arguments = _plain_arguments(root, scripts, script, text)
    plain = arguments is not None and node is not None and entry is not None
    return DevCommand(
        argv=(str(node), str(entry), "dev", *(arguments or ())) if plain else (manager, "run", script),
        port_flag=plain,
        port=int(port[1]) if port else None,
        hostname=host[1] if host else None,
        https="--experimental-https" in text,
        is_next=_NEXT_IN_SCRIPT.search(text) is not None,
    )


def _plain_arguments(root: Path, scripts: Mapping[str, str], script: str, text: str) -> list[str] | None:
    """Return what follows `next dev`, without the port; None if the script does more than that."""
    command, *words = text.split() or [""]
    hooked = f"pre{script}" in scripts or f"post{script}" in scripts
    if command != "next" or hooked or _SHELL_SYNTAX.search(text.replace("=", "")):
        return None
    with contextlib.suppress(OSError, UnicodeDecodeError):
        if _MANAGER_OPTIONS.search(read_regular_text(root / ".npmrc")):
            return None
    if words and words[0] == "dev":
        words = words[1:]
    elif words and not words[0].startswith(("-", ".", "/")):
        return None  # another command: next start, next build
    return _PORT.sub(" ", " ".join(words)).split()
