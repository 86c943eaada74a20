"""Which files of the project import a given one, found with patterns in their text; nothing is run or compiled.

An import is resolved as relative, by `baseUrl`, or by the path aliases of tsconfig.json or jsconfig.json.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from dbswitch.durable import parse_json, text_or_empty
from dbswitch.project import javascript_text
from dbswitch.project.generated import source_files

# Import prefixes and their folders relative to the project, such as ("@/", "src/").
Aliases = tuple[tuple[str, str], ...]
# A statement ends at the next `import` or `export`, so that no part of the text is searched twice.
_IMPORTED: Final = r"(?:(?!(?:import|export)\b)[\w$]+(?![\w$])|[{},*])"
_IMPORT: Final = (
    rf"\b(?:import|export)\s+(?P<what>{_IMPORTED}(?:\s*{_IMPORTED})*?)\s*from\s*['\"](?P<source>[^'\"\n]+)['\"]"
    r"|(?:\{(?P<taken>[^{}]*)\}\s*=\s*)?(?:await\s+)?\b(?:import|require)\(\s*['\"](?P<called>[^'\"\n]+)['\"]\s*\)"
)
_NAMESPACE: Final = re.compile(r"\*\s*as\s+(\w+)")
_MEMBER: Final = re.compile(r"\b(\w+)\.(?=(\w+))")
_EXTENSION: Final = re.compile(r"\.(?:[mc]?[tj]s|[tj]sx)$")
_TRAILING_COMMA: Final = re.compile(r",(\s*[}\]])")
_MAX_EXTENDS: Final = 5


class CompilerOptions(Struct, frozen=True, rename="camel"):
    """The `compilerOptions` that matter here."""

    paths: dict[str, list[str]] = {}
    base_url: str = "."
    module: str = ""
    module_resolution: str = ""

    @property
    def aliases(self) -> Aliases:
        """The path aliases that lead into the project."""
        pairs = [
            (pattern[:-1], posixpath.normpath(posixpath.join(self.base_url, places[0][:-1])))
            for pattern, places in self.paths.items()
            if pattern.endswith("/*") and places and places[0].endswith("*")
        ]
        return tuple((one, "" if to == "." else f"{to}/") for one, to in pairs if not to.startswith(".."))


def read_options(root: Path) -> CompilerOptions:
    """Return the options of tsconfig.json or jsconfig.json, with those of the files it extends."""
    names = (root / "tsconfig.json", root / "jsconfig.json")
    config = next((path for path in names if path.is_file()), names[0])
    options: dict[str, Any] = {}
    for _ in range(_MAX_EXTENDS):
        value = parse_jsonc(text_or_empty(config))
        own, base = value.get("compilerOptions"), value.get("extends")
        options = (own if isinstance(own, dict) else {}) | options
        if not isinstance(base, str) or not base.startswith("."):
            break
        config = config.parent / (base if base.endswith(".json") else f"{base}.json")
    try:
        return msgspec.convert(options, CompilerOptions)
    except msgspec.ValidationError:
        return CompilerOptions()


def parse_jsonc(text: str) -> dict[str, Any]:
    """Read JSON with comments and trailing commas, as TypeScript does. Nothing readable gives {}."""
    plain = javascript_text.without_comments(text.removeprefix("\ufeff"))
    try:
        value = parse_json(_TRAILING_COMMA.sub(r"\1", plain))
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


class ImportedNames(Struct, frozen=True):
    """The names that one import takes; `*` stands for the whole module."""

    file: str
    line: int
    names: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.file}:{self.line} imports {', '.join(self.names)}"


class SourceImports:
    """The imports of the project's files; each file is read once."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._aliases = read_options(root).aliases
        self._texts: dict[str, str] = {}

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The JavaScript and TypeScript files of the project."""
        return tuple(source_files(self._root))

    def text(self, name: str) -> str:
        """Return the text of a file; empty where it cannot be read."""
        if name not in self._texts:
            self._texts[name] = text_or_empty(self._root / name)
        return self._texts[name]

    def of(self, path: str) -> Iterator[ImportedNames]:
        """Yield what the other files of the project import from the file `path`."""
        return (one for name in self.names if name != path for one in self.between(name, path))

    def between(self, importer: str, path: str) -> Iterator[ImportedNames]:
        """Yield what the file `importer` imports from the file `path`."""
        target = _module(path)
        text = self.text(importer)
        if (posixpath.basename(target) or path) not in text:
            return
        plain = javascript_text.without_comments(text)
        for match in re.finditer(_IMPORT, plain):
            if target in _candidates(importer, match["source"] or match["called"], self._aliases):
                yield ImportedNames(importer, plain.count("\n", 0, match.start()) + 1, _taken(match, plain))


def _taken(match: re.Match[str], plain: str) -> tuple[str, ...]:
    if match["source"] is None:
        taken = match["taken"]
        if taken is None:
            return ("*",)
        return tuple(part.split(":")[0].strip() for part in taken.split(",") if part.strip())
    what = re.sub(r"^type\s+(?=[\w{*])", "", match["what"].strip())
    namespace = _NAMESPACE.search(what)
    if namespace is not None:
        return _members(plain).get(namespace[1], ("*",))
    if what == "*":
        return ("*",)
    before, _, listed = what.partition("{")
    items = ([word for word in item.split() if word != "type"] for item in listed.rstrip("} \n").split(","))
    return (*(("default",) if before.strip(" ,\n") else ()), *(words[0] for words in items if words))


@lru_cache(maxsize=1)
def _members(plain: str) -> dict[str, tuple[str, ...]]:
    """Return what a text reads of each name, as in `name.member`."""
    members: dict[str, dict[str, None]] = {}
    for match in _MEMBER.finditer(plain):
        members.setdefault(match[1], {})[match[2]] = None
    return {name: tuple(read) for name, read in members.items()}


def _candidates(importer: str, source: str, aliases: Aliases) -> Iterator[str]:
    if source.startswith("."):
        yield _module(posixpath.normpath(posixpath.join(posixpath.dirname(importer), source)))
        return
    for prefix, folder in aliases:
        if source.startswith(prefix):
            yield _module(posixpath.normpath(folder + source.removeprefix(prefix)))
    # `baseUrl`
    yield _module(source)
    yield _module(f"src/{source}")


def _module(path: str) -> str:
    return _EXTENSION.sub("", path).removesuffix("/index")
