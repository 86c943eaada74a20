"""What `dbswitch init` found in the project and which command comes next, as text and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbswitch.envfiles.precedence import DEV_FILES
from dbswitch.errors import DbswitchError
from dbswitch.project.active_target import active

if TYPE_CHECKING:
    from dbswitch.project.active_target import Active
    from dbswitch.project.discovery import Project
    from dbswitch.project.target_sources import TargetRef


def active_target(project: Project, targets: tuple[TargetRef, ...]) -> Active | str | None:
    """Return the active target, or why it is unknown; None without targets."""
    try:
        return active(project) if targets else None
    except DbswitchError as error:
        return error.what


def summary(project: Project, targets: tuple[TargetRef, ...], on: Active | str | None) -> tuple[str, ...]:
    """Return what was found, in sentences."""
    found = {"Next.js": project.next, "Prisma": project.prisma}
    parts = [f"{name} {one.version}" for name, one in found.items() if one is not None]
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
        lines.append("It has only one database, so there is nothing to switch to yet.")
    elif isinstance(on, str):
        lines.append(f"It is not known which one is in use: {on}.")
    elif on is not None:
        lines.append(f"In use now: {on.text}.")
    return tuple(lines)


def _env_files(project: Project) -> str:
    return ", ".join(name for name in DEV_FILES if (project.root / name).exists())


def next_steps(project: Project, targets: tuple[TargetRef, ...], on: Active | str | None) -> tuple[str, ...]:
    """Return the commands or edits that come next, the first one first."""
    current = on.target if on is not None and not isinstance(on, str) else None
    others = [ref.name for ref in targets if ref.name != current]
    if not targets:
        put = f"put both URLs into .env.local as {project.target_example}"
        return (
            f"{put}, or copy env/*.env.example to env/local.env and env/prod.env",
            "`dbswitch` then shows which database each program would use",
        )
    if not others:
        return (
            f"add a second database: {project.url_variables[0]}_STAGING=... beside the one in {targets[0].source}",
        )
    server = (
        ("`dbswitch dev` starts the dev server; one that already runs may stay",)
        if project.packages.dev_script
        else ()
    )
    return (
        *server,
        f"`dbswitch {others[0]} --dry-run` shows what a switch to {others[0]} would change, `dbswitch {others[0]}` does it",
        "`dbswitch generate route` lets the app confirm which database it is on",
    )


def found(
    project: Project, targets: tuple[TargetRef, ...], on: Active | str | None
) -> tuple[tuple[str, str], ...]:
    """Return the same as pairs of label and value, for programs."""
    prisma = project.prisma
    pairs = [
        (name, one.version + ("" if one.installed else " (not installed yet)"))
        for name, one in (("Next.js", project.next), ("Prisma", prisma))
        if one is not None
    ]
    if prisma is not None:
        pairs.append(("Prisma CLI reads", ", ".join(prisma.env_files) or "no env file"))
    return (
        *pairs,
        ("package manager", f"{project.packages.manager} ({project.packages.manager_source})"),
        ("dev script", project.packages.dev_script or "none"),
        ("env files", _env_files(project) or "none"),
        *((f"target {ref.name}", ref.source + (" (protected)" if ref.protected else "")) for ref in targets),
        ("targets", "none yet") if on is None else ("active", on if isinstance(on, str) else on.text),
    )
