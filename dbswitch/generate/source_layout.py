"""How the project writes its source: TypeScript or JavaScript, `src/` or not, path aliases. Reads files only."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Final

from msgspec import Struct

from dbswitch.project.source_imports import Aliases, read_options

_EXTENSION = re.compile(r"\.(?:[mc]?[tj]s|[tj]sx)$")
_NODE_RESOLUTION: Final = frozenset({"node16", "nodenext"})


class SourceLayout(Struct, frozen=True):
    """The project's conventions. Folders are relative to the project, `/` between, "" for the project itself."""

    typescript: bool
    source: str = ""  # where folders such as `lib` go: "" or "src"
    app: str = "app"  # the App Router's folder
    pages: str | None = None  # the Pages Router's folder, in a project that has no other
    aliases: Aliases = ()  # import prefixes and their folders, such as ("@/", "src/")
    suffix: str = ""  # what relative imports end with: "" or ".js"

    @property
    def extension(self) -> str:
        """`ts` or `js`."""
        return "ts" if self.typescript else "js"

    def relative(self, here: str, target: str) -> str:
        """Return how the file `here` imports the file or module `target` by a relative path."""
        bare = _EXTENSION.sub("", target)
        path = posixpath.relpath(bare, posixpath.dirname(here) or ".")
        return (path if path.startswith(".") else f"./{path}") + self.suffix

    def aliased(self, here: str, target: str) -> str:
        """Return how `here` imports `target` by an alias, where there is one."""
        bare = _EXTENSION.sub("", target)
        for prefix, folder in self.aliases:
            if bare.startswith(folder):
                return prefix + bare.removeprefix(folder)
        return self.relative(here, target)


def read_layout(root: Path) -> SourceLayout:
    """Read the project's folders and its tsconfig.json or jsconfig.json."""
    options = read_options(root)
    source = "src" if any((root / "src" / name).is_dir() for name in ("app", "pages", "lib")) else ""
    resolution = (options.module_resolution or options.module).lower()
    typescript = (root / "tsconfig.json").is_file()
    return SourceLayout(
        typescript=typescript,
        source=source,
        app=_app(root, source),
        pages=_only_pages(root),
        aliases=options.aliases,
        suffix=".js" if resolution in _NODE_RESOLUTION else "",
    )


def _only_pages(root: Path) -> str | None:
    if any((root / name).is_dir() for name in ("app", "src/app")):
        return None
    return next((name for name in ("pages", "src/pages") if (root / name).is_dir()), None)


def _app(root: Path, source: str) -> str:
    usual = f"{source}/app" if source else "app"
    return next((name for name in ("app", "src/app") if (root / name).is_dir()), usual)
