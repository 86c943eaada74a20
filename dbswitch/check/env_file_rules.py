"""Rules over one env file: secrets, malformed lines, duplicates, reader differences, unusable URLs. Pure."""

from __future__ import annotations

import re
from bisect import bisect_left
from typing import TYPE_CHECKING

from dbswitch.check import host_kinds, placeholders
from dbswitch.check.content_rules import holds_login
from dbswitch.check.rules import Finding, RuleId
from dbswitch.envfiles import readers
from dbswitch.envfiles.document import Binding, Document
from dbswitch.envfiles.dotenv_syntax import find_sites
from dbswitch.errors import DbswitchError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

_SECRET_KEY = re.compile(
    r"(?:^|_)(?:SECRET|TOKEN|PASSWORD|PASSWD|PWD|CREDENTIALS?|PRIVATE_KEY|API_?KEY|ACCESS_?KEY|AUTH_?KEY|KEY|DSN|SALT)(?:_|$)",
    re.IGNORECASE,
)
_PUBLIC_KEY = re.compile(r"^NEXT_PUBLIC_|PUBLISHABLE|PUBLIC_KEY|_KEY_ID$|^VITE_|SITE_KEY", re.IGNORECASE)
_ANY_URL = re.compile(
    r"[a-z][a-z0-9+.-]*://(?P<user>[^\s:@/]*):(?P<password>\S*)@(?P<host>\[[^\]]+\]|[^\s:/?#]+)",
    re.IGNORECASE,
)
_REFERENCE = re.compile(r"(?<!\\)\$\{?([A-Za-z_]\w*)")


def tracked_secrets(
    path: str, data: bytes, state: str, ignore_in: str, protected: Sequence[Finding]
) -> Iterator[Finding]:
    """Report an env file with secrets that is in git, in one finding that lists all of them.

    Args:
        path: of the file.
        data: its content.
        state: "tracked" or "staged".
        ignore_in: the ignore file for it.
        protected: values of protected targets in the file.
    """
    bindings = Document.parse(data).bindings
    held = {
        binding.line: (binding.key, kind)
        for binding in bindings
        if (kind := _kind(binding.key, binding.value))
    }
    if not held:
        return
    keys = {binding.line: binding.key for binding in bindings}
    first = {one.line: (keys.get(one.line, f"line {one.line}"), one.what) for one in protected}
    rows = list(first.values()) + [row for line, row in sorted(held.items()) if line not in first]
    what = f"{rows[0][1]} ({rows[0][0]})"
    more = f" and {len(rows) - 1} more" if len(rows) > 1 else ""
    width = max(len(key) for key, _ in rows)
    details = [f"{key.ljust(width)}  {kind}" for key, kind in rows] if len(rows) > 1 else []
    yield Finding(
        RuleId.ENV_FILE_TRACKED,
        path,
        f"{path.rpartition('/')[2]} is {state} and holds {what}{more}",
        f"git rm --cached {path}, add it to .gitignore, and change the secrets",
        line=min(held),
        details=tuple(details),
        entries=_ignore_entries(path.removeprefix(ignore_in.removesuffix(".gitignore"))),
        fix_path=ignore_in,
    )


def public_secrets(path: str, data: bytes, secrets: Collection[str]) -> Iterator[Finding]:
    """Find `NEXT_PUBLIC_` variables that hold a URL with a password, or one of `secrets`, those of protected targets."""
    for binding in Document.parse(data).bindings:
        if not binding.key.startswith("NEXT_PUBLIC_"):
            continue
        if holds_login(binding.value) or any(secret in binding.value for secret in secrets):
            plain = binding.key.removeprefix("NEXT_PUBLIC_")
            yield Finding(
                RuleId.PUBLIC_SECRET,
                path,
                f"{binding.key} holds a secret, and Next.js sends it to every browser",
                f"rename it to {plain}, read it in server code only, and change the secret if the app was deployed",
                line=binding.line,
            )


def _ignore_entries(path: str) -> tuple[str, ...]:
    # gitignore(5): these begin a pattern, a comment or an exception; a line end cannot be written at all.
    return (re.sub(r"[\\*?\[]|^[#!]|\s$", r"\\\g<0>", path),) if path.isprintable() else ()


def malformed_lines(path: str, data: bytes) -> Iterator[Finding]:
    """Find lines that are neither blank, comment nor part of a binding, as Node's dotenv reads the file."""
    text = data.decode("utf-8", "replace").removeprefix("\ufeff")
    covered: set[int] = set()
    starts: dict[int, str] = {}
    ends = [at for at, character in enumerate(text) if character == "\n"]
    for site in find_sites(text):
        first = bisect_left(ends, site.start) + 1
        last = bisect_left(ends, max(site.value_end, site.start)) + 1
        covered.update(range(first, last + 1))
        starts[first] = text[site.value_start : site.value_end]
    for number, line in enumerate(text.split("\n"), start=1):
        plain = line.strip()
        written = starts.get(number)
        if written is not None and _is_open(written):
            quote = written[0]
            yield _malformed(
                path, number, f"the {quote} of this value is not closed", f"close it with {quote}"
            )
        elif plain and not plain.startswith("#") and number not in covered:
            yield _malformed(path, number, "not a KEY=value line", "make it KEY=value, or a comment with #")


def duplicates(path: str, data: bytes) -> Iterator[Finding]:
    """Find variables that are bound more than once with different values."""
    seen: dict[str, list[Binding]] = {}
    for binding in Document.parse(data).bindings:
        seen.setdefault(binding.key, []).append(binding)
    for key, bindings in seen.items():
        if len({binding.value for binding in bindings}) > 1:
            last = bindings[-1]
            others = ", ".join(str(binding.line) for binding in bindings[:-1])
            yield Finding(
                RuleId.DUPLICATE_BINDING,
                path,
                f"{key} is bound again in line {last.line}; Next.js, Prisma, python-dotenv and the shell use line {last.line}",
                f"remove line {others}",
                line=bindings[0].line,
            )


def disagreements(
    path: str, data: bytes, url_variables: Sequence[str], others: Mapping[str, bytes]
) -> Iterator[Finding]:
    """Find values that Next.js, dotenv (the Prisma CLI) and, for database URLs, the shell read differently.

    Args:
        path: of the file.
        data: its content.
        url_variables: the variables that hold database URLs.
        others: the app's env files: `${NAME}` of a name that one of them binds is a reference.
    """
    plain = readers.dotenv(data)
    expanded = readers.next_env([(path, data), *others.items()], {})
    shell = readers.bash_reading(data).values
    lines = {binding.key: binding.line for binding in Document.parse(data).bindings}
    bound = {name for one in (data, *others.values()) for name in readers.dotenv(one)}
    for key, value in plain.items():
        is_url = key in url_variables
        if not value:
            continue
        other = None
        meant = set(_REFERENCE.findall(value)) <= bound and "$" in value
        if expanded.get(key) != value and (is_url or not meant):
            other = "Next.js expands a $ in it but the Prisma CLI does not"
        elif is_url and key in shell and shell[key] is not None and shell[key] != value:
            other = "the shell reads it differently from Next.js and Prisma"
        if other is not None:
            fix = (
                "percent-encode the special characters of the URL and put it in double quotes"
                if is_url
                else "write \\$ or avoid the $"
            )
            yield Finding(RuleId.READERS_DISAGREE, path, f"{key}: {other}", fix, line=lines.get(key, 1))


def bad_urls(
    path: str, data: bytes, url_variables: Sequence[str], bound: Mapping[str, str]
) -> Iterator[Finding]:
    """Find database URLs that Prisma or libpq would refuse, and placeholder passwords of databases that are not local."""
    from dbswitch.database.url import DatabaseUrl
    from dbswitch.project.target_sources import with_references

    for binding in Document.parse(data).bindings:
        base = next(
            (key for key in url_variables if binding.key == key or binding.key.startswith(f"{key}_")), None
        )
        value = with_references(binding.value, bound)
        if base is None or (binding.key != base and "://" not in value) or _is_template(value):
            continue
        try:
            url = DatabaseUrl.parse(value, name=binding.key)
        except DbswitchError as error:
            fix = error.fix or "write postgresql://USER:PASSWORD@HOST:5432/DATABASE"
            yield Finding(RuleId.UNUSABLE_URL, path, error.what, fix, line=binding.line)
            continue
        weak = url.password.reveal()
        local = (
            url.is_local
            or host_kinds.is_local_host(url.host)
            or host_kinds.is_made_up_host(url.host)
            or host_kinds.is_private_host(url.host)
        )
        if weak and not local and placeholders.is_placeholder(weak):
            yield Finding(
                RuleId.PLACEHOLDER_PASSWORD,
                path,
                f"{binding.key} has a placeholder password for {url.host}",
                "give the role a generated password",
                line=binding.line,
            )


def _is_template(value: str) -> bool:
    return not value or any(
        mark in value for mark in ("<", "{{", "...", "YOUR", "your-", "USER:PASSWORD", "${", "encrypted:")
    )


def _is_open(written: str) -> bool:
    # A value that begins with a quote but has no closing one: dotenv keeps the quote as part of the value.
    return written[:1] in {'"', "'", "`"} and written.count(written[0]) == 1


def _malformed(path: str, line: int, what: str, fix: str) -> Finding:
    return Finding(RuleId.MALFORMED_LINE, path, what, fix, line=line)


def _kind(key: str, value: str) -> str:
    """Return what kind of secret a binding holds; "" for none."""
    if holds_login(value):
        return "a database URL with a password"
    url = _ANY_URL.match(value)
    if url is not None:
        real = placeholders.is_real_url(url["password"], url["host"], url["user"], test_or_docs=False)
        return "a URL with a password" if real else ""
    if value.startswith("encrypted:") or _PUBLIC_KEY.search(key) or not _SECRET_KEY.search(key):
        return ""
    return "a key or token" if placeholders.looks_generated(value) else ""
