"""Read from git: changed files with their content, and which files it tracks or ignores."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from dbswitch.project import git
from dbswitch.project.git import NO_PROGRAMS, GitError

if TYPE_CHECKING:
    from pathlib import Path

_DEADLINE = 60.0  # seconds, for the objects of a long range
_RAW = (
    *("--raw", "-z", "--no-abbrev", "--no-renames", "--diff-filter=ACMT"),
    # What configuration could change: paths relative to a folder, and a file of the order that may be missing.
    *("--no-relative", f"-O{os.devnull}"),
    *NO_PROGRAMS,
)
STAGED = ("diff", "--cached", *_RAW)


def between(revisions: str) -> tuple[str, ...]:
    """Return the arguments that list what differs between the ends of `A..B`."""
    return ("diff", *_RAW, "--end-of-options", revisions, "--")


def along(revisions: str) -> tuple[str, ...]:
    """Return the arguments that list what every commit of `A..B` changed, the newest first."""
    # `A...B` is what changed since the common ancestor, and that is what happened on B's side.
    plain = ("--format=", "--root", "--no-show-signature")
    return ("log", *plain, *_RAW, "--end-of-options", revisions.replace("...", ".."), "--")


def run(folder: Path, *arguments: str, stdin: bytes = b"") -> bytes:
    """Run git with the repository of the calling hook, if any. Raises GitError."""
    return git.run(folder, *arguments, stdin=stdin, from_hook=True, deadline=_DEADLINE)


def changed(root: Path, arguments: tuple[str, ...]) -> list[tuple[str, str]]:
    """Return (path, object name) of the regular files that `git diff --raw` or `git log --raw` lists. Raises GitError."""
    fields = run(root, *arguments).split(b"\0")
    found: list[tuple[str, str]] = []
    for at in range(0, len(fields) - 1, 2):
        _, mode, _, name, _ = fields[at].split(b" ", 4)
        if mode.startswith(b"100"):  # no symlink, no submodule
            found.append((os.fsdecode(fields[at + 1]), name.decode()))
    return found


def in_index(root: Path, paths: list[str]) -> list[tuple[str, str]]:
    """Return (path, object name) of those paths that the index has, leaving out files in conflict. Raises GitError."""
    if not paths:
        return []
    output = run(root, "--literal-pathspecs", "ls-files", "-z", "-s", "--", *paths)
    found: list[tuple[str, str]] = []
    for entry in output.split(b"\0"):
        facts, _, path = entry.partition(b"\t")
        if path and facts.endswith(b" 0"):
            found.append((os.fsdecode(path), facts.split(b" ")[1].decode()))
    return found


def contents(root: Path, entries: list[tuple[str, str]]) -> list[bytes]:
    """Return the contents of (path, object name) pairs, in their order.

    Raises:
        GitError: an object is missing or damaged.
    """
    if not entries:
        return []
    names = "".join(f"{name}\n" for _, name in entries)
    output = run(root, "cat-file", "--batch", stdin=names.encode())
    found: list[bytes] = []
    at = 0
    for path, _ in entries:
        end = output.find(b"\n", at)
        header = output[at:end].split()
        if end < 0 or len(header) != 3:  # `NAME missing`
            raise GitError(f"git cannot read the content of {path}", "git fsck")
        size = int(header[2])
        found.append(output[end + 1 : end + 1 + size])
        at = end + size + 2
    return found


def listed(folder: Path, paths: list[str]) -> tuple[frozenset[str], frozenset[str]]:
    """Return which of `paths` git tracks, and which it neither tracks nor ignores. Raises GitError."""
    if not paths:
        return frozenset(), frozenset()
    words = ("ls-files", "-z", "-t", "-c", "-o", "--exclude-standard")
    tracked: set[str] = set()
    unignored: set[str] = set()
    for entry in run(folder, "--literal-pathspecs", *words, "--", *paths).split(b"\0"):
        if entry:
            (unignored if entry.startswith(b"?") else tracked).add(os.fsdecode(entry[2:]))
    return frozenset(tracked), frozenset(unignored)


def work_tree(root: Path) -> frozenset[str]:
    """Return the files that git tracks or would add. Raises GitError."""
    return git.split_names(run(root, "ls-files", "-z", "-c", "-o", "--exclude-standard", "--deduplicate"))
