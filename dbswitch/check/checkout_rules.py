"""Rules over a checkout: ignored files, effective values, undefined variables, the active database. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dbswitch.check.file_kinds import is_source, is_test_or_docs
from dbswitch.check.rules import Finding, RuleId
from dbswitch.check.variable_use import is_ambient, variables_bound, variables_read
from dbswitch.database.url import same_url
from dbswitch.envfiles.document import Document
from dbswitch.envfiles.precedence import AMBIENT, Reader, effective
from dbswitch.errors import UrlError
from dbswitch.project.protection import USUAL_URLS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dbswitch.check.check_input import App
    from dbswitch.project.active import Active

# `process.env.X ?? y`, `|| y`, `if (process.env.X)`, `process.env.X === ...`: the code handles a missing X.
_OPTIONAL = re.compile(rb"\s*\)?\s*(?:\?\?|\|\||&&|\?[^.]|[!=]==?|\)\s*(?:\{|return|throw|\?)|=[^=>])")
_LEADING = re.compile(rb"(?:!!?|\bif\s*\(\s*!?|typeof\s+|delete\s+|\bin\s+)$")


def not_ignored(app: App) -> Iterator[Finding]:
    """Find private files that git neither tracks nor ignores."""
    for name in sorted(app.unignored):
        entry = _entry(name)
        yield Finding(
            RuleId.NOT_IGNORED,
            app.folder + name,
            f"{name} is not ignored",
            f"add {entry} to {app.folder}.gitignore",
            entries=(entry,),
            fix_path=f"{app.folder}.gitignore",
        )


def state_in_git(path: str) -> Finding:
    """Return the finding that a file of the state folder is in the content."""
    return Finding(
        RuleId.NOT_IGNORED,
        path,
        "the state folder .dbswitch/ is in git: it holds a token and, while env files are changed, their content",
        "git rm -r --cached --ignore-unmatch .dbswitch, and ignore .dbswitch/",
    )


def active_protected(app: App) -> Iterator[Finding]:
    """Find readers whose effective value belongs to a protected target."""
    if app.active is None:
        return
    seen: set[str] = set()
    for state in app.active.readers:
        if state.target is not None and state.target in app.protected and state.target not in seen:
            seen.add(state.target)
            where = state.source or AMBIENT
            path = app.folder + (where if where != AMBIENT else ".env")
            line = _line(app, where, state.variable)
            yield Finding(
                RuleId.ACTIVE_PROTECTED,
                path,
                f"{state.reader} is on the protected target {state.target} (from {where})",
                "dbswitch local",
                line=line,
            )
    yield from _of_protected(app, app.active)


def _of_protected(app: App, active: Active) -> Iterator[Finding]:
    """Find variables of a protected target, or that lead to its database, while a reader is on another one."""
    seen: set[str] = set()
    for state in active.readers:
        order = next((one.files for one in app.profiles if one.reader is state.reader), ())
        for key, owner in state.foreign:
            if owner not in app.protected or key in seen:
                continue
            seen.add(key)
            where = next(
                (name for name in order if key in variables_bound(app.files.get(name, b""))), AMBIENT
            )
            yield Finding(
                RuleId.ACTIVE_PROTECTED,
                app.folder + (where if where != AMBIENT else ".env"),
                f"{key} has the value of the protected target {owner} (from {where}), but {state.reader} is on {state.target}",
                f"dbswitch {state.target}",
                line=_line(app, where, key),
            )


def shadowed(app: App) -> Iterator[Finding]:
    """Find variables of targets that a file of higher precedence or the shell overrides with a different value."""
    profile = next((one for one in app.profiles if one.reader is Reader.NEXT_DEV), None)
    if profile is None:
        return
    for key in sorted({*app.url_variables, *app.target_variables}):
        found = effective(key, profile, app.files, app.ambient)
        if found.value is None or found.source is None:
            continue
        for name in found.shadowed:
            value = effective(key, type(profile)(profile.reader, (name,)), app.files, {}).value
            if value is None or _agree(value, found.value):
                continue
            by = "the shell" if found.source == AMBIENT else found.source
            yield Finding(
                RuleId.SHADOWED_VARIABLE,
                app.folder + name,
                f"{key} here is shadowed by another value in {by}",
                f"unset {key}"
                if found.source == AMBIENT
                else "dbswitch TARGET sets it in every file; or remove one of the two",
                line=_line(app, name, key),
            )


def split_databases(app: App) -> Iterator[Finding]:
    """Find database URLs that the Prisma CLI and Next.js dev read differently."""
    readers = {profile.reader: profile for profile in app.profiles}
    if Reader.PRISMA not in readers or Reader.NEXT_DEV not in readers:
        return
    for key in app.url_variables:
        of_next = effective(key, readers[Reader.NEXT_DEV], app.files, app.ambient)
        of_prisma = effective(key, readers[Reader.PRISMA], app.files, app.ambient)
        if of_next.value is None or of_prisma.value is None or _agree(of_next.value, of_prisma.value):
            continue
        source = of_prisma.source or AMBIENT
        yield Finding(
            RuleId.SPLIT_DATABASES,
            app.folder + (source if source != AMBIENT else ".env"),
            f"{key}: the Prisma CLI takes it from {source}, Next.js from {of_next.source}, and the databases differ",
            "dbswitch TARGET sets it in both files",
            line=_line(app, source, key),
        )
    yield from _by_another_variable(app)


def _by_another_variable(app: App) -> Iterator[Finding]:
    """Report that the Prisma CLI reads another variable than Next.js and that it leads to another database."""
    states = {state.reader: state for state in app.active.readers} if app.active is not None else {}
    app_state, cli = states.get(Reader.NEXT_DEV), states.get(Reader.PRISMA)
    if app_state is None or cli is None or app_state.variable == cli.variable:
        return
    if app_state.place is None or cli.place is None or cli.place.beside(app_state.place):
        return
    if cli.target is not None and cli.target == app_state.target:
        return
    source = cli.source or AMBIENT
    yield Finding(
        RuleId.SPLIT_DATABASES,
        app.folder + (source if source != AMBIENT else ".env"),
        f"the Prisma CLI takes {cli.variable} from {source}, Next.js {app_state.variable} from {app_state.source}, "
        "and the databases differ",
        f"dbswitch {app_state.target or 'TARGET'}",
        line=_line(app, source, cli.variable),
    )


def needed_by_code(app: App, path: str, data: bytes, *, every: bool) -> Iterator[Finding]:
    """Find variables that a source file reads without a default and nothing defines: those of targets, or `every` one."""
    if not is_source(path) or is_test_or_docs(path) or b"env" not in data:
        return
    known = _known(app)
    seen: set[str] = set()
    for key, start, end in variables_read(data):
        if key in known or key in app.ambient or key in seen or not _is_wanted(app, key, every=every):
            continue
        if _OPTIONAL.match(data, end) is not None or _LEADING.search(data[max(0, start - 24) : start]):
            continue
        line_start = data.rfind(b"\n", 0, start) + 1
        if data[line_start:start].lstrip().startswith((b"//", b"*", b"/*", b"#")):
            continue
        seen.add(key)
        yield Finding(
            RuleId.UNDEFINED_VARIABLE,
            path,
            f"{key} is read here, but no env file defines it",
            f"add {key} to .env.local and .env.example",
            line=data.count(b"\n", 0, start) + 1,
            column=len(data[line_start:start].decode("utf-8", "replace")) + 1,
            variable=key,
        )


def example_out_of_step(app: App, *, every: bool) -> Iterator[Finding]:
    """Find variables that the app's own env files bind and the example lacks: those of targets, or `every` one."""
    if not app.examples:
        return
    listed: set[str] = set()
    for data in app.examples.values():
        listed |= variables_bound(data) | _commented(data)
    name = min(app.examples, key=len)
    bound: set[str] = set()
    for file in (".env", ".env.local", ".env.development", ".env.development.local"):
        if file in app.files:
            bound |= {binding.key for binding in Document.parse(app.files[file]).bindings}
    suffixes = {
        key.removeprefix(f"{base}_")
        for key in bound
        for base in app.url_variables
        if key.startswith(f"{base}_")
    }
    for key in sorted(bound - listed):
        if not _is_wanted(app, key, every=every) or any(key.endswith(f"_{suffix}") for suffix in suffixes):
            continue
        yield Finding(
            RuleId.EXAMPLE_OUT_OF_STEP,
            app.folder + name,
            f"{name} lacks {key}, which your env files bind",
            f'add {key}="" to {name}',
            variable=key,
            entries=(f'{key}=""',),
            fix_path=app.folder + name,
        )


def _is_wanted(app: App, key: str, *, every: bool) -> bool:
    if is_ambient(key):
        return False
    urls = USUAL_URLS.union(app.url_variables)
    return (
        every
        or key in urls
        or key in app.target_variables
        or key.startswith(tuple(f"{base}_" for base in urls))
    )


def _commented(data: bytes) -> set[str]:
    return {
        name.decode()
        for name in re.findall(rb"^[ \t]*#[ \t]*([A-Za-z_][A-Za-z0-9_]*)[ \t]*=", data, re.MULTILINE)
    }


def _known(app: App) -> set[str]:
    files: tuple[Mapping[str, bytes], ...] = (app.files, app.examples)
    return set().union(
        *(variables_bound(data) for one in files for data in one.values()), app.target_variables
    )


def _agree(left: str, right: str) -> bool:
    try:
        return same_url(left, right)
    except UrlError:
        return False


def _line(app: App, name: str, key: str) -> int:
    data = app.files.get(name)
    if data is None:
        return 1
    return next(
        (binding.line for binding in reversed(Document.parse(data).bindings) if binding.key == key), 1
    )


def _entry(name: str) -> str:
    if name.startswith(".dbswitch/"):
        return ".dbswitch/"
    if name.startswith("env/"):
        return "env/*.env"
    return ".env*.local" if name.endswith(".local") else name
