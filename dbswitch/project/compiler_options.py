"""The `compilerOptions` of tsconfig.json or jsconfig.json, with what it extends, and the path aliases in it. Reads files only."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING, Any, Final

from dbswitch.durable import read_regular_text
from dbswitch.json_text import parse_json
from dbswitch.project import javascript_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Import prefixes and their folders relative to the project, such as ("@/", "src/").
Aliases = tuple[tuple[str, str], ...]
_CONFIGS: Final = ("tsconfig.json", "jsconfig.json")
_TRAILING_COMMA = re.compile(r",(\s*[}\]])")
_MAX_EXTENDS: Final = 5


def read_options(root: Path) -> dict[str, Any]:
    """Return the options of the project's configuration; {} where there is none."""
    config = next((root / name for name in _CONFIGS if (root / name).is_file()), None)
    options: dict[str, Any] = {}
    if config is not None:
        for found in _options(config):
            options = found | options
    return options


def path_aliases(options: dict[str, Any]) -> Aliases:
    """Return the aliases that lead into the project. Pure."""
    return tuple(_aliases(options))


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
