"""Prisma in another package of the monorepo, which the app has among its dependencies."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from dbswitch.durable import read_object, text_or_empty
from dbswitch.envfiles.dotenv_syntax import parse
from dbswitch.envfiles.precedence import DEV_FILES
from dbswitch.errors import ConfigError
from dbswitch.project.generated import source_files
from dbswitch.project.packages import installed_folder, read_manifest
from dbswitch.project.prisma import constructs_client, read_prisma

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dbswitch.project.discovery import Project


def workspace_clients(project: Project) -> Iterator[tuple[str, str]]:
    """Yield name and the text of the entry file of each such package that constructs a client."""
    for name, folder in _packages(project):
        if any(constructs_client(text_or_empty(folder / one)) for one in source_files(folder)):
            yield name, text_or_empty(_entry(folder))


def package_env_files(project: Project) -> Iterator[tuple[str, str]]:
    """Yield the env files that give the Prisma CLI of such a package a URL, relative to the project, and the variable."""
    # A file that is a link to one of the project's own env files follows a switch, and is left out.
    own = {(project.root / name).resolve() for name in DEV_FILES}
    for _, folder in _packages(project):
        try:
            prisma = read_prisma(folder, read_manifest(folder))
        except ConfigError:  # its package.json
            continue
        if prisma is None or prisma.schema is None:
            continue
        for path in (folder / name for name in prisma.env_files):
            bound = parse("" if path.resolve() in own else text_or_empty(path))
            variable = next((one for one in prisma.cli_variables if bound.get(one)), None)
            if variable is not None:
                yield os.path.relpath(path, project.root), variable


def _packages(project: Project) -> Iterator[tuple[str, Path]]:
    for name in project.manifest.dependencies:
        folder = installed_folder(project.root, name)
        # Package managers link the packages of a workspace; what is installed is below a `node_modules`.
        place = folder.resolve() if folder is not None and folder.is_symlink() else None
        if place is not None and "node_modules" not in place.parts and not place.is_relative_to(project.root):
            yield name, place


def _entry(folder: Path) -> Path:
    """Return the file of the package's `.` (Node.js documentation, "Package entry points")."""
    manifest = read_object(folder / "package.json")
    said = manifest.get("exports", manifest.get("main"))
    while isinstance(said, dict):
        keys = (key for key in (".", "import", "default", "require", "types") if key in said)
        said = said.get(next(keys, ""))
    named = folder / said if isinstance(said, str) else folder / "index.ts"
    return named if named.is_file() else folder / "index.ts"
