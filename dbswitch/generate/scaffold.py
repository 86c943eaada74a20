"""`dbswitch init`: detect the project, plan the missing files, and write them. Never overwrites anything."""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path

from dbswitch import durable
from dbswitch.envfiles.precedence import DEV_FILES
from dbswitch.errors import ConfigError, DbswitchError
from dbswitch.generate import writing
from dbswitch.generate.file_edits import add_ignored, add_scripts
from dbswitch.generate.writing import READABLE, FileAction, PlannedFile, ProjectPlan
from dbswitch.project.active_target import Active, active
from dbswitch.project.command_guard import judge_line
from dbswitch.project.discovery import STATE_DIR, Project, load
from dbswitch.project.git import ignored_files
from dbswitch.project.packages import read_manifest
from dbswitch.project.prisma import PrismaInfo
from dbswitch.project.server_launch import NextInfo
from dbswitch.project.target_sources import TargetRef
from dbswitch.project.targets import list_targets

IGNORE_ENTRIES = frozenset({f"{STATE_DIR}/", "env/*.env", ".env*.local", ".env", ".env.development"})
_NOT_EDITED = "package.json cannot be edited safely: add the scripts by hand"


class InitPlan(ProjectPlan, frozen=True):
    """What `dbswitch init` found and would write."""

    found: tuple[tuple[str, str], ...] = ()  # (label, value) pairs for programs
    summary: tuple[str, ...] = ()  # what was found, in sentences
    next_steps: tuple[str, ...] = ()  # what to run or to edit after it


def plan_init(project_root: Path, *, scripts: bool = False) -> InitPlan:
    """Return what is missing in the project, with `scripts` also `db:NAME` scripts. Raises ConfigError, EnvFileError."""
    project = load(project_root)
    targets = list_targets(project)
    token = f"{STATE_DIR}/token"
    items = [
        _create(project, "dbswitch.toml", "settings, all of them commented out", _template("dbswitch.toml")),
        _ignore(project),
        *_env_templates(project, targets),
        _create(project, token, "the key of the generated routes", new_token(), durable.PRIVATE_FILE),
    ]
    notices = [
        f"git tracks {name}: a switch cannot keep its values out of a commit"
        for name in (sorted(project.tracked) if project.git_error is None else ())
        if name in {*DEV_FILES, "prisma/.env"} or name.startswith("env/")
    ]
    notices += _unguarded(project)
    if scripts:
        items.append(_scripts(project, targets))
        notices += [_NOT_EDITED] if items[-1].detail == _NOT_EDITED else []
    on = _active_target(project, targets)
    plan = InitPlan(
        root=project_root,
        items=tuple(items),
        notices=(*notices, *project.notices),
        found=_found(project, targets, on),
        summary=_summary(project, targets, on),
        next_steps=_next_steps(project, targets, on),
    )
    for item in plan.changes:
        writing.path_to_write(project_root, item.name)
    return plan


def _unguarded(project: Project) -> list[str]:
    scripts = read_manifest(project.root).scripts
    return [
        f"the script {name} destroys data: with `dbswitch guard -- ` before its command it is refused on a protected target"
        for name, line in scripts.items()
        if "dbswitch guard" not in line and judge_line(line, {}).destroys
    ]


def apply_init(plan: InitPlan) -> tuple[str, ...]:
    """Write what the plan shows; return the names of what was written.

    Raises ConfigError: a file appeared or changed since (it is left alone), cannot be written, or is outside of the project.
    """
    written: list[str] = []
    places = [(item, writing.path_to_write(plan.root, item.name)) for item in plan.changes]
    for item, path in places:
        assert item.new is not None
        try:
            if item.name.startswith(f"{STATE_DIR}/"):
                durable.ensure_state_dir(plan.root / STATE_DIR)
            if item.old is None:
                durable.make_folders(path.parent)
                owner = durable.owner_for_new_file(path.parent)
                durable.write_new_file(path, item.new, mode=item.mode, owner=owner)
            elif durable.read_regular(path) != item.old:
                raise FileExistsError
            else:
                durable.replace_file(path, item.new, mode=path.stat().st_mode & 0o777)
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


def ensure_token(project: Project) -> None:
    """Write the key of the generated routes (0600) where there is none. Raises ConfigError."""
    path = project.state_dir / "token"
    try:
        durable.ensure_state_dir(project.state_dir)
        if not path.exists():
            durable.replace_file(path, new_token())
    except OSError as error:
        raise ConfigError(
            "the key for the route cannot be written",
            facts=(f"{error.filename or project.state_dir}: {error.strerror}",),
            why="without it the route answers no request, not even dbswitch's",
            fix=f"make {project.root} writable for you, then generate the route again",
        ) from error


def _template(name: str) -> bytes:
    return writing.read_template(f"project/{name}").encode()


def _create(project: Project, name: str, detail: str, content: bytes, mode: int = READABLE) -> PlannedFile:
    if os.path.lexists(project.root / name):
        return PlannedFile(name, FileAction.KEEP, "already exists")
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
    for variable in project.prisma.url_variables:
        if re.search(rb"^#? ?%s=" % variable.encode(), content, re.MULTILINE) is None:
            content += f'\n# Named by your Prisma schema or config.\n{variable}=""\n'.encode()
    return content


def template_files(project: Project) -> tuple[tuple[str, bytes], ...]:
    """Return name and content of every file that `init` writes from a template."""
    examples = [(f"env/{name}.env.example", _env_template(project, name)) for name in ("local", "prod")]
    return (("dbswitch.toml", _template("dbswitch.toml")), *examples)


def _ignore(project: Project) -> PlannedFile:
    old = writing.current_content(project.root / ".gitignore")
    wanted = _ignore_entries(project, old or b"")
    if not wanted:
        return PlannedFile(".gitignore", FileAction.KEEP, "has every entry")
    action = FileAction.CREATE if old is None else FileAction.APPEND
    return PlannedFile(".gitignore", action, ", ".join(wanted), add_ignored(old or b"", wanted), old)


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
    old = durable.read_regular(path)
    names = tuple(ref.name for ref in targets) or ("local", "prod")
    wanted = {f"db:{name}": f"dbswitch {name}" for name in names} | {"db:status": "dbswitch status"}
    new = add_scripts(old.decode("utf-8", "surrogateescape"), wanted)
    if new is None:
        return PlannedFile("package.json", FileAction.KEEP, _NOT_EDITED)
    content = new.encode("utf-8", "surrogateescape")
    if content == old:
        return PlannedFile("package.json", FileAction.KEEP, "has the scripts")
    return PlannedFile("package.json", FileAction.EDIT, ", ".join(wanted), content, old)


def _active_target(project: Project, targets: tuple[TargetRef, ...]) -> Active | str | None:
    try:
        return active(project) if targets else None
    except DbswitchError as error:
        return error.what


def _summary(project: Project, targets: tuple[TargetRef, ...], on: Active | str | None) -> tuple[str, ...]:
    parts = [f"{name} {one.version}" for name, one in _used(project)]
    server = "It has no dev script, so dbswitch only changes its env files."
    if project.packages.dev_script:
        manager = project.packages.manager
        server = f"`{project.packages.dev_script}` is its dev server; dbswitch starts it with {manager}."
    present = _env_files(project)
    lines = [
        f"This project uses {' and '.join(parts) or 'neither Next.js nor Prisma'}.",
        server,
        f"Its env files: {present}." if present else "It has no env files yet.",
    ]
    for ref in targets:
        place = ", ".join(sorted({one.text for one in ref.places})) or "a database"
        protected = "; it is protected, so a switch to it asks first" if ref.protected else ""
        lines.append(f"{ref.name} is {place}, from {ref.source}{protected}.")
    if not targets:
        lines.append("It has no second database yet, so there is nothing to switch to.")
    elif isinstance(on, str):
        lines.append(f"It is not known which one is in use: {on}.")
    elif on is not None:
        lines.append(f"In use now: {on.text}.")
    return tuple(lines)


def _used(project: Project) -> list[tuple[str, NextInfo | PrismaInfo]]:
    next_js, prisma = project.next, project.prisma
    return [(name, one) for name, one in (("Next.js", next_js), ("Prisma", prisma)) if one and one.version]


def _env_files(project: Project) -> str:
    return ", ".join(name for name in DEV_FILES if (project.root / name).exists())


def _next_steps(project: Project, targets: tuple[TargetRef, ...], on: Active | str | None) -> tuple[str, ...]:
    current = on.target if on is not None and not isinstance(on, str) else None
    others = [ref.name for ref in targets if ref.name != current]
    if not targets:
        put = f"put both URLs into .env.local as {project.target_example}"
        return (
            f"{put}, or copy env/*.env.example to env/local.env and env/prod.env",
            "`dbswitch` then shows which database each program would use",
        )
    if not others:
        staging = f"{project.primary_variable}_STAGING=..."
        return (f"add a second database: {staging} beside the one in {targets[0].source}",)
    server = (
        "`dbswitch dev` starts the dev server; a dev server that is already running need not be restarted"
    )
    return (
        *((server,) if project.packages.dev_script else ()),
        f"`dbswitch {others[0]} --dry-run` shows what a switch to {others[0]} would change, `dbswitch {others[0]}` does it",
        "`dbswitch generate route` lets the app confirm which database it is on",
    )


def _found(
    project: Project, targets: tuple[TargetRef, ...], on: Active | str | None
) -> tuple[tuple[str, str], ...]:
    missing = " (not installed yet)"
    files = ", ".join(project.prisma.env_files) or "no env file"
    return (
        *((name, one.version + ("" if one.installed else missing)) for name, one in _used(project)),
        *((("Prisma CLI reads", files),) if project.prisma.version else ()),
        ("package manager", f"{project.packages.manager} ({project.packages.manager_source})"),
        ("dev script", project.packages.dev_script or "none"),
        ("env files", _env_files(project) or "none"),
        *((f"target {ref.name}", ref.source + (" (protected)" if ref.protected else "")) for ref in targets),
        ("targets", "none yet") if on is None else ("active", on if isinstance(on, str) else on.text),
    )
