"""The first line of a generated file, which shows whether the file was edited since.

`// dbswitch:generated <kind> v1 sha256=<digest of the rest>`. Pure.
"""

from __future__ import annotations

import hashlib
import re
from enum import StrEnum
from typing import Final

from msgspec import Struct

VERSION: Final = 1
_HEADER = re.compile(
    rb"// dbswitch:generated (?P<kind>[a-z-]+) v(?P<version>\d+) sha256=(?P<digest>[0-9a-f]{64})\n"
)


class FileState(StrEnum):
    """The file on disk compared with the one that would be generated."""

    MISSING = "missing"
    CURRENT = "current"
    OUTDATED = "outdated"  # as an earlier run wrote it
    EDITED = "edited"  # generated, then changed by hand
    FOREIGN = "foreign"  # not generated: the user's own file


class GeneratedFile(Struct, frozen=True):
    """One file to write: its path relative to the project (`/` between) and its whole content."""

    kind: str
    path: str
    content: bytes


def sign(kind: str, path: str, body: str) -> GeneratedFile:
    """Put the header line over `body`."""
    rest = body.encode()
    header = f"// dbswitch:generated {kind} v{VERSION} sha256={hashlib.sha256(rest).hexdigest()}\n"
    return GeneratedFile(kind, path, header.encode() + rest)


def is_pristine(content: bytes) -> bool | None:
    """Return whether generated content is unedited; None if it was not generated.

    Line ends do not count: git may check a file out with CRLF.
    """
    plain = content.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n")
    header = _HEADER.match(plain)
    if header is None:
        # A damaged header counts as an edit; it is overwritten only with --force.
        return False if plain.startswith(b"// dbswitch:generated ") else None
    return hashlib.sha256(plain[header.end() :]).hexdigest().encode() == header["digest"]


def state_of(content: bytes | None, wanted: GeneratedFile) -> FileState:
    """Compare what is on disk (None: no file) with what would be written."""
    if content is None:
        return FileState.MISSING
    match is_pristine(content):
        case None:
            return FileState.FOREIGN
        case False:
            return FileState.EDITED
        case True:
            same = content.replace(b"\r\n", b"\n") == wanted.content
            return FileState.CURRENT if same else FileState.OUTDATED
