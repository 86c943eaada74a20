"""The one place that talks to git. Light: `dbswitch check` runs in a hook, and `subprocess` alone costs it a quarter.

git is started without a shell; everything is exchanged NUL-separated or by length, so a path may hold anything.
"""

from __future__ import annotations

import os

from dbswitch.project.git_owner import ANY_OWNER

_CHUNK = 1 << 16
_HOOK_PATHS = ("GIT_INDEX_FILE", "GIT_DIR", "GIT_WORK_TREE")
_AT_ONCE = 200  # object names written before their contents are read; far below what a pipe holds


class GitError(Exception):
    """git is missing, this is no repository, or it refused. Holds the first words of the command."""


class Running:
    """A started git: its pid, what it prints, and what can be written to it."""

    __slots__ = ("_ended", "_pid", "_words", "source", "target")

    def __init__(self, words: tuple[str, ...], folder: str) -> None:
        given, self.target = os.pipe()
        self.source, printed = os.pipe()
        environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
        for name in _HOOK_PATHS:
            if name in environment:  # git gives them to a hook relative to where the hook runs
                environment[name] = os.path.abspath(environment[name])  # noqa: PTH100  pathlib is not loaded in a hook
        null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
        actions = [
            (os.POSIX_SPAWN_DUP2, given, 0),
            (os.POSIX_SPAWN_DUP2, printed, 1),
            (os.POSIX_SPAWN_DUP2, null, 2),
        ]
        self._words = words
        self._ended = False
        try:
            self._pid = os.posix_spawnp(
                "git", ("git", "-C", folder, *ANY_OWNER, *words), environment, file_actions=actions
            )
        except OSError as error:
            os.close(self.target)
            os.close(self.source)
            raise GitError("git cannot be started") from error
        finally:
            for descriptor in (given, printed, null):
                os.close(descriptor)

    def read_to_end(self) -> bytes:
        """Return everything it still prints, and end it.

        Raises:
            GitError: it failed.
        """
        os.close(self.target)
        chunks = []
        while chunk := os.read(self.source, _CHUNK):
            chunks.append(chunk)
        if self._wait() != 0:
            raise GitError(f"git {self._words[0]} failed")
        return b"".join(chunks)

    def abandon(self) -> None:
        """End it, whatever it has printed; nothing to do where it has ended."""
        if not self._ended:
            os.close(self.target)
            self._wait()

    def _wait(self) -> int:
        self._ended = True
        os.close(self.source)  # it ends at its next write, or for want of input
        return os.waitpid(self._pid, 0)[1]


class Blobs:
    """`git cat-file --batch`: contents by object name, through one process."""

    __slots__ = ("_git", "_rest")

    def __init__(self, folder: str) -> None:
        self._git = Running(("cat-file", "--batch"), folder)
        self._rest = b""

    def read(self, names: list[str]) -> list[bytes]:
        """Return the contents in the order of `names`; an empty one for an object that is missing.

        Raises:
            GitError: git ended early.
        """
        found: list[bytes] = []
        for first in range(0, len(names), _AT_ONCE):
            part = names[first : first + _AT_ONCE]
            os.write(self._git.target, os.fsencode("".join(f"{name}\n" for name in part)))
            for _ in part:
                header = self._line().split()
                # A name that is missing is repeated, and may hold spaces: `:my app/.env missing`.
                found.append(self._take(int(header[2])) if header[-1].isdigit() else b"")
        return found

    def abandon(self) -> None:
        """End it."""
        self._git.abandon()

    def _line(self) -> bytes:
        while b"\n" not in self._rest:
            self._more()
        line, _, self._rest = self._rest.partition(b"\n")
        return line

    def _take(self, size: int) -> bytes:
        chunks = [self._rest]
        have = len(self._rest)
        while have <= size:  # the line end behind the content is read as well
            chunk = os.read(self._git.source, _CHUNK)
            if not chunk:
                raise GitError("git cat-file ended early")
            chunks.append(chunk)
            have += len(chunk)
        whole = b"".join(chunks)
        self._rest = whole[size + 1 :]
        return whole[:size]

    def _more(self) -> None:
        chunk = os.read(self._git.source, _CHUNK)
        if not chunk:
            raise GitError("git cat-file ended early")
        self._rest += chunk


def changed(output: bytes) -> list[tuple[str, str]]:
    """Return (path, object name) of the regular files in the output of `git diff --raw -z --no-abbrev`. Pure."""
    fields = output.split(b"\0")
    found: list[tuple[str, str]] = []
    for at in range(0, len(fields) - 1, 2):
        _, mode, _, name, _ = fields[at].split(b" ", 4)
        if mode.startswith(b"100"):  # no symlink, no submodule
            found.append((os.fsdecode(fields[at + 1]), name.decode()))
    return found


_RAW = ("--raw", "-z", "--no-abbrev", "--no-renames", "--no-ext-diff", "--diff-filter=ACMT")
# What a person's configuration could change: paths relative to a folder, and a file of the order that may be missing.
_PLAIN = (*_RAW, "--no-relative", f"-O{os.devnull}")
STAGED = ("diff", "--cached", *_PLAIN)


def between(revisions: str) -> tuple[str, ...]:
    """Return the words that list what differs between the ends of `A..B`."""
    return ("diff", *_PLAIN, "--end-of-options", revisions, "--")


def along(revisions: str) -> tuple[str, ...]:
    """Return the words that list what every commit of `A..B` changed, the newest first."""
    # `A...B` is what changed since the common ancestor, and that is what happened on B's side.
    return ("log", "--format=", *_PLAIN, "--end-of-options", revisions.replace("...", ".."), "--")


def listing(paths: list[str]) -> tuple[str, ...]:
    """Return the words that list which of `paths` git tracks (`H`) or sees without ignoring them (`?`)."""
    return ("--literal-pathspecs", "ls-files", "-z", "-t", "-c", "-o", "--exclude-standard", "--", *paths)


def listed(output: bytes) -> tuple[set[str], set[str]]:
    """Return (tracked, neither tracked nor ignored) of the output of :func:`listing`. Pure."""
    tracked: set[str] = set()
    loose: set[str] = set()
    for entry in output.split(b"\0"):
        if entry:
            (loose if entry.startswith(b"?") else tracked).add(os.fsdecode(entry[2:]))
    return tracked, loose
