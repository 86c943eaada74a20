"""The variables with which a reader would reach another protected target's database, whatever their names. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from dbswitch.envfiles.document import Document
from dbswitch.envfiles.precedence import AMBIENT, DEV_FILES, Reader, all_effective

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from dbswitch.envfiles.precedence import ReaderProfile


class ServedUrl(Struct, frozen=True):
    """A variable that leads to the database of the protected target `owner`.

    Attributes:
        source: the file or "process environment" that the readers take it from.
        line: of the binding in the file; None in the process environment.
    """

    variable: str
    owner: str
    source: str
    line: int | None
    readers: tuple[Reader, ...]

    @property
    def text(self) -> str:
        """One line for display."""
        line = "" if self.line is None else f", line {self.line}"
        return f"{self.source}{line}: {self.variable} leads to {self.owner} ({', '.join(self.readers)})"


def served_urls(
    files: Mapping[str, bytes],
    profiles: Iterable[ReaderProfile],
    ambient: Mapping[str, str],
    owner: Callable[[str, str], str | None],
) -> tuple[ServedUrl, ...]:
    """Return the variables that lead a reader to another protected target.

    Args:
        files: name and content of what the readers read.
        profiles: the readers. Values that `next start` takes from the production files, which no switch changes, are left out.
        ambient: the process environment they have.
        owner: returns the protected target that a variable and its value lead to although they must not.
    """
    found: dict[tuple[str, str, str], list[Reader]] = {}
    for profile in profiles:
        for got in all_effective(profile, files, ambient):
            if not got.value or got.source is None:
                continue
            if profile.reader is Reader.NEXT_START and got.source not in {*DEV_FILES, AMBIENT}:
                continue
            name = owner(got.key, got.value)
            if name is not None:
                found.setdefault((got.key, name, got.source), []).append(profile.reader)
    return tuple(
        ServedUrl(key, name, source, _line(files, source, key), tuple(dict.fromkeys(readers)))
        for (key, name, source), readers in sorted(found.items())
    )


def _line(files: Mapping[str, bytes], source: str, key: str) -> int | None:
    if source not in files:
        return None
    lines = [one.line for one in Document.parse(files[source], source).bindings if one.key == key]
    return lines[-1] if lines else None
