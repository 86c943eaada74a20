"""Rules over one env file: secrets, malformed lines, duplicates, reader differences, unusable URLs. Pure."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from dbswitch.check import text_kinds
from dbswitch.check.content_rules import holds_login
from dbswitch.check.rules import App, Finding, RuleId
from dbswitch.database.url import DatabaseUrl
from dbswitch.envfiles import readers
from dbswitch.envfiles.document import Binding, Document
from dbswitch.envfiles.dotenv_syntax import find_sites, has_open_quote
from dbswitch.errors import DbswitchError
from dbswitch.project.target_sources import with_references

_SENSITIVE_KEY = r"(?i)(?:^|_)(?:SECRET|TOKEN|PASSWORD|PASSWD|PWD|CREDENTIALS?|PRIVATE_KEY|API_?KEY|ACCESS_?KEY|AUTH_?KEY|KEY|DSN|SALT)(?:_|$)"
_PUBLIC_KEY = re.compile(r"^NEXT_PUBLIC_|PUBLISHABLE|PUBLIC_KEY|_KEY_ID$|^VITE_|SITE_KEY", re.IGNORECASE)
_ANY_URL = r"(?i)[a-z][a-z0-9+.-]*://(?P<user>[^\s:@/]*):(?P<password>\S*)@(?P<host>\[[^\]]+\]|[^\s:/?#]+)"
_REFERENCE = re.compile(r"(?<!\\)\$\{?([A-Za-z_]\w*)")
_TEMPLATE_MARKS = ("<", "{{", "...", "YOUR", "your-", "USER:PASSWORD", "${", "encrypted:")


def tracked_secrets(
    path: str, data: bytes, state: str, ignore_in: str, protected: Sequence[Finding]
) -> list[Finding]:
    """Report an env file with secrets that is in git, in at most one finding that lists all of them.

    `state` is "tracked" or "staged"; `protected` the values of protected targets in the file.
    """
    bindings = Document.parse(data).bindings
    held = {one.line: (one.key, kind) for one in bindings if (kind := _kind(one.key, one.value))}
    if not held:
        return []
    keys = {binding.line: binding.key for binding in bindings}
    first = {one.line: (keys.get(one.line, f"line {one.line}"), one.what) for one in protected}
    rows = list(first.values()) + [row for line, row in sorted(held.items()) if line not in first]
    more = f" and {len(rows) - 1} more" if len(rows) > 1 else ""
    width = max(len(key) for key, _ in rows)
    details = tuple(f"{key.ljust(width)}  {kind}" for key, kind in rows) if more else ()
    what = f"{path.rpartition('/')[2]} is {state} and holds {rows[0][1]} ({rows[0][0]}){more}"
    fix = f"git rm --cached {path}, add it to .gitignore, and change the secrets"
    entry = path.removeprefix(ignore_in.removesuffix(".gitignore"))
    # gitignore(5): these begin a pattern, a comment or an exception; a line end cannot be written at all.
    entries = (re.sub(r"[\\*?\[]|^[#!]|\s$", r"\\\g<0>", entry),) if entry.isprintable() else ()
    found = Finding(RuleId.ENV_FILE_TRACKED, path, what, fix, line=min(held), details=details)
    return [replace(found, entries=entries, fix_path=ignore_in)]


def _kind(key: str, value: str) -> str:
    """Return what kind of secret a binding holds; "" for none."""
    if holds_login(value):
        return "a database URL with a password"
    url = re.match(_ANY_URL, value)
    if url is not None:
        real = text_kinds.is_real_url(url["password"], url["host"], url["user"], test_or_docs=False)
        return "a URL with a password" if real else ""
    if value.startswith("encrypted:") or _PUBLIC_KEY.search(key) or not re.search(_SENSITIVE_KEY, key):
        return ""
    return "a key or token" if text_kinds.looks_generated(value) else ""


def env_file(app: App | None, path: str, data: bytes, *, example: bool) -> Iterator[Finding]:
    """Judge the content of an env file of `app`; the values of an example are not compared."""
    bindings = Document.parse(data).bindings
    guarded = app.protected_targets if app is not None else ()
    yield from _malformed_lines(path, data)
    yield from _duplicates(path, bindings)
    yield from _public_secrets(path, bindings, [secret.text for one in guarded for secret in one.secrets])
    if app is not None and not example:
        yield from _disagreements(path, data, app)
        yield from _bad_urls(path, bindings, app)


def _malformed_lines(path: str, data: bytes) -> Iterator[Finding]:
    text = data.decode("utf-8", "replace").removeprefix("\ufeff")
    covered: set[int] = set()
    opened: dict[int, str] = {}
    ends = [at for at, character in enumerate(text) if character == "\n"]
    for site in find_sites(text):
        first = bisect_left(ends, site.start) + 1
        covered.update(range(first, bisect_left(ends, max(site.value_end, site.start)) + 2))
        if not site.quoted and has_open_quote(text[site.value_start : site.value_end]):
            opened[first] = text[site.value_start]
    for number, line in enumerate(text.split("\n"), start=1):
        plain = line.strip()
        # dotenv keeps a quote that is not closed as part of the value.
        if quote := opened.get(number):
            what, fix = f"the {quote} of this value is not closed", f"close it with {quote}"
            yield Finding(RuleId.MALFORMED_LINE, path, what, fix, line=number)
        elif plain and not plain.startswith("#") and number not in covered:
            what, fix = "not a KEY=value line", "make it KEY=value, or a comment with #"
            yield Finding(RuleId.MALFORMED_LINE, path, what, fix, line=number)


def _duplicates(path: str, bindings: Sequence[Binding]) -> Iterator[Finding]:
    for key in dict.fromkeys(binding.key for binding in bindings):
        group = [binding for binding in bindings if binding.key == key]
        if len({binding.value for binding in group}) > 1:
            *others, last = (binding.line for binding in group)
            what = f"{key} is bound again in line {last}; Next.js, Prisma, python-dotenv and the shell use line {last}"
            fix = f"remove line {', '.join(map(str, others))}"
            yield Finding(RuleId.DUPLICATE_BINDING, path, what, fix, line=others[0])


def _public_secrets(path: str, bindings: Sequence[Binding], secrets: Sequence[str]) -> Iterator[Finding]:
    for key, value, line in ((one.key, one.value, one.line) for one in bindings):
        if key.startswith("NEXT_PUBLIC_") and (holds_login(value) or any(one in value for one in secrets)):
            plain = key.removeprefix("NEXT_PUBLIC_")
            what = f"{key} holds a secret, and Next.js sends it to every browser"
            fix = f"rename it to {plain}, read it in server code only, and change the secret if the app was deployed"
            yield Finding(RuleId.PUBLIC_SECRET, path, what, fix, line=line)


def _disagreements(path: str, data: bytes, app: App) -> Iterator[Finding]:
    expanded = readers.next_env([(path, data), *app.files.items()], {})
    shell = readers.bash_reading(data).values
    lines = {binding.key: binding.line for binding in Document.parse(data).bindings}
    # `${NAME}` of a name that an env file of the app binds is a reference.
    bound = {name for one in (data, *app.files.values()) for name in readers.dotenv(one)}
    for key, value in readers.dotenv(data).items():
        is_url = key in app.project.url_variables
        meant = "$" in value and set(_REFERENCE.findall(value)) <= bound
        if value and expanded.get(key) != value and (is_url or not meant):
            what = "Next.js expands a $ in it but the Prisma CLI does not"
        elif value and is_url and shell.get(key) not in {None, value}:
            what = "the shell reads it differently from Next.js and Prisma"
        else:
            continue
        fix = "write \\$ or avoid the $"
        if is_url:
            fix = "percent-encode the special characters of the URL and put it in double quotes"
        yield Finding(RuleId.READERS_DISAGREE, path, f"{key}: {what}", fix, line=lines.get(key, 1))


def _bad_urls(path: str, bindings: Sequence[Binding], app: App) -> Iterator[Finding]:
    bound = {key: value for one in app.files.values() for key, value in readers.dotenv(one).items()}
    for binding in bindings:
        value = with_references(binding.value, bound)
        if binding.key not in app.project.url_variables:
            # A definition of a target, such as DATABASE_URL_PROD.
            suffixed = binding.key.startswith(tuple(f"{base}_" for base in app.project.url_variables))
            if not suffixed or "://" not in value:
                continue
        if not value or any(mark in value for mark in _TEMPLATE_MARKS):
            continue
        try:
            url = DatabaseUrl.parse(value, name=binding.key)
        except DbswitchError as error:
            fix = error.fix or "write postgresql://USER:PASSWORD@HOST:5432/DATABASE"
            yield Finding(RuleId.UNUSABLE_URL, path, error.what, fix, line=binding.line)
            continue
        weak = url.password.reveal()
        if weak and text_kinds.is_placeholder(weak) and not url.is_local and text_kinds.is_public(url.host):
            what = f"{binding.key} has a placeholder password for {url.host}"
            fix = "give the role a generated password"
            yield Finding(RuleId.PLACEHOLDER_PASSWORD, path, what, fix, line=binding.line)
