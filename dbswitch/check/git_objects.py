"""Read from git: changed files with their content, and which files it tracks or ignores."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from dbswitch.check.text_kinds import is_installed
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
BETWEEN = ("diff", *_RAW, "--end-of-options")  # what differs between the ends of `A..B`
# What every commit of `A..B` changed, the newest first.
ALONG = ("log", "--format=", "--root", "--no-show-signature", *_RAW, "--end-of-options")


def run(folder: Path, *arguments: str, stdin: bytes = b"") -> bytes:
    """Run git with the repository of the calling hook, if any. Raises GitError."""
    return git.run(folder, *arguments, stdin=stdin, from_hook=True, deadline=_DEADLINE)


def changed(root: Path, *arguments: str) -> list[tuple[str, str]]:
    """Return (path, object name) of the files that `git diff --raw` or `git log --raw` lists. Raises GitError.

    Symlinks, submodules and what a package manager installed are left out.
    """
    fields = run(root, *arguments).split(b"\0")
    return [
        (os.fsdecode(path), facts.split(b" ")[3].decode())
        for facts, path in zip(fields[::2], fields[1::2], strict=False)
        if facts.split(b" ")[1].startswith(b"100") and not is_installed(os.fsdecode(path))
    ]


def in_index(root: Path, paths: list[str]) -> list[tuple[str, str]]:
    """Return (path, object name) of those paths that the index has, leaving out files in conflict. Raises GitError."""
    if not paths:
        return []
    output = run(root, "--literal-pathspecs", "ls-files", "-z", "-s", "--", *paths)
    entries = (entry.partition(b"\t") for entry in output.split(b"\0"))
    return [
        (os.fsdecode(path), facts.split(b" ")[1].decode())
        for facts, _, path in entries
        if path and facts.endswith(b" 0")
    ]


def contents(root: Path, entries: list[tuple[str, str]]) -> list[tuple[str, bytes]]:
    """Return path and content of (path, object name) pairs. Raises GitError if an object is missing or damaged."""
    if not entries:
        return []
    names = "".join(f"{name}\n" for _, name in entries)
    output = run(root, "cat-file", "--batch", stdin=names.encode())
    found: list[tuple[str, bytes]] = []
    at = 0
    for path, _ in entries:
        end = output.find(b"\n", at)
        header = output[at:end].split()
        if end < 0 or len(header) != 3:  # `NAME missing`
            raise GitError(f"git cannot read the content of {path}", "git fsck")
        size = int(header[2])
        found.append((path, output[end + 1 : end + 1 + size]))
        at = end + size + 2
    return found


def listed(folder: Path, paths: list[str]) -> tuple[frozenset[str], frozenset[str]]:
    """Return which of `paths` git tracks, and which it neither tracks nor ignores. Raises GitError."""
    if not paths:
        return frozenset(), frozenset()
    words = ("ls-files", "-z", "-t", "-c", "-o", "--exclude-standard")
    entries = run(folder, "--literal-pathspecs", *words, "--", *paths).split(b"\0")
    tracked = frozenset(os.fsdecode(one[2:]) for one in entries if one and not one.startswith(b"?"))
    return tracked, frozenset(os.fsdecode(one[2:]) for one in entries if one.startswith(b"?"))


def work_tree(root: Path) -> frozenset[str]:
    """Return the files that git tracks or would add. Raises GitError."""
    return git.split_names(run(root, "ls-files", "-z", "-c", "-o", "--exclude-standard", "--deduplicate"))
