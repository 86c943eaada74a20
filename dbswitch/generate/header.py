"""A generated file with its header line, and how it compares with the file on disk. Pure."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from dbswitch.project.generated import GeneratedState, generated_state, header_line


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
    return GeneratedFile(kind, path, header_line(kind, rest) + rest)


def is_pristine(content: bytes) -> bool | None:
    """Return whether generated content is unedited; None if it was not generated."""
    state = generated_state(content)
    return None if state is None else state is not GeneratedState.EDITED


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
