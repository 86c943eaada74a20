"""Which target is active: derived each time by comparing what every reader gets with what each target sets."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from dbswitch.database.place import Place, place_in, place_of
from dbswitch.database.url import DatabaseUrl, same_url
from dbswitch.envfiles.precedence import AMBIENT, DEV_FILES, Effective, Reader, ReaderProfile, all_effective
from dbswitch.errors import DbswitchError, UrlError
from dbswitch.project import reader_profiles, written_values
from dbswitch.project.discovery import Project
from dbswitch.project.protection import owners_of
from dbswitch.project.reader_profiles import profiles, url_variables
from dbswitch.project.targets import Target, as_read_only, list_targets, resolve_ref
from dbswitch.project.value_origin import ValueOrigin


class ActiveKind(StrEnum):
    """The common result of all readers."""

    ONE = "one"  # every reader is on the same target, with all of its variables
    PARTIAL = "partial"  # every reader is on the same target's database, but a variable differs from the target's value
    MIXED = "mixed"  # readers are on different databases
    UNKNOWN = "unknown"  # they agree on a database that no target names
    UNSET = "unset"  # no reader has a URL


class ReaderState(Struct, frozen=True):
    """What one reader gets from `variable`."""

    reader: Reader
    variable: str
    target: str | None  # the one that its URL belongs to
    database: str | None  # its URL, masked
    source: str | None  # the file or "process environment"
    differing: tuple[str, ...] = ()  # other variables of that target for which it gets another value
    foreign: tuple[tuple[str, str], ...] = ()  # variables that another target sets, and that target
    place: Place | None = None  # where its URL leads, if it can be used
    read_only: bool = False
    owner: str | None = None  # the protected target whose database it is, whatever else the URL has

    @property
    def whole(self) -> bool:
        """Whether the reader has everything of its target and nothing of another."""
        return not self.differing and not self.foreign

    @property
    def remarks(self) -> tuple[str, ...]:
        """The differences from the target, for display."""
        return (
            *(f"{key} differs from {self.target}'s value" for key in self.differing),
            *(f"{key} has the value of {owner}" for key, owner in self.foreign),
        )


class Active(Struct, frozen=True):
    """The answer; `target` is set for `ActiveKind.ONE` only."""

    kind: ActiveKind
    target: str | None
    readers: tuple[ReaderState, ...]
    unresolved: tuple[tuple[str, str], ...] = ()  # targets that could not be compared, with the reason
    databases: tuple[tuple[str, str], ...] = ()  # of each target that could be compared

    @property
    def app_target(self) -> str | None:
        """The target that Next.js dev is on, whatever the other readers and variables are."""
        return next((state.target for state in self.readers if state.reader is Reader.NEXT_DEV), None)

    @property
    def nominal_target(self) -> str | None:
        """The target whose database every reader is on, with all of its variables or not."""
        return self.app_target if self.kind is ActiveKind.PARTIAL else self.target

    @property
    def read_only(self) -> bool:
        """Whether the URL of every reader asks for read-only sessions."""
        having = _having(self.readers)
        return bool(having) and all(state.read_only for state in having)

    @property
    def text(self) -> str:
        """One line for display."""
        match self.kind:
            case ActiveKind.ONE:
                return f"{self.target}{' (read-only)' if self.read_only else ''}"
            case ActiveKind.PARTIAL:
                having = [state for state in self.readers if state.target is not None]
                remarks = dict.fromkeys(remark for state in having for remark in state.remarks)
                return f"partly {having[0].target} ({', '.join(remarks)})"
            case ActiveKind.UNSET:
                return "none (no database URL is set)"
            case ActiveKind.UNKNOWN:
                return f"unknown ({next(state.database for state in self.readers if state.database)})"
            case ActiveKind.MIXED:
                each = (f"{one.reader}: {one.target or one.database or 'none'}" for one in self.readers)
                return f"mixed ({', '.join(each)})"


def active(
    project: Project,
    ambient: Mapping[str, str] = os.environ,
    *,
    readers: Sequence[ReaderProfile] | None = None,
    server: Mapping[str, str] | None = None,
) -> Active:
    """Return the active target. Raises ConfigError or EnvFileError as :func:`list_targets`.

    Variables of the shell alone, and of `next start` in production files, do not count. `ambient` is the process environment
    the readers would have, `server` that of the dev server where it has another one. `readers` None: those that a switch has
    to bring together.
    """
    comparison = _Comparison(project, ambient)
    states: tuple[ReaderState, ...] = ()
    for profile in profiles(project) if readers is None else readers:
        around = ambient if server is None or profile.reader is not Reader.NEXT_DEV else server
        # Where several targets lead to one database, the readers are on the same one if they can be.
        preferred = next((state.target for state in states if state.target is not None), None)
        states += (comparison.state(profile, around, preferred),)
    return Active(*_together(states), states, tuple(comparison.unresolved.items()), comparison.databases)


class _Comparison:
    """The targets that readers are compared with."""

    def __init__(self, project: Project, ambient: Mapping[str, str]) -> None:
        self._project = project
        self._ambient = ambient
        self._files = reader_profiles.read_files(project)
        self._written = written_values.load(project.private_dir)
        self._refs = list_targets(project, ambient=ambient)
        self._origins: dict[str, ValueOrigin] = {}
        self.unresolved: dict[str, str] = {}
        targets: list[Target] = []
        for ref in self._refs:
            if ref.runs_command:  # it may take long, or ask for a login
                self.unresolved[ref.name] = "its command was not run"
                continue
            try:
                targets.append(resolve_ref(project, ref, ambient=ambient))
            except DbswitchError as error:  # one broken target must not hide the others
                self.unresolved[ref.name] = error.what
        self.databases = tuple((target.name, target.url.database) for target in targets)
        # Each target is compared as its source has it, and in its read-only form.
        self._targets = [form for one in targets for form in (one, as_read_only(project, one))]

    def state(self, profile: ReaderProfile, around: Mapping[str, str], preferred: str | None) -> ReaderState:
        got = all_effective(profile, self._files, around)
        found = {key: one for key, one in got.items() if one.value}
        keys = url_variables(self._project, profile.reader)
        key = next((key for key in keys if key in found), None)
        if key is None:
            return ReaderState(profile.reader, keys[0], None, None, None)
        value = found[key].value or ""
        here = ReaderState(profile.reader, key, None, None, found[key].source)
        try:
            url = DatabaseUrl.parse(value, name=key)
            here = replace(here, database=url.masked(), place=place_of(url), read_only=url.is_read_only)
        except UrlError as error:
            here = replace(here, database=f"(not usable: {error.what})")
        # What a command printed is known from the switch that wrote it.
        names = [one for one in self._written.targets_of(key, value) if one in self.unresolved]
        targets = [one for one in self._targets if same_url(value, one.variables.get(key, ""))]
        if not targets and not names:
            targets, names = self._leading_to(key, value), self._remembered(key, value)
        states = [replace(here, target=name, differing=self._changed(name, found)) for name in names]
        for one in targets:
            differing, foreign = self._differing(profile, one, key, found), self._foreign(one, found)
            states.append(replace(here, target=one.name, differing=differing, foreign=foreign))
        chosen = min(states, key=lambda one: (one.target != preferred, not one.whole), default=here)
        return replace(chosen, owner=self._owner(chosen))

    def _owner(self, state: ReaderState) -> str | None:
        ref = next((one for one in self._refs if one.name == state.target), None)
        if ref is not None and ref.protected:
            return ref.name
        setting = None if ref is None else ref.settings.protected
        places = () if state.place is None else (state.place,)
        return next((one.name for one in owners_of(places, self._refs, self._written, setting=setting)), None)

    def _leading_to(self, key: str, value: str) -> list[Target]:
        """Return the targets that do not set `key`, and to whose database it leads: `DIRECT_URL` beside `DATABASE_URL`."""
        place = place_in(value)
        lacking = [target for target in self._targets if key not in target.variables]
        exact = [one for one in lacking if place is not None and place == place_of(one.url)]
        return exact or [one for one in lacking if self._origin(one).belongs(key, value)]

    def _remembered(self, key: str, value: str) -> list[str]:
        """Return the targets that were not resolved, were entered without `key`, and to whose database it leads."""
        place, written = place_in(value), self._written
        led = [one for one in sorted(self.unresolved) if place is not None and written.leads_to(one, place)]
        return [one for one in led if key not in written.targets[one].last]

    def _differing(
        self, profile: ReaderProfile, target: Target, key: str, found: Mapping[str, Effective]
    ) -> tuple[str, ...]:
        # A reader that gets a companion from none of its files has no wrong one; the app needs all of them.
        whole = profile.reader in {Reader.NEXT_DEV, Reader.NEXT_START}
        wrong = (
            name
            for name, wanted in target.variables.items()
            if (not same_url(found[name].value or "", wanted) if name in found else whole and wanted)
        )
        return tuple(name for name in wrong if name != key)

    def _foreign(self, target: Target, found: Mapping[str, Effective]) -> tuple[tuple[str, str], ...]:
        origin = self._origin(target)
        values = {key: got.value or "" for key, got in found.items() if key not in target.variables}
        owners = {
            key: self._setter(key, value, target.name) or origin.protected_owner(key, value)
            for key, value in values.items()
            if not origin.is_definition(key)
        }
        return tuple((key, owner) for key, owner in owners.items() if owner is not None)

    def _setter(self, key: str, value: str, active_target: str) -> str | None:
        for target in self._targets:
            if target.name != active_target and same_url(value, target.variables.get(key, "")):
                return target.name
        written = self._written.targets_of(key, value)
        return None if active_target in written else next(iter(written), None)

    def _changed(self, name: str, found: Mapping[str, Effective]) -> tuple[str, ...]:
        return tuple(
            key
            for key in self._written.targets[name].last
            if key in found and name not in self._written.targets_of(key, found[key].value or "")
        )

    def _origin(self, target: Target) -> ValueOrigin:
        if target.name not in self._origins:
            origin = ValueOrigin(self._project, target, self._written, self._refs, self._ambient)
            self._origins[target.name] = origin
        return self._origins[target.name]


def _together(states: tuple[ReaderState, ...]) -> tuple[ActiveKind, str | None]:
    having = _having(states)
    if not having:
        return ActiveKind.UNSET, None
    if len({state.target or (state.database,) for state in having}) > 1:
        return ActiveKind.MIXED, None
    target = having[0].target
    if target is None:
        return ActiveKind.UNKNOWN, None
    return (ActiveKind.ONE, target) if all(state.whole for state in having) else (ActiveKind.PARTIAL, None)


def _having(states: tuple[ReaderState, ...]) -> list[ReaderState]:
    """Return the readers that count and have a URL: a Prisma CLI that loads no file gets it from the shell."""
    return [
        one
        for one in states
        if one.database is not None and one.reader is not Reader.SHELL
        if one.reader is not Reader.NEXT_START or one.source in {*DEV_FILES, AMBIENT}
    ]
