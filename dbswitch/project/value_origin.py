"""The origin of a value in an env file or the shell: a target, a switch, or the user; and where it leads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from msgspec import Struct

from dbswitch.database.place import place_in, place_of
from dbswitch.database.url import same_url
from dbswitch.envfiles.document import Document
from dbswitch.envfiles.precedence import DEV_FILES, Reader, ReaderProfile, all_effective
from dbswitch.project.config import FromVariable
from dbswitch.project.discovery import Project
from dbswitch.project.protection import USUAL_URLS, leads_to, owners_of, places_in
from dbswitch.project.target_names import has_suffix, split_url_key
from dbswitch.project.target_sources import TargetRef, bound_variables
from dbswitch.project.targets import Target, known_values, variable_names
from dbswitch.project.written_values import Entered


class ValueOrigin:
    """What is known about values for a switch to `target`."""

    # `absent` are the variables that other targets set, that switches wrote, or that the Prisma schema or config names as a URL,
    # and that `target` lacks; `guardians` the targets to whose place it leads, where it is protected for that only. `refs` are
    # the listed targets, `ambient` is the process environment for `url_from` and `from`.

    def __init__(
        self,
        project: Project,
        target: Target,
        entered: Entered,
        refs: tuple[TargetRef, ...],
        ambient: Mapping[str, str],
    ) -> None:
        self._target = target
        self._entered = entered
        self._values = known_values(project, refs, ambient)
        self._deciding = frozenset(project.url_variables) - frozenset(project.shadow_variables)
        set_by_targets = variable_names(project, refs)
        self._definitions = _definitions(project, refs) - set_by_targets - self._deciding
        self.absent = (set_by_targets | entered.variables | self._deciding) - frozenset(target.variables)
        self._place = place = place_of(target.url)
        own = next((ref for ref in refs if ref.name == target.name), None)
        others = [ref for ref in refs if ref.name != target.name]
        places = places_in(project, target.variables)
        itself = own is not None and own.protected_itself
        self._allowed = places if itself else frozenset({place})
        by_place = target.protected and own is not None and not itself
        self.guardians = tuple(
            ref.name
            for ref in (owners_of(places, others, entered) if by_place else ())
            if ref.protected_itself
        )
        self._others = tuple(ref for ref in others if not leads_to(ref, place, entered))

    def known(self, key: str, value: str) -> bool:
        """Return whether some target sets the variable to this value, or a switch wrote it."""
        return self.lasting(key, value) or bool(self._entered.targets_of(key, value))

    def lasting(self, key: str, value: str) -> bool:
        """Return whether a target sets the variable to this value, as far as it can be known without running a command."""
        own = {self._target.variables[key]} if key in self._target.variables else set()
        return any(same_url(value, one) for one in own | self._values.get(key, set()))

    def misleads(self, key: str, value: str) -> bool:
        """Return whether a reader that takes its URL from the variable would not be on the target's database."""
        return key in self._deciding and place_in(value) is not None and not self.belongs(key, value)

    def belongs(self, key: str, value: str) -> bool:
        """Return whether the variable leads to the target's database, perhaps through another port of its host."""
        place = place_in(value)
        beside = key in self._deciding and place is not None and place.beside(self._place)
        return beside and self.protected_owner(key, value) is None

    def protected_owner(self, key: str, value: str) -> str | None:
        """Return the other protected target to whose database the variable leads; None if that is harmless."""
        place = place_in(value)
        if place is None or place in self._allowed or self.is_definition(key):
            return None
        return next((ref.name for ref in owners_of((place,), self._others, self._entered)), None)

    def is_definition(self, key: str) -> bool:
        """Return whether the variable only defines a target's values: `DATABASE_URL_PROD`, a `from` of a target."""
        return key in self._definitions


def _definitions(project: Project, refs: tuple[TargetRef, ...]) -> frozenset[str]:
    suffixes = {name.upper().replace("-", "_") for ref in refs for name in (ref.name, *ref.aliases)}
    # `DATABASE_URL_UNPOOLED_PROD` and `DIRECT_URL_PROD` are definitions also where they are left over from a target.
    urls = (*project.url_variables, *USUAL_URLS)
    found = {
        key
        for key in bound_variables(project.root)[0]
        if has_suffix(key, suffixes) or split_url_key(key, urls)
    }
    for ref in refs:
        sources = ref.settings.variables.values()
        found |= {*ref.suffixed, *(one.source for one in sources if isinstance(one, FromVariable))}
        found |= {ref.settings.url_from} if ref.settings.url_from else set()
    return frozenset(found)


class ServedUrl(Struct, frozen=True):
    """A variable, and where the readers take it from, that leads to the database of the protected target `owner`."""

    variable: str
    owner: str
    source: str
    line: int
    readers: tuple[Reader, ...]

    @property
    def text(self) -> str:
        """One line for display."""
        return f"{self.source}, line {self.line}: {self.variable} leads to {self.owner} ({', '.join(self.readers)})"


def served_urls(
    files: Mapping[str, bytes], profiles: Iterable[ReaderProfile], owner: Callable[[str, str], str | None]
) -> tuple[ServedUrl, ...]:
    """Return the variables of `files` that lead a reader to a protected target to which, by `owner`, they must not. Pure."""
    # Values that `next start` takes from the production files, which no switch changes, are left out.
    found: dict[tuple[str, str, str], list[Reader]] = {}
    for profile in profiles:
        for got in all_effective(profile, files, {}).values():
            beyond_reach = profile.reader is Reader.NEXT_START and got.source not in DEV_FILES
            name = owner(got.key, got.value) if got.value and not beyond_reach else None
            if name is not None and got.source is not None:
                found.setdefault((got.key, name, got.source), []).append(profile.reader)
    lines = {
        source: {one.key: one.line for one in Document.parse(files[source]).bindings}
        for _, _, source in found
    }
    return tuple(
        ServedUrl(key, name, source, lines[source][key], tuple(readers))
        for (key, name, source), readers in sorted(found.items())
    )


class Exported(Struct, frozen=True):
    """A variable that the shell exports; `place` is where it leads, `target` whose database that is, as far as it is known."""

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
    wanted: Mapping[str, str | None], ambient: Mapping[str, str], refs: tuple[TargetRef, ...]
) -> tuple[Exported, ...]:
    """Return the variables of `wanted`, values of the env files or a target, that `ambient` has with another value. Pure."""
    found: list[Exported] = []
    for key in sorted(wanted):
        if (value := ambient.get(key)) and not same_url(value, wanted[key] or ""):
            place = place_in(value)
            owner = next((ref.name for ref in refs if place is not None and place in ref.places), None)
            found.append(Exported(key, place.text if place is not None else None, owner))
    return tuple(found)
