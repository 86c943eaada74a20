"""The project's targets: listing them, and resolving one to its values."""

from __future__ import annotations

import difflib
import os
from dataclasses import replace
from typing import TYPE_CHECKING

from msgspec import Struct

from dbswitch.errors import ConfigError, UrlError, UsageError
from dbswitch.project import names
from dbswitch.project.protection import places_in, with_protection
from dbswitch.project.read_only_target import as_read_only
from dbswitch.project.secret import SecretValues
from dbswitch.project.target_sources import (
    TargetRef,
    config_targets,
    file_targets,
    is_postgres,
    other_env_files,
    suffix_targets,
)
from dbswitch.project.target_values import read_values

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dbswitch.database.place import Place
    from dbswitch.database.url import DatabaseUrl
    from dbswitch.project.config import TargetConfig
    from dbswitch.project.discovery import Project


class Target(Struct, frozen=True):
    """A named database with its values, which are secrets.

    Attributes:
        variables: what it sets, URLs in the form that every reader reads alike.
        primary: the variable that holds `url`.
        settings: its `[targets.NAME]`, where there is one.
        read_only: its URLs ask for read-only sessions, although its source does not say so.
    """

    name: str
    variables: SecretValues
    protected: bool
    source: str
    primary: str
    url: DatabaseUrl
    settings: TargetConfig | None = None
    notices: tuple[str, ...] = ()
    read_only: bool = False

    @property
    def start(self) -> tuple[str, ...]:
        """The command that starts its database on this machine; empty where there is none."""
        return self.settings.start if self.settings is not None else ()


def list_targets(project: Project, *, ambient: Mapping[str, str] | None = None) -> tuple[TargetRef, ...]:
    """Return the project's targets, each once, in the order of their sources, with what protects them.

    Of several sources of one name the first counts that sets the app's variable: a left-over `DIRECT_URL_PROD` does not
    displace `[targets.prod]`.

    `ambient` is the process environment for `url_from` and `from`; None is this process's own.

    Raises:
        ConfigError: a target or an alias has the same name as a command, or two targets have the same name.
        EnvFileError: an env file cannot be read.
    """
    found: dict[str, TargetRef] = {}
    for ref in (*file_targets(project), *suffix_targets(project), *config_targets(project)):
        used = found.get(ref.name)
        if used is None:
            found[ref.name] = ref
            continue
        other = ref
        if not _sets_app_variable(project, used) and _sets_app_variable(project, ref):
            used, other = ref, used
        found[ref.name] = replace(
            used,
            aliases=tuple(dict.fromkeys((*used.aliases, *other.aliases))),
            shadowed=(*used.shadowed, *other.shadowed, other.source),
        )
    targets = tuple(_with_settings(project, ref, tuple(found)) for ref in found.values())
    _refuse_clashes(targets)
    environment = os.environ if ambient is None else ambient
    return with_protection(tuple(replace(ref, places=_places(project, ref, environment)) for ref in targets))


def _sets_app_variable(project: Project, ref: TargetRef) -> bool:
    try:
        return ref.runs_command or project.primary_variable in read_values(project, ref, {}, lenient=True)
    except (
        ConfigError
    ):  # a source that cannot be read is an error of the target, not a reason to use another one
        return True


def _places(project: Project, ref: TargetRef, ambient: Mapping[str, str]) -> frozenset[Place]:
    if ref.runs_command:
        return frozenset()
    try:
        return places_in(project, read_values(project, ref, ambient, lenient=True))
    except ConfigError:  # a broken target must not hide the others; resolving it reports the error
        return frozenset()


def resolve(project: Project, name: str, *, ambient: Mapping[str, str] | None = None) -> Target:
    """Return the target that `name` means, with its values. A `command` target runs its command.

    Args:
        project: where to look.
        name: a target's name or alias.
        ambient: the process environment for `url_from` and `from`; None is this process's own.

    Raises:
        UsageError: no such target; the message has the close names and the list.
        ConfigError: its source cannot be read, its command failed, or it sets no database URL.
        UrlError: a URL in it cannot be used.
        EnvFileError: an env file cannot be read.
    """
    return resolve_ref(project, lookup(project, name, ambient=ambient), ambient=ambient)


def lookup(project: Project, name: str, *, ambient: Mapping[str, str] | None = None) -> TargetRef:
    """Return the listed target that `name` means, without reading its values.

    Raises:
        UsageError: no such target; the message has the close names and the list.
        ConfigError: the targets cannot be listed.
        EnvFileError: an env file cannot be read.
    """
    targets = list_targets(project, ambient=ambient)
    ref = find(targets, name)
    if ref is None:
        raise _unknown(project, targets, name)
    return ref


def variable_names(project: Project, refs: tuple[TargetRef, ...] | None = None) -> frozenset[str]:
    """Return every variable that some target sets, as far as it can be known without running a `command`.

    `refs` are the listed targets; None lists them.

    Raises:
        ConfigError: the targets cannot be listed.
        EnvFileError: an env file cannot be read.
    """
    found: set[str] = set()
    for ref in list_targets(project) if refs is None else refs:
        if ref.runs_command:
            found.add(project.primary_variable)
            continue
        try:
            found.update(read_values(project, ref, {}, lenient=True))
        except ConfigError:  # a broken target must not block a switch between the others
            continue
    return frozenset(found)


def known_values(
    project: Project,
    refs: tuple[TargetRef, ...] | None = None,
    *,
    ambient: Mapping[str, str] | None = None,
) -> Mapping[str, frozenset[str]]:
    """Return every value some target gives a variable, as written and as dbswitch writes it; full of secrets.

    `refs` are the listed targets; None lists them.

    Raises:
        ConfigError: the targets cannot be listed.
        EnvFileError: an env file cannot be read.
    """
    environment = os.environ if ambient is None else ambient
    found: dict[str, set[str]] = {}
    for ref in list_targets(project, ambient=ambient) if refs is None else refs:
        if ref.runs_command:
            continue
        try:
            values = read_values(project, ref, environment, lenient=True)
            for key, value in values.items():
                found.setdefault(key, set()).add(value)
            target = resolve_ref(project, ref, ambient=ambient)
            for form in (target, as_read_only(project, target)):
                for key, value in form.variables.items():
                    found.setdefault(key, set()).add(value)
        except (ConfigError, UrlError):  # a broken target must not block a switch between the others
            continue
    return {key: frozenset(values) for key, values in found.items()}


def find(targets: tuple[TargetRef, ...], name: str) -> TargetRef | None:
    """Return the target that `name` means: its name, an alias, or another name of its family. Pure."""
    wanted = name.lower()
    for ref in targets:
        if ref.name.lower() == wanted:
            return ref
    for ref in targets:
        if wanted in {alias.lower() for alias in ref.aliases}:
            return ref
    return None


def resolve_ref(project: Project, ref: TargetRef, *, ambient: Mapping[str, str] | None = None) -> Target:
    """Return the values of a listed target. Raises as :func:`resolve`, but for UsageError."""
    from dbswitch.database.url import DatabaseUrl

    values = read_values(project, ref, os.environ if ambient is None else ambient)
    primary = next((key for key in project.url_variables if key in values), None)
    if primary is None:
        raise ConfigError(
            f"the target {ref.name} has no database URL",
            facts=(
                f"{ref.source} sets {', '.join(sorted(values)) or 'nothing'}",
                f"looked for {', '.join(project.url_variables)}",
            ),
            why="A target needs a database URL.",
            fix=f"set {project.url_variables[0]} in {ref.source}",
        )
    variables: dict[str, str] = {}
    notices: list[str] = []
    url: DatabaseUrl | None = None
    for key, value in values.items():
        if key == primary or key in project.url_variables or is_postgres(value):
            parsed = DatabaseUrl.parse(value, name=key)
            variables[key] = parsed.env_form()
            notices.extend(f"{key}: {warning}" for warning in parsed.warnings())
            url = parsed if key == primary else url
        else:
            variables[key] = value
    assert url is not None
    return Target(
        name=ref.name,
        variables=SecretValues(variables),
        protected=ref.protected or not ref.guarded.isdisjoint(places_in(project, variables)),
        source=ref.source,
        primary=primary,
        url=url,
        settings=ref.settings,
        notices=tuple(notices),
    )


def _with_settings(project: Project, ref: TargetRef, shown: tuple[str, ...]) -> TargetRef:
    settings = ref.settings
    if settings is None:
        answers = {ref.name, *ref.aliases}
        settings = next((t for name, t in project.config.targets.items() if name in answers), None)
    if settings is None:
        # `[targets.prod]` also applies to env/production.env, unless the project has both.
        settings = next(
            (
                t
                for name, t in project.config.targets.items()
                if names.canonical(name) == names.canonical(ref.name) and name not in shown
            ),
            None,
        )
    alone = [name for name in shown if name in names.family(ref.name)] == [ref.name]
    family = names.family(ref.name) if alone else ()
    protected = ref.protected or names.names_production(ref.name)
    aliases: tuple[str, ...] = (*ref.aliases, *family)
    if settings is not None:
        aliases = (*aliases, *settings.aliases)
        protected = protected if settings.protected is None else settings.protected
    others = tuple(dict.fromkeys(alias for alias in aliases if alias != ref.name))
    return replace(ref, aliases=others, protected=protected, settings=settings)


def _refuse_clashes(targets: tuple[TargetRef, ...]) -> None:
    owner: dict[str, TargetRef] = {}
    for ref in targets:
        written = set(ref.settings.aliases) if ref.settings is not None else set()
        for name in (ref.name, *sorted(written)):
            if name in names.RESERVED:
                raise ConfigError(
                    f"the target `{name}` has the same name as a command",
                    facts=(f"it comes from {ref.source}",),
                    why=f"`dbswitch {name}` would be ambiguous.",
                    fix="give it another name",
                )
            if name in owner and owner[name] is not ref:
                raise ConfigError(
                    f"two targets have the name `{name}`",
                    facts=(f"{owner[name].name} from {owner[name].source}", f"{ref.name} from {ref.source}"),
                    why="The name must be unambiguous.",
                    fix="change one of the aliases in dbswitch.toml",
                )
            owner[name] = ref


def _unknown(project: Project, targets: tuple[TargetRef, ...], name: str) -> UsageError:
    facts = (
        [f"targets: {', '.join(ref.name for ref in targets)}"]
        if targets
        else ["this project has no targets yet"]
    )
    empty = other_env_files(project, name)
    if empty is not None:
        facts.append(f"{empty} exists, but sets none of {', '.join(project.url_variables)}")
    return UsageError(
        f"unknown target `{name}`",
        facts=facts,
        why="dbswitch can only switch to a known target.",
        fix=_nearest(targets, name)
        or (
            "`dbswitch targets` lists the targets, `dbswitch --help` the commands"
            if targets
            else "dbswitch init, or add DATABASE_URL_LOCAL and DATABASE_URL_PROD to .env.local"
        ),
    )


def _nearest(targets: tuple[TargetRef, ...], name: str) -> str:
    """Return a question about the closest command or target; a target is named, and no switch to it suggested."""
    known = {alias: f"the target `{ref.name}`" for ref in targets for alias in (ref.name, *ref.aliases)}
    known |= {command: f"the command `dbswitch {command}`" for command in names.COMMANDS}
    close = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.6)
    return f"did you mean {known[close[0]]}?" if close else ""
