"""Every git command of dbswitch, run so that it executes nothing that a repository's configuration names."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import stat
import subprocess
from pathlib import Path

from dbswitch.durable import open_regular

_DEADLINE = 10.0  # seconds; git answers in milliseconds, a hung file system must not hang a switch
_IGNORING = frozenset({"check-ignore", "--exclude-standard"})  # arguments that make git read .gitignore
_HARDENING = (
    "--no-pager", "--no-replace-objects", "-c", "core.fsmonitor=false", "-c", f"core.hooksPath={os.devnull}",
    "-c", "protocol.allow=never", "-c", "safe.bareRepository=explicit", "-c", "log.showSignature=false", "-c", "diff.external=",
)  # fmt: skip
# Further flags of `git diff` and `git log`: no external diff, no textconv, no gpg, no process in a submodule.
NO_PROGRAMS = ("--no-ext-diff", "--no-textconv", "--ignore-submodules=all")
# What git tells a hook (`git rev-parse --local-env-vars`). GIT_DIR alone would make the current folder the work tree.
_HOOK_PATHS = ("GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY")
_WORK_TREE_PATHS = ("GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR")
_KEPT = ("GIT_CONFIG", "GIT_CEILING_DIRECTORIES", "GIT_DISCOVERY_ACROSS_FILESYSTEM", "GIT_EXEC_PATH")


class GitError(Exception):
    """git failed; the text says why, and `fix` what helps."""

    def __init__(self, what: str, fix: str = "git status") -> None:
        super().__init__(what)
        self.fix = fix


class NoRepositoryError(GitError):
    """git is not installed, or the folder is in no repository."""


def run(
    folder: Path,
    *arguments: str,
    stdin: bytes = b"",
    from_hook: bool = False,
    deadline: float = _DEADLINE,
    successes: tuple[int, ...] = (0,),
) -> bytes:
    """Run git in `folder`, killed after `deadline` seconds; return its stdout. Raises NoRepositoryError or GitError.

    `from_hook`: use the repository and the index that git named in the environment of a hook, which need not be those of
    `folder`. `successes` are the exit codes that are not errors.
    A relative entry of PATH (`./node_modules/.bin`) would let the checkout provide git.
    """
    program = shutil.which("git", path=os.pathsep.join(filter(os.path.isabs, os.get_exec_path())))
    if program is None:
        raise NoRepositoryError("git is not installed")
    named = next(one for one in arguments if not one.startswith("-"))
    if not _IGNORING.isdisjoint(arguments):
        _require_readable_ignore_file(folder)
    command = [program, "-C", os.fspath(folder), *_HARDENING, *_ownership(folder), *arguments]
    try:
        done = subprocess.run(
            command,
            input=stdin,
            capture_output=True,
            env=_environment(from_hook=from_hook),
            timeout=deadline,
            check=False,
        )
    except OSError as error:
        raise NoRepositoryError(f"git cannot be started ({error.strerror})") from error
    except subprocess.TimeoutExpired:
        raise GitError(f"git {named} did not finish within {deadline:g} s") from None
    said = done.stderr.decode("utf-8", "replace")
    # `git ls-files` of a sparse index reports an unreadable tree, leaves out its files and exits with 0.
    if done.returncode in successes and re.search(r"^(?:error|fatal): ", said, re.MULTILINE) is None:
        return done.stdout
    if "dubious ownership" in said or "unsafe repository" in said:
        found = re.search(r"repository (?:at )?\(?'(.*?)' ?(?:is owned|\n|$)", said)
        path = found[1] if found is not None else os.path.realpath(folder)
        raise GitError(
            f"git refuses to read the repository at {path}: another user owns it (dubious ownership)",
            f"if you trust its owner: git config --global --add safe.directory {shlex.quote(path)}",
        )
    if "not a git repository" in said:
        raise NoRepositoryError("no git repository here")
    raise GitError(f"git {named} failed with exit code {done.returncode}")


def _require_readable_ignore_file(folder: Path) -> None:
    """Raise GitError for a `.gitignore` that is a FIFO or a device: git would block on it until the deadline."""
    for parent in (folder, *folder.parents):
        path = parent / ".gitignore"
        with contextlib.suppress(OSError):
            if not stat.S_ISREG(mode := path.stat().st_mode) and not stat.S_ISDIR(mode):
                raise GitError(f"{path} is not a regular file, and git would wait for it", f"remove {path}")
        if os.path.lexists(parent / ".git"):
            return


def top_level(folder: Path) -> Path | None:
    """Return the top of the git work tree that `folder` is in, None without one. Raises GitError."""
    try:
        top = Path(os.fsdecode(run(folder, "rev-parse", "--show-toplevel", from_hook=True)[:-1]))
    except NoRepositoryError:
        return None
    # `core.worktree` can name any folder; findings are read from the work tree and --fix writes into it.
    named = "GIT_WORK_TREE" in os.environ
    if not named and not (Path(os.path.realpath(folder)).is_relative_to(top) and (top / ".git").exists()):
        raise GitError(f"the repository configures {top} as its work tree, which does not contain {folder}")
    return top


def tracked_files(root: Path, patterns: tuple[str, ...]) -> frozenset[str]:
    """Return the tracked files under `root` that match git pathspecs, relative to it; none without git. Raises GitError."""
    try:
        return split_names(run(root, "ls-files", "-z", "--", *patterns))
    except NoRepositoryError:
        return frozenset()


def ignored_files(root: Path, names: tuple[str, ...]) -> frozenset[str] | None:
    """Return those of `names` that git would ignore, whether they exist or not; None if git fails."""
    words = ("check-ignore", "-z", "--no-index", "--stdin")
    try:  # exit code 1: none of them is ignored
        return split_names(run(root, *words, stdin=os.fsencode("\0".join((*names, ""))), successes=(0, 1)))
    except GitError:
        return None


def split_names(output: bytes) -> frozenset[str]:
    """Return the paths of NUL-separated output."""
    return frozenset(os.fsdecode(name) for name in output.split(b"\0") if name)


def _environment(*, from_hook: bool) -> dict[str, str]:
    own = (key for key in os.environ if not key.startswith("GIT_") or key.startswith(_KEPT))
    environment = {key: os.environ[key] for key in own}
    if from_hook:
        names = (*_HOOK_PATHS, *(_WORK_TREE_PATHS if "GIT_WORK_TREE" in os.environ else ()))
        # git gives them to a hook relative to where the hook runs.
        environment |= {key: os.path.abspath(os.environ[key]) for key in names if key in os.environ}  # noqa: PTH100  a symlink is not resolved
        if alternates := os.environ.get("GIT_ALTERNATE_OBJECT_DIRECTORIES"):
            environment["GIT_ALTERNATE_OBJECT_DIRECTORIES"] = alternates
    return environment | {
        # A missing object is not fetched; git before 2.39.4 does not know this variable.
        "GIT_NO_LAZY_FETCH": "1",
        # No transport is allowed. A fixed name could be allowed by the repository: `alias.remote-none` with `none::url`.
        "GIT_ALLOW_PROTOCOL": f"none-{os.urandom(8).hex()}",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "LC_ALL": "C",
    }


def _ownership(folder: Path) -> tuple[str, ...]:
    """Return the configuration that lets root read a repository whose parts all belong to one other user."""
    # In a container root works in the folder of another user; nothing else overrides git's own ownership check.
    if os.geteuid() != 0:
        return ()
    here = Path(os.path.realpath(folder))
    parent = next((one for one in (here, *here.parents) if os.path.lexists(one / ".git")), None)
    if parent is None:
        return ()
    entry = parent / ".git"
    try:
        owners = {path.lstat().st_uid for path in (here, parent, entry, _git_directory(entry))}
    except (OSError, ValueError):  # ValueError: a path with NUL in a `.git` file
        return ()
    return ("-c", f"safe.directory={parent}") if len(owners) == 1 else ()


def _git_directory(entry: Path) -> Path:
    """Return the directory that a `.git` directory, file or symlink leads to."""
    if not entry.is_file():
        return Path(os.path.realpath(entry))
    with open_regular(entry) as file:
        target = file.read(4096).removeprefix(b"gitdir:").strip()
    return Path(os.path.realpath(entry.parent / os.fsdecode(target)))
