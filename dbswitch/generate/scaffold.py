"""`dbswitch init`: detect the project, plan the missing files, and write them. Never overwrites anything.

:func:`plan_init` decides and changes nothing; :func:`apply_init` writes exactly what the plan shows.
"""

from __future__ import annotations

import os
import re
import secrets
from typing import TYPE_CHECKING

from msgspec import Struct

from dbswitch.durable import (
    PRIVATE_FILE,
    ensure_state_dir,
    give_to_owner,
    make_folders,
    read_regular,
    replace_file,
)
from dbswitch.envfiles.precedence import DEV_FILES
from dbswitch.errors import ConfigError
from dbswitch.generate.init_report import active_target, found, next_steps, summary
from dbswitch.generate.package_scripts import add_scripts
from dbswitch.generate.writing import (
    READABLE,
    FileAction,
    PlannedFile,
    current_content,
    path_to_write,
    read_template,
)
from dbswitch.project.command_guard import judge_line
from dbswitch.project.discovery import STATE_DIR, load
from dbswitch.project.git import ignored_files
from dbswitch.project.packages import read_manifest
from dbswitch.project.targets import list_targets

if TYPE_CHECKING:
    from pathlib import Path

    from dbswitch.project.discovery import Project
    from dbswitch.project.target_sources import TargetRef

_IGNORE_ENTRIES = frozenset({f"{STATE_DIR}/", "env/*.env", ".env*.local", ".env", ".env.development"})
_IGNORE_HEADER = b"# dbswitch: values and state that belong to this machine"


class InitPlan(Struct, frozen=True):
    """What `dbswitch init` found and would write."""

    root: Path
    found: tuple[tuple[str, str], ...]  # (label, value) pairs for programs
    items: tuple[PlannedFile, ...]
    notices: tuple[str, ...] = ()  # what the user should check: files that git tracks, readers that disagree
    summary: tuple[str, ...] = ()  # what was found, in sentences
    next_steps: tuple[str, ...] = ()  # what to run or to edit after it

    @property
    def changes(self) -> tuple[PlannedFile, ...]:
        """The items that would write something."""
        return tuple(item for item in self.items if item.action is not FileAction.KEEP)


def plan_init(project_root: Path, *, scripts: bool = False) -> InitPlan:
    """Return what is missing in the project. Changes nothing; with `scripts` also plan `db:NAME` scripts.

    Raises:
        ConfigError: dbswitch.toml or package.json cannot be read, a target's name cannot be used, or a file to write
            is outside of the project.
        EnvFileError: an env file cannot be read.
    """
    project = load(project_root)
    targets = list_targets(project)
    items = [
        _create(project, "dbswitch.toml", "settings, all of them commented out", _template("dbswitch.toml")),
        _ignore(project),
        *_env_templates(project, targets),
        _create(project, f"{STATE_DIR}/token", "the key of the generated routes", new_token(), PRIVATE_FILE),
    ]
    notices = [
        f"git tracks {name}: a switch cannot keep its values out of a commit"
        for name in (sorted(project.tracked) if project.git_error is None else ())
        if name in {*DEV_FILES, "prisma/.env"} or name.startswith("env/")
    ]
    notices += _unguarded(project)
    if scripts:
        item = _scripts(project, targets)
        items.append(item)
        if item.action is FileAction.KEEP and item.old is not None and item.new is None:
            notices.append(item.detail)
    for item in items:
        if item.action is not FileAction.KEEP:
            path_to_write(project_root, item.name)
    on = active_target(project, targets)
    report = (found(project, targets, on), summary(project, targets, on), next_steps(project, targets, on))
    return InitPlan(project_root, report[0], tuple(items), (*notices, *project.notices), *report[1:])


def _unguarded(project: Project) -> list[str]:
    """Return advice for the scripts of package.json that destroy data themselves and have no guard."""
    scripts = read_manifest(project.root).scripts
    return [
        f"the script {name} destroys data: with `dbswitch guard -- ` before its command it is refused on a protected target"
        for name, line in scripts.items()
        if "dbswitch guard" not in line and judge_line(line, {}).destroys
    ]


def apply_init(plan: InitPlan) -> tuple[str, ...]:
    """Write what the plan shows and return the names of what was written.

    Raises:
        ConfigError: a file appeared or changed since the plan was made (it is left alone), or cannot be written.
            Nothing was written if one is outside of the project.
    """
    written: list[str] = []
    places = [(item, path_to_write(plan.root, item.name)) for item in plan.changes]
    for item, path in places:
        assert item.new is not None
        try:
            if item.name.startswith(f"{STATE_DIR}/"):
                ensure_state_dir(plan.root / STATE_DIR)
            if item.old is None:
                make_folders(path.parent)
                _create_file(path, item.new, item.mode)
            else:
                _replace(path, item.old, item.new)
        except OSError as error:
            reason = error.strerror or "it cannot be written"
            if isinstance(error, FileExistsError):
                reason = "it was created in the meantime"
            before = f"written before it: {', '.join(written)}" if written else "nothing was written"
            raise ConfigError(
                f"{item.name} was not written",
                facts=(reason, before),
                why="init never overwrites a file that it has not read",
                fix="dbswitch init",
            ) from None
        written.append(item.name)
    return tuple(written)


def new_token() -> bytes:
    """Return the content of a new token file: 32 random bytes in text form and a line end."""
    return f"{secrets.token_urlsafe(32)}\n".encode()


def ensure_token(state_dir: Path) -> bool:
    """Write the token (0600) where there is none; return whether it was written. Raises OSError."""
    ensure_state_dir(state_dir)
    path = state_dir / "token"
    if path.exists():
        return False
    replace_file(path, new_token())
    return True


def _create_file(path: Path, content: bytes, mode: int) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(fd, "wb") as stream:
        give_to_owner(path, fd)
        stream.write(content)


def _replace(path: Path, old: bytes, new: bytes) -> None:
    if read_regular(path) != old:
        raise FileExistsError
    replace_file(path, new, mode=path.stat().st_mode & 0o777)


def _template(name: str) -> bytes:
    return read_template(f"project/{name}").encode()


def _create(project: Project, name: str, detail: str, content: bytes, mode: int = READABLE) -> PlannedFile:
    if os.path.lexists(project.root / name):
        return PlannedFile(name, FileAction.KEEP, "exists already")
    return PlannedFile(name, FileAction.CREATE, detail, new=content, mode=mode)


def _env_templates(project: Project, targets: tuple[TargetRef, ...]) -> list[PlannedFile]:
    known = {name for ref in targets for name in (ref.name, *ref.aliases)}
    files = {name: f"env/{name}.env.example" for name in ("local", "prod")}
    return [
        _create(project, file, f"a template for the target {name}", _env_template(project, name))
        for name, file in files.items()
        if name not in known or (project.root / file).exists()
    ]


def _env_template(project: Project, name: str) -> bytes:
    content = _template(f"{name}.env.example").replace(b"DATABASE_URL", project.primary_variable.encode())
    named = project.prisma.url_variables if project.prisma is not None else ()
    for variable in named:
        if re.search(rb"^#? ?%s=" % variable.encode(), content, re.MULTILINE) is None:
            content += f'\n# Named by your Prisma schema or config.\n{variable}=""\n'.encode()
    return content


def template_files(project: Project) -> tuple[tuple[str, bytes], ...]:
    """Return name and content of every file that `init` writes from a template."""
    examples = [(f"env/{name}.env.example", _env_template(project, name)) for name in ("local", "prod")]
    return (("dbswitch.toml", _template("dbswitch.toml")), *examples)


def without_ignore_block(content: bytes) -> bytes:
    """Return a .gitignore without the lines that `init` added. Pure."""
    lines = content.splitlines(keepends=True)
    start = next((n for n, line in enumerate(lines) if line.rstrip(b"\r\n") == _IGNORE_HEADER), None)
    if start is None:
        return content
    end = start + 1
    while end < len(lines) and lines[end].rstrip(b"\r\n").decode(errors="replace") in _IGNORE_ENTRIES:
        end += 1
    if start and not lines[start - 1].strip():
        start -= 1  # the blank line above it
    return b"".join(lines[:start] + lines[end:])


def _ignore(project: Project) -> PlannedFile:
    old = current_content(project.root / ".gitignore")
    before = old or b""
    wanted = _ignore_entries(project, before)
    if not wanted:
        return PlannedFile(".gitignore", FileAction.KEEP, "has every entry")
    line_end = b"\r\n" if b"\r\n" in before else b"\n"
    lead = b"" if not before or before.endswith(b"\n") else line_end
    block = line_end.join([_IGNORE_HEADER, *(entry.encode() for entry in wanted), b""])
    new = before + lead + (line_end if before else b"") + block
    action = FileAction.CREATE if old is None else FileAction.APPEND
    return PlannedFile(".gitignore", action, ", ".join(wanted), new, old)


def _ignore_entries(project: Project, gitignore: bytes) -> tuple[str, ...]:
    """Return the entries that are missing; git says what is ignored, outside of a repository the file's lines."""
    samples = {
        f"{STATE_DIR}/token": f"{STATE_DIR}/",
        "env/local.env": "env/*.env",
        "env/prod.env": "env/*.env",
        ".env.local": ".env*.local",
        ".env.development.local": ".env*.local",
    }
    own = (".env", ".env.development")
    samples |= {name: name for name in own if (project.root / name).is_file() and name not in project.tracked}
    lines = {line.strip().decode(errors="replace").lstrip("/") for line in gitignore.splitlines()}
    ignored = ignored_files(project.root, tuple(samples))
    if ignored is None:
        ignored = frozenset(name for name in samples if name.startswith(".env") and ".env*" in lines)
    missing = (entry for name, entry in samples.items() if name not in ignored and entry not in lines)
    return tuple(dict.fromkeys(missing))


def _scripts(project: Project, targets: tuple[TargetRef, ...]) -> PlannedFile:
    path = project.root / "package.json"
    if project.manifest.path is None:
        return PlannedFile("package.json", FileAction.KEEP, "does not exist")
    old = read_regular(path)
    names = tuple(ref.name for ref in targets) or ("local", "prod")
    wanted = {f"db:{name}": f"dbswitch {name}" for name in names} | {"db:status": "dbswitch status"}
    new = add_scripts(old.decode("utf-8", "surrogateescape"), wanted)
    if new is None:
        detail = "package.json cannot be edited safely: add the scripts by hand"
        return PlannedFile("package.json", FileAction.KEEP, detail, old=old)
    content = new.encode("utf-8", "surrogateescape")
    if content == old:
        return PlannedFile("package.json", FileAction.KEEP, "has the scripts")
    return PlannedFile("package.json", FileAction.EDIT, ", ".join(wanted), content, old)
