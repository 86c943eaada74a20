"""The files `dbswitch generate` wrote into the project, recognised by the header line they begin with.

`// dbswitch:generated <kind> v1 sha256=<digest of the rest>`: it shows whether a file was edited since.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Final

from msgspec import Struct

from dbswitch.durable import open_regular
from dbswitch.project.discovery import Project

HEADER_VERSION: Final = 1
MARK: Final = "// dbswitch:generated "
_HEADER = re.compile(rb"\s*// dbswitch:generated (?P<kind>[a-z-]+) v\d+ ")
_WHOLE_HEADER = re.compile(
    rb"// dbswitch:generated [a-z-]+ v(?P<version>\d+) sha256=(?P<digest>[0-9a-f]{64})\n"
)
_HEAD_BYTES = 256
_SKIPPED = frozenset({"node_modules", "public", "dist", "build", "out", "coverage"})
_DEPTH = 8
_EXTENSIONS = (".ts", ".tsx", ".mts", ".cts", ".js", ".jsx", ".mjs", ".cjs")
IN_PAGES = re.compile(r"^(?:src/)?pages/(?P<path>api/.+?)(?:/index)?\.(?:tsx?|jsx?|mts|mjs)$")
_ROUTE_FILE = re.compile(r"^(?:src/)?app/(?P<path>.+/)?(?:route|page)\.(?:tsx?|jsx?|mts|mjs)$")


class Generated(Struct, frozen=True):
    """Paths relative to the project, `/` between; None where there is no such file."""

    client: str | None = None
    identity_path: str | None = None  # URL path of the identity route, else of the admin route
    page_path: str | None = None  # URL path of the admin page
    identity_files: tuple[str, ...] = ()  # of the routes that tell the app's database, the preferred first
    files: tuple[tuple[str, str], ...] = ()  # every generated file with its kind


class GeneratedState(StrEnum):
    """A file compared with what this version of dbswitch writes there."""

    MISSING = "missing"
    CURRENT = "current"
    OUTDATED = "outdated"  # as an earlier run or version wrote it
    NEWER = "newer"
    EDITED = "edited"  # generated, then changed by hand
    FOREIGN = "foreign"  # not generated: the user's own file


def header_line(kind: str, rest: bytes) -> bytes:
    """Return the first line of a generated file. Pure."""
    return f"{MARK}{kind} v{HEADER_VERSION} sha256={hashlib.sha256(rest).hexdigest()}\n".encode()


def generated_state(content: bytes | None) -> GeneratedState:
    """Judge a file (None: there is none) by its header. Line ends do not count: git may have changed them. Pure."""
    if content is None:
        return GeneratedState.MISSING
    plain = content.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n")
    if not plain.startswith(MARK.encode()):
        return GeneratedState.FOREIGN
    header = _WHOLE_HEADER.match(plain)
    if header is None or hashlib.sha256(plain[header.end() :]).hexdigest().encode() != header["digest"]:
        return GeneratedState.EDITED
    version = int(header["version"])
    if version == HEADER_VERSION:
        return GeneratedState.CURRENT
    return GeneratedState.OUTDATED if version < HEADER_VERSION else GeneratedState.NEWER


def find(project: Project) -> Generated:
    """Return the generated files of the project."""
    found = tuple(sorted(_files(project.root)))
    telling = tuple(name for kind in ("identity", "route") for name, one in found if one == kind)
    return Generated(
        client=next((name for name, kind in found if kind == "client"), None),
        identity_path=next((path for path in map(url_path, telling) if path is not None), None),
        page_path=next((url_path(name) for name, kind in found if kind == "page"), None),
        identity_files=telling,
        files=found,
    )


def url_path(name: str) -> str | None:
    """Return the URL path of a route or page: `src/app/(admin)/api/x/route.ts` and `pages/api/x.ts` are `/api/x`. Pure."""
    if (of_pages := IN_PAGES.match(name)) is not None:
        return f"/{of_pages['path']}"
    match = _ROUTE_FILE.match(name)
    if match is None:
        return None
    parts = [part for part in (match["path"] or "").split("/") if part]
    # Route groups and parallel slots are folders only (Next.js documentation, "Project structure").
    return "/" + "/".join(part for part in parts if not part.startswith(("(", "@")))


def source_files(root: Path) -> Iterator[str]:
    """Yield the JavaScript and TypeScript files of the project, relative to it, `/` between."""
    for folder, folders, files in os.walk(root):
        here = Path(folder).relative_to(root)
        deep = len(here.parts) >= _DEPTH
        folders[:] = [one for one in folders if not (deep or one in _SKIPPED or one.startswith("."))]
        yield from ((here / name).as_posix() for name in files if name.endswith(_EXTENSIONS))


def _files(root: Path) -> Iterator[tuple[str, str]]:
    for name in source_files(root):
        with contextlib.suppress(OSError), open_regular(root / name) as file:
            header = _HEADER.match(file.read(_HEAD_BYTES))
            if header is not None:
                yield name, header["kind"].decode()
