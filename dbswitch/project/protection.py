"""Which targets are protected: by dbswitch.toml, by name, and by the database that they lead to. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from dbswitch.database.place import Place, place_in
from dbswitch.project.discovery import Project
from dbswitch.project.target_names import is_way_of
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
    known = USUAL_URLS.union(project.url_variables)
    return variable in known or any(is_way_of(variable, base) for base in project.url_variables)


def places_in(project: Project, values: Mapping[str, str]) -> frozenset[Place]:
    """Return the places of a target's database, given what the target sets."""
    found = (place_in(value) for key, value in values.items() if leads_to_database(project, key))
    return frozenset(place for place in found if place is not None)


def owners_of(
    places: Iterable[Place], refs: Iterable[TargetRef], entered: Entered, *, setting: bool | None = None
) -> tuple[TargetRef, ...]:
    """Return the protected targets of `refs` to whose database one of `places` leads, those first that are so by themselves.

    `setting` is `protected` in the table of the target that leads there: `false` is obeyed, unless the owner says `true`.
    """
    led = tuple(places)
    found = (
        ref
        for ref in refs
        if ref.protected and (setting is not False or ref.settings.protected is True)
        if any(leads_to(ref, place, entered) for place in led)
    )
    return tuple(sorted(found, key=lambda ref: not ref.protected_itself))


def leads_to(ref: TargetRef, place: Place, entered: Entered) -> bool:
    """Return whether a URL of the target's own database leads to `place`."""
    # What a command printed, or a variable that is not exported now, is known from the last switch to it only.
    return place in ref.places or (not ref.places and entered.leads_to(ref.name, place))


def is_protected_at(
    places: frozenset[Place],
    refs: Iterable[TargetRef],
    entered: Entered,
    marked: frozenset[str],
    *,
    setting: bool | None,
) -> bool:
    """Return whether a target is protected by its places, also those of databases `marked` as production."""
    by_mark = setting is not False and any(place.text in marked for place in places)
    return by_mark or bool(owners_of(places, refs, entered, setting=setting))


def with_protection(
    refs: tuple[TargetRef, ...], entered: Entered, marked: frozenset[str]
) -> tuple[TargetRef, ...]:
    """Return the targets, those protected as well that lead to a protected place."""
    found = tuple(replace(ref, protected_itself=ref.protected) for ref in refs)
    while True:
        # One that is protected by its place protects what leads to its other places, such as the pooler in front of it.
        more = tuple(
            replace(one, protected=True)
            if is_protected_at(one.places, found, entered, marked, setting=one.settings.protected)
            else one
            for one in found
        )
        if more == found:
            return found
        found = more
