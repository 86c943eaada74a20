"""Collects the input of the rules: content of the index, a range or the work tree, and facts about the apps in it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from dbswitch.check import text_kinds
from dbswitch.check.content_rules import SHORTEST_SECRET
from dbswitch.check.rules import App, CheckInput, ProtectedTarget, Scope, SecretValue
from dbswitch.check.text_kinds import as_utf8, is_env_file, is_example, is_generated, is_installed
from dbswitch.database.url import DatabaseUrl
from dbswitch.durable import read_regular
from dbswitch.errors import ConfigError, DbswitchError, UrlError, UsageError
from dbswitch.project import git
from dbswitch.project.active_target import active
from dbswitch.project.discovery import Project, apps_below, discover, load
from dbswitch.project.git import NO_PROGRAMS, GitError, top_level
from dbswitch.project.reader_profiles import profiles
from dbswitch.project.target_sources import TargetRef, is_postgres
from dbswitch.project.targets import Target, list_targets, resolve_ref, variable_names

_MAX_BYTES = 2 << 20  # a larger file is a dump or a bundle, not source code
_PRIVATE = (".env", ".env.local", ".env.development", ".env.development.local", ".env.production.local")
_PRIVATE_FOLDERS = (".dbswitch/", "env/")
_DEADLINE = 60.0  # seconds, for the objects of a long range
_RAW = (
    *("--raw", "-z", "--no-abbrev", "--no-renames", "--diff-filter=ACMT"),
    # What configuration could change: paths relative to a folder, and a file of the order that may be missing.
    *("--no-relative", f"-O{os.devnull}"),
    *NO_PROGRAMS,
)
_STAGED = ("diff", "--cached", *_RAW)
_BETWEEN = ("diff", *_RAW, "--end-of-options")  # what differs between the ends of `A..B`
# What every commit of `A..B` changed, the newest first.
_ALONG = ("log", "--format=", "--root", "--no-show-signature", *_RAW, "--end-of-options")


def collect(
    scope: Scope,
    folder: Path,
    *,
    revisions: str = "",
    paths: tuple[str, ...] = (),
    every_variable: bool = False,
    ambient: Mapping[str, str],
) -> CheckInput:
    """Return the facts. Raises UsageError, ConfigError, or GitError: git cannot list what is staged, tracked or in the range.

    `revisions` is `A..B` for `Scope.RANGE`; `paths`, relative to `folder`, are the only files looked at, () is all.
    """
    work_tree = top_level(folder)
    if work_tree is None and scope is not Scope.TREE:
        raise UsageError(
            "no git repository here",
            facts=(f"searched from {folder} upwards",),
            why="dbswitch check reads the staged content of a commit",
            fix="`dbswitch check --all` checks the files in the folder",
        )
    root = work_tree or folder
    chosen = frozenset(Path(os.path.abspath(folder / path)).relative_to(root).as_posix() for path in paths)  # noqa: PTH100  a symlink is judged by its own name
    content = _content(scope, root, work_tree is not None, revisions)
    earlier: list[tuple[str, bytes]] = []
    if scope is Scope.RANGE:
        # What a commit of the range had and its end has not stays in the history.
        changed = _changed(root, *_ALONG, revisions.replace("...", ".."), "--")
        before = _contents(root, list(dict.fromkeys(changed)))
        earlier = [(path, data) for path, data in before if content.get(path) != data]
    projects = _projects(folder, root)
    apps = tuple(_app(project, root, in_git=work_tree is not None, ambient=ambient) for project in projects)
    others = {app.folder + name: data for app in apps for name, data in {**app.files, **app.examples}.items()}
    if scope is Scope.INDEX:
        # What the index holds of tracked files; their work tree may differ.
        tracked = [app.folder + name for app in apps for name in sorted(app.tracked)]
        others.update(_contents(root, _in_index(root, tracked)))
    return CheckInput(
        scope=scope,
        content={path: as_utf8(data) for path, data in content.items() if not chosen or path in chosen},
        apps=apps,
        others={path: as_utf8(data) for path, data in others.items()},
        excluded=tuple(_prefix(app.root, root) + one for app in projects for one in app.config.check.exclude),
        every_variable=every_variable,
        earlier=tuple((path, as_utf8(data)) for path, data in earlier if not chosen or path in chosen),
    )


def _prefix(folder: Path, root: Path) -> str:
    relative = os.path.relpath(folder, root).replace(os.sep, "/")
    return "" if relative == "." else f"{relative}/"


def _content(scope: Scope, root: Path, in_git: bool, revisions: str) -> dict[str, bytes]:  # noqa: FBT001  a fact, not a mode
    match scope:
        case Scope.INDEX:
            return dict(_contents(root, _changed(root, *_STAGED)))
        case Scope.RANGE:
            # git compares a single commit with the work tree, whose content is not in the object database.
            if ".." not in revisions.strip("."):
                raise _unknown_range(revisions)
            try:
                changed = _changed(root, *_BETWEEN, revisions, "--")
            except GitError:
                raise _unknown_range(revisions) from None
            return dict(_contents(root, changed))
        case Scope.TREE:
            listing = ("ls-files", "-z", "-c", "-o", "--exclude-standard", "--deduplicate")
            names = sorted(git.split_names(_git(root, *listing))) if in_git else _walk(root)
            found = {name: _read(root / name) for name in names if not is_installed(name)}
            return {name: data for name, data in found.items() if data is not None}


def _unknown_range(revisions: str) -> UsageError:
    what = f"git does not know the range {revisions}".rstrip()
    return UsageError(what, fix="give two commits, for example --rev origin/main..HEAD")


def _walk(root: Path) -> list[str]:
    names: list[str] = []
    for folder, folders, files in os.walk(root):
        here = Path(folder).relative_to(root)
        folders[:] = [name for name in folders if not is_generated((here / name).as_posix() + "/")]
        names.extend((here / name).as_posix() for name in files)
    return names


def _read(path: Path) -> bytes | None:
    """Return the content of a regular file of ordinary size; None for anything else, symlinks included."""
    try:
        return None if path.is_symlink() or path.stat().st_size > _MAX_BYTES else read_regular(path)
    except OSError:
        return None


def _projects(folder: Path, root: Path) -> tuple[Project, ...]:
    try:
        return (discover(folder),)
    except ConfigError as error:
        if error.what != "no project here":
            raise
    return tuple(load(app) for app in apps_below(root))


def _app(project: Project, root: Path, *, in_git: bool, ambient: Mapping[str, str]) -> App:
    top = sorted(path.name for path in project.root.iterdir())
    places = [path.relative_to(project.root).as_posix() for path in sorted(project.root.glob("env/*"))]
    names = [name for name in (*top, *places) if is_env_file(name)]
    names += [name for profile in profiles(project) for name in profile.files]
    # An env file may be a symlink; a FIFO that a password manager serves is not read in a hook.
    read = {name: _read(Path(os.path.realpath(project.root / name))) for name in dict.fromkeys(names)}
    found = {name: as_utf8(data) for name, data in read.items() if data is not None}
    real = {name: data for name, data in found.items() if not is_example(name)}
    tracked = unignored = frozenset[str]()
    if in_git:
        listed = [name for name in real if not name.startswith("../")]
        state = [project.state_dir.name] if project.state_dir.is_dir() else []
        tracked, unignored = _listed(project.root, [*listed, *state])
    refs = list_targets(project)
    try:
        on = active(project, ambient)
    except DbswitchError:  # an unreadable env file must not fail a commit
        on = None
    return App(
        project=project,
        folder=_prefix(project.root, root),
        files=real,
        examples={name: data for name, data in found.items() if name not in real},
        tracked=tracked & frozenset(real),
        unignored=frozenset(one for one in unignored if one.startswith(_PRIVATE_FOLDERS) or one in _PRIVATE),
        target_variables=variable_names(project, refs),
        profiles=profiles(project),
        protected_targets=tuple(_protected(project, refs, ambient)),
        protected=frozenset(ref.name for ref in refs if ref.protected),
        ambient=ambient,
        active=on,
    )


def _protected(
    project: Project, refs: Iterable[TargetRef], ambient: Mapping[str, str]
) -> Iterator[ProtectedTarget]:
    for ref in refs:
        if ref.protected and not ref.runs_command:  # a hook must not start a command that asks for a login
            with contextlib.suppress(DbswitchError):  # the rules about env files say what is wrong with it
                yield _texts_of(resolve_ref(project, ref, ambient=ambient))


def _texts_of(target: Target) -> ProtectedTarget:
    urls = [target.url]
    secrets: list[SecretValue] = []
    for key, value in target.variables.items():
        if is_postgres(value):
            with contextlib.suppress(UrlError):  # the rules about env files say what is wrong with it
                urls.append(DatabaseUrl.parse(value, name=key))
        elif "://" not in value and text_kinds.looks_generated(value):
            secrets.append(SecretValue(key, value))
    passwords = dict.fromkeys(url.password.reveal() for url in urls)
    real = (one for one in passwords if not text_kinds.is_placeholder(one))
    secrets = [*(SecretValue("password", one) for one in real), *secrets]
    long = tuple(one for one in secrets if len(one.text) >= SHORTEST_SECRET)
    hosts = dict.fromkeys(url.host for url in urls)
    own = (one for one in hosts if not text_kinds.is_local_host(one) and not text_kinds.is_shared_host(one))
    return ProtectedTarget(target.name, long, tuple(own))


def _git(folder: Path, *arguments: str, stdin: bytes = b"") -> bytes:
    return git.run(folder, *arguments, stdin=stdin, from_hook=True, deadline=_DEADLINE)


def _changed(root: Path, *arguments: str) -> list[tuple[str, str]]:
    """Return (path, object name) of the regular files that `git diff --raw` or `git log --raw` lists. Raises GitError."""
    fields = _git(root, *arguments).split(b"\0")
    return [
        (os.fsdecode(path), facts.split(b" ")[3].decode())
        for facts, path in zip(fields[::2], fields[1::2], strict=False)
        if facts.split(b" ")[1].startswith(b"100") and not is_installed(os.fsdecode(path))
    ]


def _in_index(root: Path, paths: list[str]) -> list[tuple[str, str]]:
    """Return (path, object name) of those paths that the index has, leaving out files in conflict. Raises GitError."""
    if not paths:
        return []
    output = _git(root, "--literal-pathspecs", "ls-files", "-z", "-s", "--", *paths)
    entries = (entry.partition(b"\t") for entry in output.split(b"\0"))
    return [
        (os.fsdecode(path), facts.split(b" ")[1].decode())
        for facts, _, path in entries
        if path and facts.endswith(b" 0")
    ]


def _contents(root: Path, entries: list[tuple[str, str]]) -> list[tuple[str, bytes]]:
    """Return path and content of (path, object name) pairs. Raises GitError if an object is missing or damaged."""
    if not entries:
        return []
    names = "".join(f"{name}\n" for _, name in entries)
    output = _git(root, "cat-file", "--batch", stdin=names.encode())
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


def _listed(folder: Path, paths: list[str]) -> tuple[frozenset[str], frozenset[str]]:
    """Return which of `paths` git tracks, and which it neither tracks nor ignores. Raises GitError."""
    if not paths:
        return frozenset(), frozenset()
    words = ("ls-files", "-z", "-t", "-c", "-o", "--exclude-standard")
    entries = _git(folder, "--literal-pathspecs", *words, "--", *paths).split(b"\0")
    tracked = frozenset(os.fsdecode(one[2:]) for one in entries if one and not one.startswith(b"?"))
    return tracked, frozenset(os.fsdecode(one[2:]) for one in entries if one.startswith(b"?"))
