"""Which Prisma client the app's own code uses: followed through its imports, from the client's file up to a page or route.

A generated client that no page or route leads to is not the app's client where another file is.
"""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from dbswitch.project.generated import MARK
from dbswitch.project.prisma import constructs_client, find_client_file
from dbswitch.project.source_imports import SourceImports
from dbswitch.project.workspace_client import workspace_clients

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dbswitch.project.discovery import Project
    from dbswitch.project.generated import Generated
    from dbswitch.project.source_imports import ImportedNames

# What Next.js itself loads (its documentation, "Project structure").
_ENTRY: Final = re.compile(r"^(?:src/)?(?:(?:app|pages)/|(?:middleware|proxy|instrumentation)\.)")
_NOT_THE_APP: Final = (
    r"(?:^|/)(?:__tests__|__mocks__|tests?|e2e|cypress|scripts|generated)/|\.(?:test|spec|d)\.|(?:^|/)seed\b"
)
_ASKING: Final = frozenset({"identity", "route-server"})  # the kinds of generated files that ask the client


class ClientInUse(Struct, frozen=True):
    """The app's client. `imported_by` is the import through which a page or route gets it, as far as one was found."""

    path: str
    text: str
    generated: bool = False
    export: str = ""  # the export and the properties that lead to the client, if `dbswitch.toml` says so
    package: bool = False  # `path` is the name of a package
    imported_by: ImportedNames | None = None
    unused: str | None = None  # a generated client that the app does not use

    def __str__(self) -> str:
        by = self.imported_by
        return self.path if by is None else f"{self.path} ({by.file}:{by.line} imports it)"


def client_in_use(project: Project, found: Generated) -> ClientInUse | None:
    """Return the client that `dbswitch.toml` names, else that of the app's imports; None where there is none."""
    root = project.root
    sources = SourceImports(root)
    generated = [name for name, kind in found.files if kind == "client"]
    if project.config.verify.client is not None:
        path, _, export = project.config.verify.client.partition("#")
        is_file = (root / path).is_file()
        return ClientInUse(
            path, sources.text(path) if is_file else "", path in generated, export, not is_file
        )
    usual = find_client_file(root)
    likely = [*generated, *(usual[:1] if usual is not None else ())]
    best: ClientInUse | None = None
    rank = 0  # 3: a page or route leads to it, 2: other code of the app does, 1: it has a usual name
    here = ((name, None) for name in dict.fromkeys([*likely, *_made(sources)]))
    for name, text in itertools.chain(here, workspace_clients(project)):
        from_page, by = _reached(sources, name, {name})
        level = 3 if from_page else 2 if by is not None else 1 if name in likely else 0
        if level > rank:
            unused = None if name in generated or not generated else generated[0]
            best = ClientInUse(
                name, text or sources.text(name), name in generated, "", text is not None, by, unused
            )
            rank = level
        if rank == 3:
            break
    return best


def follows_env_files(project: Project, found: Generated) -> bool:
    """Return whether the app uses the generated client, which moves to another database by itself."""
    used = client_in_use(project, found) if found.client is not None else None
    return used is not None and used.generated


def asks_elsewhere(project: Project, found: Generated) -> str | None:
    """Say which generated route asks another client than the app's; None where that is not so."""
    used = client_in_use(project, found)
    if used is None or used.package or project.config.verify.path is not None:
        return None
    sources = SourceImports(project.root)
    asking = (name for name, kind in found.files if kind in _ASKING)
    other = next((name for name in asking if not any(sources.between(name, used.path))), None)
    return None if other is None else f"{other} does not ask {used}, the client that the app uses"


def _made(sources: SourceImports) -> Iterator[str]:
    """Yield the files of the app that construct a client."""
    for name in sources.names:
        text = sources.text(name)
        if re.search(_NOT_THE_APP, name) is None and not text.startswith(MARK) and constructs_client(text):
            yield name


def _reached(sources: SourceImports, path: str, seen: set[str]) -> tuple[bool, ImportedNames | None]:
    """Return whether a page or route leads to the file, and the import of it: that one, else any of the app's code."""
    if _ENTRY.match(path) and not sources.text(path).startswith(MARK):
        return True, None
    others: list[ImportedNames] = []
    for one in sources.of(path):
        if one.file in seen or re.search(_NOT_THE_APP, one.file) or _is_generated(sources, one.file):
            continue
        if _ENTRY.match(one.file):
            return True, one
        others.append(one)
    for one in others:
        seen.add(one.file)
        if _reached(sources, one.file, seen)[0]:
            return True, one
    return False, others[0] if others else None


def _is_generated(sources: SourceImports, name: str) -> bool:
    return sources.text(name).lstrip("\ufeff").startswith(MARK)
