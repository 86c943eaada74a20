"""Which Prisma client the app's own code uses: followed through its imports, from the client's file up to a page or route.

A generated client that no page or route leads to is not the app's client where another file is.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from dbswitch.project import javascript_text
from dbswitch.project.generated import MARK
from dbswitch.project.prisma import CONSTRUCTS, find_client_file
from dbswitch.project.source_imports import SourceImports
from dbswitch.project.workspace_client import workspace_clients

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dbswitch.project.discovery import Project
    from dbswitch.project.generated import Generated
    from dbswitch.project.source_imports import ImportedNames

# What Next.js itself loads (its documentation, "Project structure").
_ENTRY: Final = re.compile(r"^(?:src/)?(?:(?:app|pages)/|(?:middleware|proxy|instrumentation)\.)")
_NOT_THE_APP: Final = re.compile(
    r"(?:^|/)(?:__tests__|__mocks__|tests?|e2e|cypress|scripts|generated)/|\.(?:test|spec|d)\.|(?:^|/)seed\b"
)
_ASKING: Final = frozenset({"identity", "route-server"})  # the kinds of generated files that ask the client


class ClientInUse(Struct, frozen=True):
    """The app's client. `imported_by` is the import through which a page or route gets it, as far as one was found."""

    path: str
    text: str
    generated: bool = False
    export: str = (
        ""  # the name of the export and the properties that lead to the client, if `dbswitch.toml` says so
    )
    package: bool = False  # `path` is the name of a package
    imported_by: ImportedNames | None = None
    unused: str | None = None  # a generated client that the app does not use

    def __str__(self) -> str:
        through = ""
        if self.imported_by is not None:
            through = f" ({self.imported_by.file}:{self.imported_by.line} imports it)"
        return self.path + through


def client_in_use(project: Project, found: Generated) -> ClientInUse | None:
    """Return the client that `dbswitch.toml` names, else that of the app's imports; None where there is none."""
    root = project.root
    sources = SourceImports(root)
    if project.config.verify.client is not None:
        path, _, export = project.config.verify.client.partition("#")
        is_file = (root / path).is_file()
        generated_here = (path, "client") in found.files
        return ClientInUse(path, sources.text(path) if is_file else "", generated_here, export, not is_file)
    generated = [name for name, kind in found.files if kind == "client"]
    reached = {name: _reached(sources, name, {name}) for name in generated}
    for name, (from_page, by) in reached.items():
        if from_page:
            return ClientInUse(name, sources.text(name), generated=True, imported_by=by)
    own = find_client_file(root)
    names = dict.fromkeys(
        [*([own[0]] if own is not None and own[0] not in generated else []), *_made(sources)]
    )
    imported: list[ClientInUse] = []
    for name in names:
        from_page, by = _reached(sources, name, {name})
        client = ClientInUse(name, sources.text(name), imported_by=by, unused=next(iter(generated), None))
        if from_page:
            return client
        imported += [client] if by is not None else []
    if generated:
        name = next((name for name, (_, by) in reached.items() if by is not None), generated[0])
        if reached[name][1] is not None or not imported:
            return ClientInUse(name, sources.text(name), generated=True, imported_by=reached[name][1])
    for name, text in () if imported else workspace_clients(project):
        from_page, by = _reached(sources, name, {name})
        if from_page or by is not None:
            return ClientInUse(name, text, package=True, imported_by=by)
    if imported:
        return imported[0]
    return ClientInUse(*own) if own is not None else None


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
        if _NOT_THE_APP.search(name) is not None or text.startswith(MARK) or not CONSTRUCTS.search(text):
            continue
        if CONSTRUCTS.search(javascript_text.without_comments(text)):
            yield name


def _reached(sources: SourceImports, path: str, seen: set[str]) -> tuple[bool, ImportedNames | None]:
    """Return whether a page or route leads to the file, and the import of it: that one, else any of the app's code."""
    if _ENTRY.match(path) and not sources.text(path).startswith(MARK):
        return True, None
    others: list[ImportedNames] = []
    for one in sources.of(path):
        if one.file in seen or _NOT_THE_APP.search(one.file) or _is_generated(sources, one.file):
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
