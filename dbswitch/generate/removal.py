"""`dbswitch uninstall`: find what dbswitch wrote and remove it. What the user wrote or edited stays; env files are not in the plan."""

from __future__ import annotations

import contextlib
import os
import posixpath
import shutil
from collections.abc import Iterator
from pathlib import Path

from dbswitch.durable import read_regular, replace_file
from dbswitch.errors import ConfigError
from dbswitch.generate import scaffold, writing
from dbswitch.generate.file_edits import remove_ignored, remove_scripts
from dbswitch.generate.writing import REPLACED, FileAction, PlannedFile, ProjectPlan
from dbswitch.project.discovery import STATE_DIR, Project
from dbswitch.project.generated import find, generated_state
from dbswitch.project.source_imports import SourceImports


def plan_removal(project: Project) -> ProjectPlan:
    """Return what dbswitch wrote. Changes nothing. Raises ConfigError: a file cannot be read or is outside of it."""
    root = project.root
    generated = [_generated(root, path, kind) for path, kind in find(project).files]
    items = [*generated, *_templates(project), *_edited(root)]
    if os.path.lexists(root / REPLACED):
        items.append(_copies(root, generated))
    if os.path.lexists(root / STATE_DIR):
        items.append(PlannedFile(STATE_DIR, FileAction.REMOVE, "the token, logs and history"))
    plan = ProjectPlan(root, tuple(items), (*_broken_imports(root, generated), *_callers(root)))
    _check_paths(plan)
    return plan


def require_same(shown: ProjectPlan, now: ProjectPlan) -> None:
    """Make sure that `now` does to every file what was `shown`. Raises ConfigError."""
    # What is inside `.dbswitch` is removed in any case, and taking the lock creates it.
    before, after = ({(one.name, one.action) for one in plan.changes} for plan in (shown, now))
    changed = sorted({name for name, _ in before ^ after} - {STATE_DIR})
    if changed:
        raise ConfigError(
            "nothing was removed: the project has changed since it was examined",
            facts=tuple(f"{name} was changed" for name in changed),
            why="only what was shown is removed",
            fix="`dbswitch uninstall` examines it again",
        )


def apply_removal(plan: ProjectPlan, private_dir: Path | None = None) -> None:
    """Remove what the plan lists. Raises ConfigError: a file is outside of the project, or cannot be changed."""
    # The user's private folder for the project, then `.dbswitch`, which holds the lock, come last.
    _check_paths(plan)
    for item in plan.changes:
        path = plan.root / item.name
        if item.name == STATE_DIR and private_dir is not None:
            shutil.rmtree(private_dir, ignore_errors=True)
        try:
            if item.new is not None:
                real = writing.path_to_write(plan.root, item.name)
                replace_file(real, item.new, mode=real.stat().st_mode & 0o777)
            elif path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
                _remove_empty_folders(path.parent, plan.root)
        except OSError as error:
            raise ConfigError(
                f"{item.name} could not be removed",
                facts=(error.strerror or type(error).__name__,),
                fix="make it writable, then run `dbswitch uninstall` again",
            ) from None


def _generated(root: Path, path: str, kind: str) -> PlannedFile:
    if generated_state(writing.current_content(root / path)) in writing.OWN:
        return PlannedFile(path, FileAction.KEEP, "generated but edited since, so it is yours")
    original = writing.current_content(root / writing.kept_copy(path))
    if original is not None:
        return PlannedFile(path, FileAction.RESTORE, "your file is restored", original)
    return PlannedFile(path, FileAction.REMOVE, f"generated ({kind})")


def _copies(root: Path, generated: list[PlannedFile]) -> PlannedFile:
    restored = {writing.kept_copy(one.name) for one in generated if one.action is FileAction.RESTORE}
    copies = {one.relative_to(root).as_posix() for one in (root / REPLACED).rglob("*") if not one.is_dir()}
    if copies <= {*restored, f"{REPLACED}/.gitignore"}:
        return PlannedFile(REPLACED, FileAction.REMOVE, "the copies of your files")
    return PlannedFile(REPLACED, FileAction.KEEP, "has copies that are not restored: remove it by hand")


def _check_paths(plan: ProjectPlan) -> None:
    for item in plan.changes:
        # Removing a symlink leaves the file behind it alone.
        writing.path_to_write(plan.root, posixpath.dirname(item.name) if item.new is None else item.name)


def _templates(project: Project) -> Iterator[PlannedFile]:
    for name, content in scaffold.template_files(project):
        found = writing.current_content(project.root / name)
        if found == content:
            yield PlannedFile(name, FileAction.REMOVE, "unchanged since `dbswitch init`")
        elif found is not None:
            yield PlannedFile(name, FileAction.KEEP, "edited, so it is yours: remove it by hand")


def _edited(root: Path) -> Iterator[PlannedFile]:
    ignore = writing.current_content(root / ".gitignore")
    left = None if ignore is None else remove_ignored(ignore, scaffold.IGNORE_ENTRIES)
    if left is not None and left != ignore:
        action = FileAction.EDIT if left.strip() else FileAction.REMOVE
        yield PlannedFile(".gitignore", action, "the entries of dbswitch", left if left.strip() else None)
    manifest = writing.current_content(root / "package.json")
    if manifest is not None:
        text = manifest.decode("utf-8", "surrogateescape")
        shorter = remove_scripts(text)
        if shorter != text:
            content = shorter.encode("utf-8", "surrogateescape")
            yield PlannedFile("package.json", FileAction.EDIT, "the scripts `db:...`", content)


def _broken_imports(root: Path, generated: list[PlannedFile]) -> Iterator[str]:
    gone = {item.name for item in generated if item.action is FileAction.REMOVE}
    sources = SourceImports(root)
    for name in sorted(gone):
        for one in sources.of(name):
            if one.file not in gone:
                yield f"{one.file}:{one.line} imports {name}, which is removed: remove that import too"


def _callers(root: Path) -> Iterator[str]:
    for name in (".git/hooks/pre-commit", ".husky/pre-commit", ".pre-commit-config.yaml", "package.json"):
        with contextlib.suppress(OSError):  # no such file, or `.git` is one itself (a worktree)
            text = read_regular(root / name).decode("utf-8", "replace")
            if "dbswitch " in (remove_scripts(text) if name == "package.json" else text):
                yield f"{name} runs dbswitch and is yours: remove that by hand"


def _remove_empty_folders(folder: Path, root: Path) -> None:
    while folder != root and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent
