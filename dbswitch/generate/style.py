"""How the project writes its source: TypeScript or JavaScript, `src/` or not, path aliases. Reads files only."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from dbswitch.durable import read_regular_text
from dbswitch.json_text import parse_json
from dbswitch.project import javascript_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_CONFIGS: Final = ("tsconfig.json", "jsconfig.json")
_TRAILING_COMMA = re.compile(r",(\s*[}\]])")
_EXTENSION = re.compile(r"\.(?:[mc]?[tj]s|[tj]sx)$")
_NODE_RESOLUTION: Final = frozenset({"node16", "nodenext"})
_MAX_EXTENDS: Final = 5


class Style(Struct, frozen=True):
    """The project's conventions. Folders are relative to the project, `/` between, "" for the project itself."""

    typescript: bool
    source: str = ""  # where folders such as `lib` go: "" or "src"
    app: str = "app"  # the App Router's folder
    aliases: tuple[tuple[str, str], ...] = ()  # import prefixes and their folders, such as ("@/", "src/")
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


def read_style(root: Path) -> Style:
    """Read the project's folders and its tsconfig.json or jsconfig.json."""
    config = next((root / name for name in _CONFIGS if (root / name).is_file()), None)
    options: dict[str, Any] = {}
    if config is not None:
        for found in _options(config):
            options = found | options
    source = "src" if any((root / "src" / name).is_dir() for name in ("app", "pages", "lib")) else ""
    resolution = str(options.get("moduleResolution", options.get("module", ""))).lower()
    typescript = (root / "tsconfig.json").is_file()
    return Style(
        typescript=typescript,
        source=source,
        app=_app(root, source),
        aliases=tuple(_aliases(options)),
        suffix=".js" if resolution in _NODE_RESOLUTION else "",
    )


def parse_jsonc(text: str) -> dict[str, Any]:
    """Read JSON with comments and trailing commas, as TypeScript does. Pure. Nothing readable gives {}."""
    try:
        value = parse_json(
            _TRAILING_COMMA.sub(r"\1", javascript_text.without_comments(text.removeprefix("\ufeff")))
        )
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _options(config: Path) -> Iterator[dict[str, Any]]:
    """Yield compilerOptions, the file's own first, then those of the files it extends."""
    for _ in range(_MAX_EXTENDS):
        try:
            value = parse_jsonc(read_regular_text(config, errors="replace"))
        except OSError:
            return
        options = value.get("compilerOptions")
        yield options if isinstance(options, dict) else {}
        base = value.get("extends")
        if not isinstance(base, str) or not base.startswith("."):
            return
        config = config.parent / (base if base.endswith(".json") else f"{base}.json")


def _app(root: Path, source: str) -> str:
    for name in ("app", "src/app"):
        if (root / name).is_dir():
            return name
    return f"{source}/app" if source else "app"


def _aliases(options: dict[str, Any]) -> Iterator[tuple[str, str]]:
    paths = options.get("paths")
    base = options.get("baseUrl")
    for pattern, places in (paths if isinstance(paths, dict) else {}).items():
        place = places[0] if isinstance(places, list) and places else None
        if not isinstance(place, str) or not pattern.endswith("/*") or not place.endswith("*"):
            continue
        folder = posixpath.normpath(posixpath.join(base if isinstance(base, str) else ".", place[:-1]))
        if not folder.startswith(".."):
            yield pattern[:-1], "" if folder == "." else f"{folder}/"
