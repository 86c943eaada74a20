"""Which targets are protected: by dbswitch.toml, by name, and by the database that they lead to. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from dbswitch.database.place import Place, place_in
from dbswitch.project.target_names import is_way_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dbswitch.project.discovery import Project
    from dbswitch.project.target_sources import TargetRef
    from dbswitch.project.written_values import Entered

# Names under which Vercel, Neon, Supabase and Prisma's documentation keep further URLs of the same database.
USUAL_URLS = frozenset({
    "DATABASE_URL", "DIRECT_DATABASE_URL", "DIRECT_URL", "POSTGRES_PRISMA_URL", "POSTGRES_URL", "POSTGRES_URL_NO_SSL",
    "POSTGRES_URL_NON_POOLING",
})  # fmt: skip


def leads_to_database(project: Project, variable: str) -> bool:
    """Return whether a variable of a target holds a URL of the target's own database."""
    # The shadow database is another one on purpose, and so may any companion be (`AUDIT_DATABASE_URL`).
    if variable in project.shadow_variables:
        return False
    return variable in USUAL_URLS or any(
        variable == base or is_way_of(variable, base) for base in project.url_variables
    )


def places_in(project: Project, values: Mapping[str, str]) -> frozenset[Place]:
    """Return the places of a target's database, given what the target sets."""
    found = (place_in(value) for key, value in values.items() if leads_to_database(project, key))
    return frozenset(place for place in found if place is not None)


def owners_of(
    places: Iterable[Place], refs: Iterable[TargetRef], entered: Entered, *, setting: bool | None = None
) -> tuple[TargetRef, ...]:
    """Return the protected targets of `refs` to whose database one of `places` leads.

    `setting` is `protected` in the table of the target that leads there: `false` is obeyed, unless the owner says `true`.
    """
    led = tuple(places)
    return tuple(
        ref
        for ref in refs
        if ref.protected and (setting is not False or ref.settings.protected is True)
        if any(leads_to(ref, place, entered) for place in led)
    )


def leads_to(ref: TargetRef, place: Place, entered: Entered) -> bool:
    """Return whether a URL of the target's own database leads to `place`."""
    # What a command printed, or a variable that is not exported now, is known from the last switch to it only.
    return place in ref.places or (not ref.places and entered.leads_to(ref.name, place))


def with_protection(refs: tuple[TargetRef, ...], marked: frozenset[str]) -> tuple[TargetRef, ...]:
    """Return the targets, those protected that lead to a protected target's place, or to a database `marked` as production.

    `protected = false` is obeyed, unless the place is that of a target with `protected = true`.
    """
    said = frozenset(place for ref in refs if ref.settings.protected is True for place in ref.places)
    every = frozenset(place for ref in refs for place in ref.places if ref.protected or place.text in marked)
    found: list[TargetRef] = []
    for ref in refs:
        guarded = said if ref.settings.protected is False else every
        protected = ref.protected or not guarded.isdisjoint(ref.places)
        found.append(replace(ref, guarded=guarded, protected_itself=ref.protected, protected=protected))
    return tuple(found)
