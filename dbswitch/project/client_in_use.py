"""The Prisma client that the app's own code uses: followed through its imports, from the client's file up to a page or route.

A generated client that no page or route leads to is not the app's client where another file is. Also: clients in other packages of the
monorepo, which the app has among its dependencies, and lines of the app that choose a database without the env files.
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct

from dbswitch.durable import read_object, text_or_empty
from dbswitch.envfiles.dotenv_syntax import parse
from dbswitch.envfiles.precedence import DEV_FILES
from dbswitch.errors import ConfigError
from dbswitch.project.discovery import Project
from dbswitch.project.generated import MARK, Generated, source_files
from dbswitch.project.packages import installed_folder, read_manifest
from dbswitch.project.prisma import constructs_client, find_client_file, read_prisma
from dbswitch.project.source_imports import ImportedNames, SourceImports

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
        return ClientInUse(path, sources.text(path), path in generated, export, not (root / path).is_file())
    usual = find_client_file(root)
    likely = [*generated, *(usual[:1] if usual is not None else ())]
    best: ClientInUse | None = None
    rank = 0  # 3: a page or route leads to it, 2: other code of the app does, 1: it has a usual name
    here = ((name, None) for name in dict.fromkeys([*likely, *_made(sources)]))
    for name, text in itertools.chain(here, workspace_clients(project)):
        from_page, by = _reached(sources, name, {name})
        level = 3 if from_page else 2 if by is not None else 1 if name in likely else 0
        if level > rank:
            own, package = name in generated, text is not None
            unused = None if own or not generated else generated[0]
            best = ClientInUse(name, text or sources.text(name), own, "", package, by, unused)
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
        generated = sources.text(one.file).lstrip("\ufeff").startswith(MARK)
        if generated or one.file in seen or re.search(_NOT_THE_APP, one.file):
            continue
        if _ENTRY.match(one.file):
            return True, one
        others.append(one)
    for one in others:
        seen.add(one.file)
        if _reached(sources, one.file, seen)[0]:
            return True, one
    return False, others[0] if others else None


def workspace_clients(project: Project) -> Iterator[tuple[str, str]]:
    """Yield name and the text of the entry file of each such package that constructs a client."""
    for name, folder in _workspace_packages(project):
        if any(constructs_client(text_or_empty(folder / one)) for one in source_files(folder)):
            yield name, text_or_empty(_entry(folder))


def package_env_files(project: Project) -> Iterator[tuple[str, str]]:
    """Yield the env files that give the Prisma CLI of such a package a URL, relative to the project, and the variable."""
    # A file that is a link to one of the project's own env files follows a switch, and is left out.
    own = {(project.root / name).resolve() for name in DEV_FILES}
    for _, folder in _workspace_packages(project):
        try:
            prisma = read_prisma(folder, read_manifest(folder))
        except ConfigError:  # its package.json
            continue
        if prisma.schema is None:
            continue
        for path in (folder / name for name in prisma.env_files):
            bound = parse("" if path.resolve() in own else text_or_empty(path))
            variable = next((one for one in prisma.cli_variables if bound.get(one)), None)
            if variable is not None:
                yield os.path.relpath(path, project.root), variable


def _workspace_packages(project: Project) -> Iterator[tuple[str, Path]]:
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


_SKIPPED = frozenset({"generated", "test", "tests", "e2e"})  # folders
_CLIENT = re.compile(r"\bnew\s+(?:PrismaClient|PrismaPg|PrismaNeon|Pool)\b")
_STATE_FILE = re.compile(
    r"(?:readFile|readFileSync|existsSync|readJson|readJsonSync|require|import)\b.*?[\"'`](?P<file>(?![\w./@-]*\b(?:package|tsconfig)\.json)[\w./@-]*\.(?:json|txt|ya?ml))[\"'`]"
)
_COMMENT = re.compile(r"^\s*(?://|\*|/\*)")
_MOST = 5  # lines that are reported


def own_choices(root: Path, url_variables: Sequence[str]) -> tuple[str, ...]:
    """Return `file:line reads NAME` for lines that read another variable or file than `url_variables`, which a switch changes."""
    names = "|".join(re.escape(name) for name in url_variables)
    own = "".join(rf"(?!{re.escape(name)}\b)" for name in url_variables)
    further = re.compile(rf"\b{own}(?:{names})_(?:[A-Z0-9_]+|\$\{{|[\"'`]\s*\+)")
    files = (name for name in sorted(source_files(root)) if _SKIPPED.isdisjoint(name.split("/")))
    lines = (line for name in files for line in _choices_in(text_or_empty(root / name), name, further))
    return tuple(itertools.islice(lines, _MOST))


def _choices_in(text: str, name: str, further: re.Pattern[str]) -> Iterator[str]:
    chooses = _CLIENT.search(text) is not None or further.search(text) is not None
    for number, line in enumerate(text.splitlines(), 1):
        if _COMMENT.match(line) is not None:
            continue
        if (read := further.search(line)) is not None:
            variable = re.sub(r"(?:\$\{|[\"'`]\s*\+)$", "…", read[0])
            yield f"{name}:{number} reads {variable}"
        elif chooses and (state := _STATE_FILE.search(line)) is not None:
            yield f"{name}:{number} reads {state['file']}"
