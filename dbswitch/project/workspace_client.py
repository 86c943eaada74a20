"""A Prisma client that is in another package of the monorepo, which the app has among its dependencies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbswitch.durable import read_regular_text
from dbswitch.json_text import parse_json
from dbswitch.project import javascript_text
from dbswitch.project.generated import source_files
from dbswitch.project.packages import installed_folder
from dbswitch.project.prisma import CONSTRUCTS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dbswitch.project.discovery import Project


def workspace_clients(project: Project) -> Iterator[tuple[str, str]]:
    """Yield name and the text of the entry file of each such package that constructs a client."""
    for name in project.manifest.dependencies:
        folder = installed_folder(project.root, name)
        # Package managers link the packages of a workspace; what is installed is below a `node_modules`.
        place = folder.resolve() if folder is not None and folder.is_symlink() else None
        if place is None or "node_modules" in place.parts or place.is_relative_to(project.root):
            continue
        if any(_constructs(place / one) for one in source_files(place)):
            yield name, _text(_entry(place))


def _constructs(path: Path) -> bool:
    text = _text(path)
    return CONSTRUCTS.search(text) is not None and (
        CONSTRUCTS.search(javascript_text.without_comments(text)) is not None
    )


def _entry(folder: Path) -> Path:
    """Return the file of the package's `.` (Node.js documentation, "Package entry points")."""
    try:
        manifest = parse_json(_text(folder / "package.json"))
    except ValueError:
        manifest = {}
    said = manifest.get("exports") if isinstance(manifest, dict) else None
    if isinstance(said, dict):
        said = said.get(".", said)
    while isinstance(said, dict):
        said = next((said[key] for key in ("import", "default", "require", "types") if key in said), None)
    if not isinstance(said, str):
        said = manifest.get("main") if isinstance(manifest, dict) else None
    named = folder / said if isinstance(said, str) else folder / "index.ts"
    return named if named.is_file() else folder / "index.ts"


def _text(path: Path) -> str:
    try:
        return read_regular_text(path, errors="replace")
    except OSError:
        return ""
