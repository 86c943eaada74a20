"""The file in which the app makes its Prisma client, and the variable that it reads there."""

from __future__ import annotations

import contextlib
import re
from itertools import product
from typing import TYPE_CHECKING, Final

from dbswitch.durable import read_regular_text
from dbswitch.project import javascript_text

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

# Where the documentation of Prisma, Next.js and the T3 stack put it.
_FOLDERS: Final = (
    "lib", "src/lib", "server", "src/server", "app/lib", "src/app/lib", "utils", "src/utils", "src", "db",
)  # fmt: skip
_NAMES: Final = ("prisma", "db", "prisma-client", "database")
_EXTENSIONS: Final = ("ts", "js", "mts", "mjs")
_CONSTRUCTS: Final = re.compile(r"\bnew\s+PrismaClient\b")
_READS: Final = re.compile(r"\benv(?:\.(\w+)|\[\s*[\"'`](\w+)[\"'`]\s*\])")


def find_client_file(root: Path) -> tuple[str, str] | None:
    """Return the path, relative to the project, and the text of the file that constructs the client."""
    for folder, name, extension in product(_FOLDERS, _NAMES, _EXTENSIONS):
        path = f"{folder}/{name}.{extension}"
        with contextlib.suppress(OSError):
            text = read_regular_text(root / path, errors="replace")
            if _CONSTRUCTS.search(text) is not None:
                return path, text
    return None


def variable_of_client(root: Path, known: Collection[str]) -> str | None:
    """Return which of the `known` variables the app's client is made from, as far as its file says."""
    found = find_client_file(root)
    if found is None:
        return None
    plain = javascript_text.without_comments(found[1])
    read = (match[1] or match[2] for match in _READS.finditer(plain))
    return next((name for name in read if name in known), None)
