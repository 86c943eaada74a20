"""Which files of the project import a given one, found with patterns in their text; nothing is run or compiled."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from dbswitch.durable import read_regular_text
from dbswitch.project import javascript_text
from dbswitch.project.compiler_options import path_aliases, read_options
from dbswitch.project.generated import source_files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dbswitch.project.compiler_options import Aliases

_IMPORT: Final = re.compile(
    r"\b(?:import|export)\s+(?P<what>[\w\s{},*$]+?)\s*from\s*['\"](?P<source>[^'\"\n]+)['\"]"
    r"|(?:\{(?P<taken>[^{}]*)\}\s*=\s*)?(?:await\s+)?\b(?:import|require)\(\s*['\"](?P<called>[^'\"\n]+)['\"]\s*\)"
)
_NAMESPACE: Final = re.compile(r"\*\s*as\s+(\w+)")
_EXTENSION: Final = re.compile(r"\.(?:[mc]?[tj]s|[tj]sx)$")


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
        self._aliases = path_aliases(read_options(root))
        self._names: tuple[str, ...] | None = None
        self._texts: dict[str, str] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """The JavaScript and TypeScript files of the project."""
        if self._names is None:
            self._names = tuple(source_files(self._root))
        return self._names

    def text(self, name: str) -> str:
        """Return the text of a file; empty where it cannot be read."""
        if name not in self._texts:
            try:
                self._texts[name] = read_regular_text(self._root / name, errors="replace")
            except OSError:
                self._texts[name] = ""
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
        for match in _IMPORT.finditer(plain):
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
        used = re.findall(rf"\b{namespace[1]}\.(\w+)", plain)
        return tuple(dict.fromkeys(used)) or ("*",)
    if what == "*":
        return ("*",)
    before, _, listed = what.partition("{")
    items = ([word for word in item.split() if word != "type"] for item in listed.rstrip("} \n").split(","))
    return (*(("default",) if before.strip(" ,\n") else ()), *(words[0] for words in items if words))


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
