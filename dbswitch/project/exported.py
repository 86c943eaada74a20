"""Variables that the caller's shell exports and that differ from the env files or a target."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from dbswitch.database.place import place_in
from dbswitch.database.url import same_url

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dbswitch.project.target_sources import TargetRef


class Exported(Struct, frozen=True):
    """One such variable.

    Attributes:
        place: where it leads, for display; None where it is not a URL.
        target: the target whose database that is, as far as it is known.
    """

    variable: str
    place: str | None
    target: str | None

    @property
    def text(self) -> str:
        """One sentence for display."""
        where = f" and leads to {self.target or self.place}" if self.place else ""
        return (
            f"{self.variable} is exported in this shell{where}: programs that are started from it, the Prisma CLI among them, "
            f"use it instead of the env files; run `unset {self.variable}`"
        )


def exported(
    wanted: Mapping[str, str | None],
    ambient: Mapping[str, str],
    refs: Iterable[TargetRef],
) -> tuple[Exported, ...]:
    """Return the variables of `wanted` that `ambient` has with another value. Pure.

    Args:
        wanted: the values of the env files or a target; None if they have none.
        ambient: the caller's process environment.
        refs: the project's targets.
    """
    found: list[Exported] = []
    listed = tuple(refs)
    for key in sorted(wanted):
        value = ambient.get(key)
        if not value or same_url(value, wanted[key] or ""):
            continue
        place = place_in(value)
        owner = next((ref.name for ref in listed if place is not None and place in ref.places), None)
        found.append(Exported(key, place.text if place is not None else None, owner))
    return tuple(found)
