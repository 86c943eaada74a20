"""Rules over a checkout: ignored files, effective values, undefined variables, the active database. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec.structs import replace

from dbswitch.check.rules import App, Finding, RuleId
from dbswitch.check.text_kinds import is_source, is_test_or_docs
from dbswitch.database.url import same_url
from dbswitch.envfiles.document import Document
from dbswitch.envfiles.precedence import AMBIENT, DEV_FILES, Reader, ReaderProfile, effective
from dbswitch.errors import UrlError
from dbswitch.project.protection import USUAL_URLS

# `process.env.X ?? y`, `|| y`, `if (process.env.X)`, `process.env.X === ...`: the code handles a missing X.
_OPTIONAL = rb"\s*\)?\s*(?:\?\?|\|\||&&|\?[^.]|[!=]==?|\)\s*(?:\{|return|throw|\?)|=[^=>])"
_LEADING = re.compile(rb"(?:!!?|\bif\s*\(\s*!?|typeof\s+|delete\s+|\bin\s+)$")
_COMMENTED = re.compile(rb"^[ \t]*#[ \t]*([A-Za-z_][A-Za-z0-9_]*)[ \t]*=", re.MULTILINE)

# `process.env.X`, `process.env['X']`, and Prisma's `env('X')` and `env<T>('X')`. It begins with a literal: `re` skips to that.
_READ = (
    rb"""env(?:(?P<process>(?<=process\.env)(?<![\w.$]process\.env))"""
    rb"""(?:\.(?P<plain>[A-Za-z_]\w*)|\[\s*(?P<q1>['"])(?P<indexed>[A-Za-z_]\w*)(?P=q1)\s*\])"""
    rb"""|(?<![\w.$]env)(?:<[^>]{0,200}>)?\(\s*(?P<q2>['"])(?P<called>[A-Za-z_]\w*)(?P=q2)\s*\))"""
)
_PROCESS = len("process.")
_BINDING = re.compile(rb"^[ \t\r\f\v]*(?:export[ \t]+)?([\w.-]+)[ \t]*[=:]", re.MULTILINE)
# What the platform, the package manager and the frameworks define by themselves.
_AMBIENT = frozenset({
    "NODE_ENV", "NODE_OPTIONS", "PORT", "HOST", "HOSTNAME", "CI", "TZ", "HOME", "PATH", "PWD", "USER", "SHELL", "LANG",
    "DEBUG", "ANALYZE", "EDITOR", "TERM", "TMPDIR", "NO_COLOR", "FORCE_COLOR", "BROWSER", "INIT_CWD", "NEXT_RUNTIME",
    "NEXT_PHASE", "NEXT_MANUAL_SIG_HANDLE", "SKIP_ENV_VALIDATION", "TURBOPACK", "VERCEL", "NETLIFY", "RENDER",
    "JEST_WORKER_ID", "AWS_REGION",
})  # fmt: skip
_AMBIENT_BEGINNINGS = (
    "__NEXT_", "NEXT_PRIVATE_", "NEXT_TELEMETRY_", "NEXT_PUBLIC_VERCEL_", "VERCEL_", "RAILWAY_", "FLY_", "HEROKU_", "CF_PAGES",
    "npm_", "GITHUB_", "GITLAB_", "CIRCLE", "VITEST", "PLAYWRIGHT_", "CYPRESS", "AWS_LAMBDA_", "KUBERNETES_", "PRISMA_",
    "DBSWITCH",
)  # fmt: skip


def not_ignored(app: App) -> Iterator[Finding]:
    """Find private files that git neither tracks nor ignores."""
    for name in sorted(app.unignored):
        entry = ".env*.local" if name.endswith(".local") else name
        if name.startswith((".dbswitch/", "env/")):
            entry = ".dbswitch/" if name.startswith(".dbswitch/") else "env/*.env"
        what, fix = f"{name} is not ignored", f"add {entry} to {app.gitignore}"
        path = app.folder + name
        yield Finding(RuleId.NOT_IGNORED, path, what, fix, entries=(entry,), fix_path=app.gitignore)


def state_in_git(path: str) -> Finding:
    """Return the finding that a file of the state folder is in the content."""
    what = "the state folder .dbswitch/ is in git: it holds the key of the admin page and the server's log"
    fix = "git rm -r --cached --ignore-unmatch .dbswitch, and ignore .dbswitch/"
    return Finding(RuleId.NOT_IGNORED, path, what, fix)


def active_protected(app: App) -> Iterator[Finding]:
    """Find readers and variables whose effective value belongs to a protected target."""
    told: set[tuple[str, str]] = set()
    for state in app.active.readers if app.active is not None else ():
        if state.owner is not None and ("target", state.owner) not in told:
            told.add(("target", state.owner))
            where = state.source or AMBIENT
            on = "on" if state.target == state.owner else "on the database of"
            what = f"{state.reader} is {on} the protected target {state.owner} (from {where})"
            yield _about(app, RuleId.ACTIVE_PROTECTED, where, state.variable, what, "dbswitch local")
        order = next((one.files for one in app.profiles if one.reader is state.reader), ())
        for key, owner in state.foreign:
            if owner in app.protected and ("variable", key) not in told:
                told.add(("variable", key))
                having = (name for name in order if key in variables_bound(app.files.get(name, b"")))
                where = next(having, AMBIENT)
                what = f"{key} has the value of the protected target {owner} (from {where}), but {state.reader} is on {state.target}"
                yield _about(app, RuleId.ACTIVE_PROTECTED, where, key, what, f"dbswitch {state.target}")


def _about(app: App, rule: RuleId, source: str | None, key: str, what: str, fix: str) -> Finding:
    """Return a finding at the last binding of `key` in `source`; an env file's top for the process environment."""
    name = ".env" if source in {None, AMBIENT} else str(source)
    bindings = Document.parse(app.files.get(source or AMBIENT, b"")).bindings
    line = next((binding.line for binding in reversed(bindings) if binding.key == key), 1)
    return Finding(rule, app.folder + name, what, fix, line=line)


def shadowed(app: App) -> Iterator[Finding]:
    """Find variables of targets that a file of higher precedence or the shell overrides with a different value."""
    profile = next((one for one in app.profiles if one.reader is Reader.NEXT_DEV), None)
    if profile is None:
        return
    for key in sorted({*app.project.url_variables, *app.target_variables}):
        found = effective(key, profile, app.files, app.ambient)
        for name in found.shadowed if found.value is not None and found.source is not None else ():
            value = effective(key, ReaderProfile(profile.reader, (name,)), app.files, {}).value
            if value is None or _agree(value, found.value or ""):
                continue
            by, fix = found.source, "dbswitch TARGET sets it in every file; or remove one of the two"
            if by == AMBIENT:
                by, fix = "the shell", f"unset {key}"
            what = f"{key} here is shadowed by another value in {by}"
            yield _about(app, RuleId.SHADOWED_VARIABLE, name, key, what, fix)


def _agree(left: str, right: str) -> bool:
    try:
        return same_url(left, right)
    except UrlError:
        return False


def split_databases(app: App) -> Iterator[Finding]:
    """Find database URLs that lead the Prisma CLI elsewhere than Next.js dev."""
    readers = {profile.reader: profile for profile in app.profiles}
    if Reader.PRISMA not in readers or Reader.NEXT_DEV not in readers:
        return
    for key in app.project.url_variables:
        of_next = effective(key, readers[Reader.NEXT_DEV], app.files, app.ambient)
        of_prisma = effective(key, readers[Reader.PRISMA], app.files, app.ambient)
        if of_next.value is None or of_prisma.value is None or _agree(of_next.value, of_prisma.value):
            continue
        source = of_prisma.source or AMBIENT
        what = f"{key}: the Prisma CLI takes it from {source}, Next.js from {of_next.source}, and the databases differ"
        fix = "dbswitch TARGET sets it in both files"
        yield _about(app, RuleId.SPLIT_DATABASES, source, key, what, fix)
    states = {state.reader: state for state in app.active.readers} if app.active is not None else {}
    dev, cli = states.get(Reader.NEXT_DEV), states.get(Reader.PRISMA)
    # The Prisma CLI reads another variable than Next.js.
    if dev is None or cli is None or dev.variable == cli.variable or dev.place is None or cli.place is None:
        return
    if not cli.place.beside(dev.place) and (cli.target is None or cli.target != dev.target):
        source = cli.source or AMBIENT
        what = f"the Prisma CLI takes {cli.variable} from {source}, Next.js {dev.variable} from {dev.source}, and the databases differ"
        fix = f"dbswitch {dev.target or 'TARGET'}"
        yield _about(app, RuleId.SPLIT_DATABASES, source, cli.variable, what, fix)


def needed_by_code(app: App, path: str, data: bytes, *, every: bool) -> Iterator[Finding]:
    """Find variables that a source file reads without a default and nothing defines: those of targets, or `every` one."""
    if not is_source(path) or is_test_or_docs(path) or b"env" not in data:
        return
    bound = (variables_bound(one) for one in (*app.files.values(), *app.examples.values()))
    seen = set().union(*bound, app.target_variables, app.ambient)
    for key, start, end in variables_read(data):
        if key in seen or not _is_wanted(app, key, every=every):
            continue
        handled = re.compile(_OPTIONAL).match(data, end)
        if handled or _LEADING.search(data[max(0, start - 24) : start]):
            continue
        line_start = data.rfind(b"\n", 0, start) + 1
        if data[line_start:start].lstrip().startswith((b"//", b"*", b"/*", b"#")):
            continue
        seen.add(key)
        what = f"{key} is read here, but no env file defines it"
        fix = f"add {key} to .env.local and .env.example"
        line = data.count(b"\n", 0, start) + 1
        column = len(data[line_start:start].decode("utf-8", "replace")) + 1
        yield Finding(RuleId.UNDEFINED_VARIABLE, path, what, fix, line, column, variable=key)


def example_out_of_step(app: App, *, every: bool) -> Iterator[Finding]:
    """Find variables that the app's own env files bind and the example lacks: those of targets, or `every` one."""
    if not app.examples:
        return
    name = min(app.examples, key=len)
    listed: set[str] = set()
    for data in app.examples.values():
        listed |= variables_bound(data) | {key.decode() for key in _COMMENTED.findall(data)}
    own = [Document.parse(app.files[file]).bindings for file in DEV_FILES if file in app.files]
    bound = {binding.key for bindings in own for binding in bindings}
    bases = tuple(f"{base}_" for base in app.project.url_variables)
    suffixes = tuple(key.removeprefix(base[:-1]) for key in bound for base in bases if key.startswith(base))
    for key in sorted(bound - listed):
        if _is_wanted(app, key, every=every) and not key.endswith(suffixes):
            what, fix = f"{name} lacks {key}, which your env files bind", f'add {key}="" to {name}'
            found = Finding(RuleId.EXAMPLE_OUT_OF_STEP, app.folder + name, what, fix, variable=key)
            yield replace(found, entries=(f'{key}=""',), fix_path=found.path)


def _is_wanted(app: App, key: str, *, every: bool) -> bool:
    urls = USUAL_URLS.union(app.project.url_variables)
    wanted = every or key in urls or key in app.target_variables
    return (
        key not in _AMBIENT
        and not key.startswith(_AMBIENT_BEGINNINGS)
        and (wanted or key.startswith(tuple(f"{base}_" for base in urls)))
    )


def variables_read(source: bytes) -> Iterator[tuple[str, int, int]]:
    """Return name, start and end of every place where source code reads a variable."""
    for found in re.finditer(_READ, source):
        name = found["plain"] or found["indexed"] or found["called"]
        before = 0 if found["process"] is None else _PROCESS
        yield name.decode(), found.start() - before, found.end()


def variables_bound(env_file: bytes) -> set[str]:
    """Return the names that an env file seems to bind; comments bind nothing."""
    return {name.decode() for name in _BINDING.findall(env_file)}
