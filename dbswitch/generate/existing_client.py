"""The project's own Prisma client, read with patterns: its exports, the imports of them, and what a new client lacks."""

from __future__ import annotations

import posixpath
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from msgspec import Struct

from dbswitch.generate.source_layout import SourceLayout
from dbswitch.project import javascript_text
from dbswitch.project.generated import MARK
from dbswitch.project.source_imports import ImportedNames, SourceImports

# What every generated client exports itself.
OWN_NAMES: Final = frozenset(
    {"prisma", "default", "databaseIdentity", "withRetry", "classify", "readsOnly", "Retry", "Hooks"}
)
_CONSTRUCTS: Final = re.compile(r"\bnew\s+PrismaClient\b")
# A declaration ends before the next line that is neither indented nor a closing bracket or an operator.
_DECLARED: Final = re.compile(
    r"^(?P<export>export\s+)?(?:const|let|var)\s+(?P<name>\w+)\s*(?::[^=\n]+)?=(?![=>])\s*"
    r"(?P<value>.*(?:\n(?:[ \t]+|[)}\].?|&]).*)*)",
    re.MULTILINE,
)
# Assigned later, usually in an if/else for production and a global for development.
_UNASSIGNED: Final = re.compile(
    r"^(?P<export>export\s+)?(?:let|var)\s+(?P<name>\w+)\s*(?::\s*(?P<type>[^=;\s][^=;\n]*))?(?:;[ \t]*)?$",
    re.MULTILINE,
)
_ASSIGNED: Final = re.compile(
    r"^[ \t]*(?:\}?[ \t]*else\s+|if\s*\(.*?\)\s*)?(?P<name>\w+)\s*=(?!=)\s*(?P<value>.+)", re.MULTILINE
)
_USED_NAME: Final = re.compile(r"\b(\w+)\b(?!\s*[.(:])")
_CLIENT_TYPE: Final = re.compile(r"(?:\w+\.)?PrismaClient\b(?!.*=>)")
_EXPORTED: Final = re.compile(
    r"^export\s+(?:declare\s+)?(?:async\s+)?(?:const|let|var|function\*?|class|abstract\s+class|type|interface|enum)\s+(\w+)",
    re.MULTILINE,
)
_DEFAULT: Final = re.compile(r"^export\s+default\s+(?P<value>.*)", re.MULTILINE)
_LISTED: Final = re.compile(r"^export\s*\{(?P<names>[^}]*)\}(?!\s*from)", re.MULTILINE)
_RE_EXPORT: Final = re.compile(
    r"^export\s+(?:type\s+)?(?:\*(?:\s+as\s+\w+)?|\{(?P<names>[^}]*)\})\s*from\s*['\"][^'\"]+['\"];?",
    re.MULTILINE,
)
_FUNCTION: Final = re.compile(r"(?:async\s+)?(?:function\b|(?:\([^()]*\)|\w+)\s*(?::[^=]+)?=>)|class\b")
_NO_CLIENT: Final = re.compile(r"[{\[]|\(?global(?:This)?\s+as\b")
_CLIENT: Final = re.compile(r"\bnew\s+PrismaClient\b|\bprisma\b|\b\w*[pP]risma\w*\s*\(")


class ExistingClient(Struct, frozen=True):
    """One file."""

    path: str
    text: str
    clients: tuple[str, ...]  # the names under which it exports the client
    re_exports: tuple[str, ...]  # its `export ... from` statements, which a new file can keep as they are
    missing: tuple[ImportedNames, ...]  # the imports of names that are neither

    def line_of(self, pattern: str) -> int | None:
        """Return the number of the first line that the pattern matches in, comments aside."""
        plain = javascript_text.without_comments(self.text)
        found = re.search(pattern, plain)
        return None if found is None else plain.count("\n", 0, found.start()) + 1


def read_existing(root: Path, path: str, text: str) -> ExistingClient:
    """Read the client in `path` and every file that imports it."""
    plain = javascript_text.without_comments(text)
    clients = exported_clients(plain)
    passed_on = list(_RE_EXPORT.finditer(plain))
    kept = set(clients).union(*(_outer_names(match["names"] or "") for match in passed_on))
    if text.startswith(MARK):
        kept |= OWN_NAMES
    everything = any(match["names"] is None for match in passed_on)
    own = {*_EXPORTED.findall(plain), "default", "*"}
    own.update(*(_outer_names(match["names"]) for match in _LISTED.finditer(plain)))
    missing = []
    for one in SourceImports(root).of(path):
        lacking = (name for name in one.names if name not in kept and (name in own or not everything))
        if names := tuple(lacking):
            missing.append(ImportedNames(one.file, one.line, names))
    statements = (re.sub(r"\s+", " ", match[0]).rstrip(";") + ";" for match in passed_on)
    return ExistingClient(path, text, clients, tuple(statements), tuple(missing))


def exported_clients(plain: str) -> tuple[str, ...]:
    """Return the names under which a text without comments exports a Prisma client. Pure."""
    clients: dict[str, bool] = {}
    for match in _DECLARED.finditer(plain):
        if _is_client(match["value"], clients):
            clients[match["name"]] = match["export"] is not None
    assigned: defaultdict[str, list[str]] = defaultdict(list)
    for match in _ASSIGNED.finditer(plain):
        assigned[match["name"]].append(match["value"])
    for match in _UNASSIGNED.finditer(plain):
        values = assigned.get(match["name"], ())
        if _CLIENT_TYPE.match(match["type"] or "") or any(_is_client(value, clients) for value in values):
            clients[match["name"]] = match["export"] is not None
    names = [name for name, exported in clients.items() if exported]
    for match in _LISTED.finditer(plain):
        for item in match["names"].split(","):
            inner, _, outer = item.strip().partition(" as ")
            if inner.strip() in clients:
                names.append((outer or inner).strip())
    default = _DEFAULT.search(plain)
    if default is not None and _is_client(default["value"], clients):
        names.append("default")
    return tuple(dict.fromkeys(names))


def _is_client(value: str, clients: dict[str, bool]) -> bool:
    value = value.strip().rstrip(";")
    if value.isidentifier():
        return value in clients
    if _FUNCTION.match(value) or _NO_CLIENT.match(value):
        return False
    return _CLIENT.search(value) is not None or not clients.keys().isdisjoint(_USED_NAME.findall(value))


def _outer_names(listed: str) -> Iterator[str]:
    return (words[-1] for item in listed.split(",") if (words := item.split()))


_MOVED: Final = (
    (r"\$extends\(", "its extension"),
    (r"\bneonConfig\.", "the settings of Neon's driver"),
    (r"\b(?:log|omit|errorFormat|transactionOptions)\s*:", "its options"),
)
_SHOWN: Final = 10


def replacement_notes(
    existing: ExistingClient, written: str, layout: SourceLayout, kept: str
) -> tuple[str, ...]:
    """Say what the user has to do when `written` replaces that client (`kept` is its copy), or is written beside it."""
    path = existing.path
    if written != path:
        made_at = existing.line_of(r"\bnew\s+PrismaClient\b") or 1
        module = layout.relative(path, written)
        heading = f"the app uses the client of {path}, and none of its pages or routes leads to {written}:"
        if existing.missing:
            heading = f"{path} is not replaced, because other files import more than the client from it:"
        return (
            heading,
            *_shortened([f"  {one}" for one in existing.missing]),
            f"for hot switches change {path}:{made_at}: replace `new PrismaClient(...)` with `followingClient`",
            f'  and add: import {{ prisma as followingClient }} from "{module}";',
        )
    stem, extension = posixpath.splitext(path)
    lacks = f"which the new file lacks: move it from {kept} to a file of its own and import it from there"
    return (
        *_shortened([f"{one}, {lacks}" for one in existing.missing]),
        *(
            f"{path}:{line} has {what}: move {'it' if what.endswith('n') else 'them'} to {stem}.extend{extension}"
            for mark, what in _MOVED
            if (line := existing.line_of(mark))
        ),
    )


def _shortened(lines: list[str]) -> list[str]:
    rest = len(lines) - _SHOWN
    return lines if rest <= 0 else [*lines[:_SHOWN], f"  and {rest} more imports"]
