"""Which target is active: derived each time by comparing what every reader gets with what each target sets."""

from __future__ import annotations

import os
from enum import StrEnum
from typing import TYPE_CHECKING

from msgspec import Struct

from dbswitch.database.place import Place, place_in, place_of
from dbswitch.database.read_only import asks_read_only
from dbswitch.database.url import DatabaseUrl, same_url
from dbswitch.envfiles.precedence import AMBIENT, DEV_FILES, Reader, all_effective
from dbswitch.errors import DbswitchError, UrlError
from dbswitch.project import entered, reader_files
from dbswitch.project.reader_profiles import profiles, url_variables
from dbswitch.project.targets import Target, as_read_only, list_targets, resolve_ref
from dbswitch.project.value_origin import ValueOrigin

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dbswitch.envfiles.precedence import Effective, ReaderProfile
    from dbswitch.project.discovery import Project
    from dbswitch.project.target_sources import TargetRef


class ActiveKind(StrEnum):
    """The common result of all readers."""

    ONE = "one"  # every reader is on the same target, with all of its variables
    PARTIAL = "partial"  # every reader is on the same target's database, but a variable differs from the target's value
    MIXED = "mixed"  # readers are on different databases
    UNKNOWN = "unknown"  # they agree on a database that no target names
    UNSET = "unset"  # no reader has a URL


class ReaderState(Struct, frozen=True):
    """What one reader gets.

    Attributes:
        variable: the variable that this reader takes its URL from.
        target: the target its URL belongs to, None where no target has that URL.
        database: the URL in its masked form, None where the reader has none.
        source: the file or "process environment" it comes from.
        differing: other variables of that target for which this reader gets another value.
        foreign: variable and target: variables of another target that this reader gets and this target does not set.
        place: where its URL leads; None where it cannot be used.
        read_only: its URL asks for read-only sessions.
    """

    reader: Reader
    variable: str
    target: str | None
    database: str | None
    source: str | None
    differing: tuple[str, ...] = ()
    foreign: tuple[tuple[str, str], ...] = ()
    place: Place | None = None
    read_only: bool = False

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
    """The answer; `target` is set for `ActiveKind.ONE` only.

    Attributes:
        unresolved: targets that could not be compared, with the reason; among them `command` targets not run.
        databases: the name of the database of each target that could be compared.
    """

    kind: ActiveKind
    target: str | None
    readers: tuple[ReaderState, ...]
    unresolved: tuple[tuple[str, str], ...] = ()
    databases: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str | None:
        """The active target's name, None where there is not exactly one."""
        return self.target

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
        having = tuple(state for state in self.readers if state.database is not None and _counts(state))
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
                return f"{having[0].target} in part ({', '.join(remarks)})"
            case ActiveKind.UNSET:
                return "none (no database URL is set)"
            case ActiveKind.UNKNOWN:
                return f"unknown ({next(state.database for state in self.readers if state.database)})"
            case ActiveKind.MIXED:
                each = ", ".join(
                    f"{state.reader}: {state.target or state.database or 'none'}" for state in self.readers
                )
                return f"mixed ({each})"


def active(
    project: Project,
    ambient: Mapping[str, str] | None = None,
    *,
    run_commands: bool = False,
    readers: Sequence[ReaderProfile] | None = None,
    server: Mapping[str, str] | None = None,
) -> Active:
    """Return the active target.

    Variables of the shell alone, and those that `next start` reads from the production files, do not count.

    Args:
        project: where to look.
        ambient: the process environment the readers would have; None is this process's own.
        run_commands: also compare with targets whose command has to be run (it may ask for a login).
        readers: the profiles to compute; None is :func:`dbswitch.project.reader_profiles.profiles`.
        server: the process environment of the dev server, where it has another one.

    Raises:
        ConfigError: as `list_targets`.
        EnvFileError: an env file cannot be read.
    """
    environment = os.environ if ambient is None else ambient
    refs = list_targets(project, ambient=environment)
    targets, unresolved = _resolved(project, refs, environment, run_commands=run_commands)
    chosen = tuple(profiles(project) if readers is None else readers)
    files = reader_files.read(project)
    comparison = _Comparison(project, files, refs, targets, unresolved, environment)
    states: tuple[ReaderState, ...] = ()
    for profile in chosen:
        around = environment if server is None or profile.reader is not Reader.NEXT_DEV else server
        # Where several targets lead to one database, the readers are on the same one if they can be.
        preferred = next((state.target for state in states if state.target is not None), None)
        states += (comparison.state(profile, around, preferred),)
    databases = tuple((target.name, target.url.database) for target in targets)
    return Active(*_together(states), states, unresolved, databases)


def _resolved(
    project: Project, refs: tuple[TargetRef, ...], ambient: Mapping[str, str], *, run_commands: bool
) -> tuple[tuple[Target, ...], tuple[tuple[str, str], ...]]:
    targets: list[Target] = []
    unresolved: list[tuple[str, str]] = []
    for ref in refs:
        if ref.runs_command and not run_commands:
            unresolved.append((ref.name, "its command was not run"))
            continue
        try:
            targets.append(resolve_ref(project, ref, ambient=ambient))
        except DbswitchError as error:  # one broken target must not hide the others
            unresolved.append((ref.name, error.what))
    return tuple(targets), tuple(unresolved)


class _Comparison:
    """The targets that readers are compared with."""

    def __init__(
        self,
        project: Project,
        files: Mapping[str, bytes],
        refs: tuple[TargetRef, ...],
        targets: tuple[Target, ...],
        unresolved: tuple[tuple[str, str], ...],
        ambient: Mapping[str, str],
    ) -> None:
        self._project = project
        self._files = files
        self._refs = refs
        # Each target is compared as its source has it, and in its read-only form.
        self._targets = tuple(form for one in targets for form in (one, as_read_only(project, one)))
        self._unresolved = frozenset(name for name, _ in unresolved)
        self._ambient = ambient
        self._written = entered.load(project.private_dir)
        self._origins: dict[str, ValueOrigin] = {}

    def state(
        self, profile: ReaderProfile, environment: Mapping[str, str], preferred: str | None
    ) -> ReaderState:
        found = {one.key: one for one in all_effective(profile, self._files, environment) if one.value}
        keys = url_variables(self._project, profile.reader)
        chosen = next((found[key] for key in keys if key in found), None)
        if chosen is None or chosen.value is None:
            return ReaderState(profile.reader, keys[0], None, None, None)
        key, value = chosen.key, chosen.value

        def on(
            name: str | None, differing: tuple[str, ...], foreign: tuple[tuple[str, str], ...]
        ) -> ReaderState:
            return ReaderState(
                profile.reader,
                key,
                name,
                _masked(value, key),
                chosen.source,
                differing,
                foreign,
                place_in(value),
                asks_read_only(value),
            )

        candidates = self._setting(key, value)
        # What a command printed is known from the switch that wrote it.
        names = [one for one in self._written.targets_of(key, value) if one in self._unresolved]
        if not candidates and not names:
            candidates = self._leading_to(key, value)
        if not candidates and not names:
            names = self._remembered(key, value)
        states = [
            on(one.name, self._differing(profile, one, key, found), self._foreign(one, found))
            for one in candidates
        ] or [on(name, self._changed(name, found), ()) for name in names]
        return min(
            states,
            key=lambda state: (state.target != preferred, not state.whole),
            default=on(None, (), ()),
        )

    def _setting(self, key: str, value: str) -> list[Target]:
        return [
            target
            for target in self._targets
            if key in target.variables and same_url(value, target.variables[key])
        ]

    def _leading_to(self, key: str, value: str) -> list[Target]:
        """Return the targets that do not set `key`, and to whose database it leads: `DIRECT_URL` beside `DATABASE_URL`."""
        place = place_in(value)
        lacking = [target for target in self._targets if key not in target.variables]
        exact = [one for one in lacking if place is not None and place == place_of(one.url)]
        return exact or [one for one in lacking if self._origin(one).belongs(key, value)]

    def _remembered(self, key: str, value: str) -> list[str]:
        """Return the targets that were not resolved, were entered without `key`, and to whose database it leads."""
        place = place_in(value)
        return [
            one
            for one in sorted(self._unresolved)
            if place is not None
            and self._written.leads_to(one, place)
            and key not in self._written.targets[one].last
        ]

    def _differing(
        self, profile: ReaderProfile, target: Target, key: str, found: Mapping[str, Effective]
    ) -> tuple[str, ...]:
        # A reader that gets a companion from none of its files has no wrong one; the app needs all of them.
        whole = profile.reader in {Reader.NEXT_DEV, Reader.NEXT_START}
        return tuple(
            name
            for name, wanted in target.variables.items()
            if name != key
            and (whole or name in found)
            and not (name in found and same_url(found[name].value or "", wanted))
            and (wanted or name in found)
        )

    def _foreign(self, target: Target, found: Mapping[str, Effective]) -> tuple[tuple[str, str], ...]:
        owners: list[tuple[str, str]] = []
        origin = self._origin(target)
        for key, got in found.items():
            value = got.value or ""
            if key in target.variables or origin.is_definition(key):
                continue
            owner = self._setter(key, value, target.name) or origin.protected_owner(key, value)
            if owner is not None:
                owners.append((key, owner))
        return tuple(owners)

    def _setter(self, key: str, value: str, active_target: str) -> str | None:
        for target in self._targets:
            own = target.variables.get(key)
            if own and target.name != active_target and same_url(value, own):
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
            self._origins[target.name] = ValueOrigin(
                self._project, target, self._written, self._refs, self._ambient
            )
        return self._origins[target.name]


def _masked(value: str, name: str) -> str:
    try:
        return DatabaseUrl.parse(value, name=name).masked()
    except UrlError as error:
        return f"(not usable: {error.what})"


def _together(states: tuple[ReaderState, ...]) -> tuple[ActiveKind, str | None]:
    having = tuple(state for state in states if state.database is not None and _counts(state))
    if not having:
        return ActiveKind.UNSET, None
    # A reader without any URL does not contradict the others: a Prisma CLI that loads no file gets it from the shell.
    first = having[0]
    if first.target is None:
        same = len({(state.target, state.database) for state in having}) == 1
    else:
        same = len({state.target for state in having}) == 1
    if not same:
        return ActiveKind.MIXED, None
    if first.target is None:
        return ActiveKind.UNKNOWN, None
    if not all(state.whole for state in having):
        return ActiveKind.PARTIAL, None
    return ActiveKind.ONE, first.target


def _counts(state: ReaderState) -> bool:
    if state.reader is Reader.SHELL:
        return False
    return state.reader is not Reader.NEXT_START or state.source in {*DEV_FILES, AMBIENT}
