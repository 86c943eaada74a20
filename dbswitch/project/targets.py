"""The project's targets: listing them, and resolving one to its values."""

from __future__ import annotations

import contextlib
import difflib
import os
from collections.abc import Iterable, Mapping

from msgspec import Struct
from msgspec.structs import replace

from dbswitch.database.url import DatabaseUrl
from dbswitch.errors import ConfigError, UrlError, UsageError
from dbswitch.project import environment_mark, target_names, written_values
from dbswitch.project.config import TargetConfig
from dbswitch.project.discovery import Project
from dbswitch.project.protection import is_protected_at, leads_to_database, places_in, with_protection
from dbswitch.project.target_sources import TARGET_FOLDER, TargetRef, find_targets, is_postgres, read_values
from dbswitch.redaction import SecretValues


class Target(Struct, frozen=True):
    """A named database with its values, which are secrets."""

    # `variables` have URLs in the form that every reader reads alike; `primary` is the one that holds `url`. `read_only`: its URLs
    # ask for read-only sessions, although its source does not say so.

    name: str
    variables: SecretValues
    protected: bool
    source: str
    primary: str
    url: DatabaseUrl
    settings: TargetConfig = TargetConfig()
    notices: tuple[str, ...] = ()
    read_only: bool = False


def list_targets(project: Project, *, ambient: Mapping[str, str] = os.environ) -> tuple[TargetRef, ...]:
    """Return the project's targets in the order of their sources. Raises ConfigError (an ambiguous name) or EnvFileError.

    Of several sources of one name the first counts that sets the app's variable: a left-over `DIRECT_URL_PROD` does not
    displace `[targets.prod]`. `ambient` is the process environment for `url_from` and `from`.
    """
    found: dict[str, TargetRef] = {}
    for one in find_targets(project):
        ref, known = one, found.get(one.name)
        # A broken target must not hide the others; resolving it reports the error.
        with contextlib.suppress(ConfigError):
            values = None if ref.runs_command else read_values(project, ref, ambient, lenient=True)
            ref = replace(ref, values=values, places=places_in(project, values or {}))
        if known is not None:
            lacks = known.values is not None and project.primary_variable not in known.values
            better = lacks and (ref.values is None or project.primary_variable in ref.values)
            used, other = (ref, known) if better else (known, ref)
            aliases = tuple(dict.fromkeys((*used.aliases, *other.aliases)))
            ref = replace(used, aliases=aliases, shadowed=(*used.shadowed, *other.shadowed, other.source))
        found[ref.name] = ref
    targets = tuple(_with_settings(project, ref, tuple(found)) for ref in found.values())
    _refuse_clashes(targets)
    folder = project.private_dir
    return with_protection(targets, written_values.load(folder), environment_mark.production_places(folder))


def resolve(project: Project, name: str, *, ambient: Mapping[str, str] = os.environ) -> Target:
    """Return the target that `name`, or an alias, means, with its values. A `command` target runs its command.

    Raises UsageError: no such target. Raises ConfigError: its source cannot be read, its command failed, or it sets no
    database URL. Raises UrlError: a URL in it cannot be used. Raises EnvFileError: an env file cannot be read.
    """
    refs = list_targets(project, ambient=ambient)
    return guarded(project, resolve_ref(project, _named(project, refs, name), ambient=ambient), refs)


def guarded(project: Project, target: Target, refs: Iterable[TargetRef]) -> Target:
    """Return the target, protected also by where its values lead: what a command printed is in no listed target."""
    others = (ref for ref in refs if ref.name != target.name)
    places, folder = places_in(project, target.variables), project.private_dir
    entered, marked = written_values.load(folder), environment_mark.production_places(folder)
    by_place = is_protected_at(places, others, entered, marked, setting=target.settings.protected)
    return replace(target, protected=target.protected or by_place)


def lookup(project: Project, name: str) -> TargetRef:
    """Return the listed target that `name` means. Raises UsageError: no such target. Raises as :func:`list_targets`."""
    return _named(project, list_targets(project), name)


def _named(project: Project, targets: tuple[TargetRef, ...], name: str) -> TargetRef:
    by_name = {alias.lower(): ref for ref in reversed(targets) for alias in ref.aliases}
    ref = (by_name | {ref.name.lower(): ref for ref in targets}).get(name.lower())
    if ref is None:
        raise _unknown(project, targets, name)
    return ref


def resolve_ref(project: Project, ref: TargetRef, *, ambient: Mapping[str, str] = os.environ) -> Target:
    """Return the values of a listed target, protected as that is. Raises as :func:`resolve`, but for UsageError."""
    values = read_values(project, ref, ambient)
    primary = next((key for key in project.url_variables if key in values), None)
    if primary is None:
        found, wanted = ", ".join(sorted(values)) or "nothing", ", ".join(project.url_variables)
        raise ConfigError(
            f"the target {ref.name} has no database URL",
            facts=(f"{ref.source} sets {found}", f"looked for {wanted}"),
            why="a target needs a database URL",
            fix=f"set {project.url_variables[0]} in {ref.source}",
        )
    urls = {
        key: DatabaseUrl.parse(value, name=key)
        for key, value in values.items()
        if key in project.url_variables or is_postgres(value)
    }
    variables = {**values, **{key: url.env_form() for key, url in urls.items()}}
    return Target(
        name=ref.name,
        variables=SecretValues(variables),
        protected=ref.protected,
        source=ref.source,
        primary=primary,
        url=urls[primary],
        settings=ref.settings,
        notices=tuple(f"{key}: {warning}" for key, url in urls.items() for warning in url.warnings()),
    )


def variable_names(project: Project, refs: tuple[TargetRef, ...]) -> frozenset[str]:
    """Return every variable that some target sets, as far as it can be known without running a `command`."""
    found = {key for ref in refs for key in ref.values or ()}
    if any(ref.runs_command for ref in refs):
        found.add(project.primary_variable)
    return frozenset(found)


def known_values(
    project: Project, refs: tuple[TargetRef, ...], ambient: Mapping[str, str]
) -> Mapping[str, set[str]]:
    """Return every value some target gives a variable, as written and as dbswitch writes it; full of secrets."""
    found: dict[str, set[str]] = {}
    for ref in (one for one in refs if one.values is not None):
        forms: list[Mapping[str, str]] = [ref.values or {}]
        # A broken target must not block a switch between the others.
        with contextlib.suppress(ConfigError, UrlError):
            target = resolve_ref(project, ref, ambient=ambient)
            forms += [target.variables, as_read_only(project, target).variables]
        for key, value in (pair for form in forms for pair in form.items()):
            found.setdefault(key, set()).add(value)
    return found


def _with_settings(project: Project, ref: TargetRef, shown: tuple[str, ...]) -> TargetRef:
    tables = project.config.targets
    own = [name for name in tables if name in {ref.name, *ref.aliases}]
    # `[targets.prod]` also applies to env/production.env, unless the project has both.
    canonical = target_names.canonical(ref.name)
    meant = [name for name in tables if target_names.canonical(name) == canonical and name not in shown]
    found = next((tables[name] for name in (*own, *meant)), ref.settings)
    settings = ref.settings if ref.settings.sources else found
    family = target_names.family(ref.name)
    shared = family if [name for name in shown if name in family] == [ref.name] else ()
    aliases = dict.fromkeys((*ref.aliases, *shared, *settings.aliases))
    aliases.pop(ref.name, None)
    by_name = target_names.names_production(ref.name)
    protected = by_name if settings.protected is None else settings.protected
    return replace(ref, aliases=tuple(aliases), protected=protected, settings=settings)


def _refuse_clashes(targets: tuple[TargetRef, ...]) -> None:
    owner: dict[str, TargetRef] = {}
    for ref in targets:
        for name in (ref.name, *sorted(set(ref.settings.aliases))):
            if name in target_names.RESERVED:
                raise ConfigError(
                    f"the target `{name}` has the same name as a command",
                    facts=(f"it comes from {ref.source}",),
                    why=f"`dbswitch {name}` would be ambiguous",
                    fix="give it another name",
                )
            if name in owner and owner[name] is not ref:
                raise ConfigError(
                    f"two targets have the name `{name}`",
                    facts=(f"{owner[name].name} from {owner[name].source}", f"{ref.name} from {ref.source}"),
                    why="the name must be unambiguous",
                    fix="change one of the aliases in dbswitch.toml",
                )
            owner[name] = ref


def _unknown(project: Project, targets: tuple[TargetRef, ...], name: str) -> UsageError:
    listed = ", ".join(ref.name for ref in targets)
    facts = [f"targets: {listed}" if targets else "this project has no targets yet"]
    empty = f"{TARGET_FOLDER}/{name}.env"
    if target_names.valid_name(name) and (project.root / empty).is_file():
        facts.append(f"{empty} exists, but sets none of {', '.join(project.url_variables)}")
    # A target is named, and no switch to it suggested.
    known = {alias: f"the target `{ref.name}`" for ref in targets for alias in (ref.name, *ref.aliases)}
    known |= {command: f"the command `dbswitch {command}`" for command in target_names.COMMANDS}
    close = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.6)
    if close:
        fix = f"did you mean {known[close[0]]}?"
    elif targets and name.lower() in target_names.USUAL:
        variable = f"{project.url_variables[0]}_{name.upper()}"
        fix = f"to define it, add {variable}=... to .env.local (or write env/{name}.env)"
    elif targets:
        fix = "`dbswitch targets` lists the targets, `dbswitch --help` the commands"
    else:
        fix = f"dbswitch init, or add to .env.local: {project.target_example}"
    return UsageError(f"unknown target `{name}`", facts=facts, fix=fix)


def with_access(project: Project, target: Target, *, asked: bool | None) -> Target:
    """Return the target as it is asked for: read-only (True), writable (False), or as dbswitch.toml says (None)."""
    # A target that dbswitch.toml makes read-only has to be confirmed before it is used for writing.
    configured = target.settings.read_only
    if asked or (asked is None and configured):
        return as_read_only(project, target)
    return replace(target, protected=True) if configured else target


def as_read_only(project: Project, target: Target) -> Target:
    """Return the target with every URL of its own database in the form whose sessions are read-only."""
    variables = dict(target.variables)
    for key, value in target.variables.items():
        if leads_to_database(project, key):
            with contextlib.suppress(UrlError):  # not a Postgres URL
                variables[key] = DatabaseUrl.parse(value).read_only().env_form()
    return replace(target, variables=SecretValues(variables), url=target.url.read_only(), read_only=True)
