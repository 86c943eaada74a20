"""Where a project keeps its Prisma migrations."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from dbswitch.durable import read_regular_text
from dbswitch.project import javascript_text

if TYPE_CHECKING:
    from pathlib import Path

    from dbswitch.project.discovery import Project

_MIGRATIONS_PATH: Final = re.compile(
    r"\bmigrations['\"]?\s*:\s*\{[^}]*?\bpath['\"]?\s*:\s*['\"](?!/|\.\.)([^'\"]+)"
)


def migrations_folder(project: Project) -> Path | None:
    """Return the folder of the migrations: from the Prisma config, else beside the schema; None if there is none."""
    prisma = project.prisma
    if prisma is None:
        return None
    places: list[Path] = []
    if prisma.config_file is not None:
        places += _configured_migrations(project.root, prisma.config_file)
    if prisma.schema is not None:
        schema = project.root / prisma.schema
        places += [schema / "migrations", schema.parent / "migrations"]
    return next((folder for folder in places if folder.is_dir()), None)


def _configured_migrations(root: Path, config: str) -> list[Path]:
    # A plain path only: no code is run, also none of the project.
    try:
        source = javascript_text.without_comments(read_regular_text(root / config, errors="replace"))
    except OSError:
        return []
    return [root / found[1]] if (found := _MIGRATIONS_PATH.search(source)) is not None else []
