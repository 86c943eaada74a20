"""Rules over any text file: URLs with passwords, and secrets and hosts of protected targets in any spelling. Pure."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from urllib.parse import unquote

from dbswitch.check import text_kinds
from dbswitch.check.rules import Finding, ProtectedTarget, RuleId
from dbswitch.check.text_kinds import is_test_or_docs
from dbswitch.redaction import whole_word

# Every repeat has a limit: a bundle can contain megabytes that look like the beginning of a URL.
# `postgres://login@host`, also with JSON's `\/`. The login goes to the last @ of the unbroken run of characters.
URL = (
    r"(?i)\bpostgres(?:ql)?(?:\+[a-z0-9]+)?:(?:\\?/){2}"
    r"(?P<user>[^\s'\"`:@/<>]{0,300}|<[^>]{0,80}>|[^\s'\"`:@]{0,300}):(?P<password>(?:(?!:\\?/\\?/)[^\s'\"`]){0,500})@"
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\s'\"`:/?#,\\)\]}>;]{1,255})"
)
# What stands behind the first @ where the last one may belong to something else, a mail address in a list.
_PLACE = re.compile(r"(?P<host>[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+)(?::[0-9]+)?\\?[/?,;]")
# The key of Prisma Postgres and Accelerate, and the password as a parameter, which libpq, node-postgres and JDBC take.
KEYED_URL = (
    r"(?i)\b(?:prisma(?:\+postgres)?|postgres(?:ql)?):(?:\\?/){2}(?P<host>[^\s'\"`:/?#@\\]{1,255})"
    r"[^\s'\"`?@]{0,300}\?(?:[^\s'\"`@?]{0,500}(?:&|;|\\u0026))?(?:api_key|password)=(?P<password>[^\s'\"`&;#<>\\)\]]{1,2000})"
)
_ESCAPES = r"\\(?:u([0-9A-Fa-f]{4})|u\{([0-9A-Fa-f]{1,6})\}|x([0-9A-Fa-f]{2})|(.))"
SHORTEST_SECRET = 6  # characters; shorter ones match ordinary words
_SHORTEST_RUN = 4
_LOOSE_URL = r"(?i)(?:prisma\+)?postgres(?:ql)?(?:\+[a-z0-9]+)?%3a%2f%2f[^\s'\"`&]+"


def urls_with_password(path: str, data: bytes) -> Iterator[Finding]:
    """Find Postgres and Prisma URLs with a real password or key."""
    folded = data.lower()
    if b"postgres" not in folded and b"prisma" not in folded:
        return
    test_or_docs = is_test_or_docs(path)
    for number, line in _lines(data):
        seen: set[str] = set()
        for text, offset in _spellings_of_urls(line):
            for start, login, kind, host in _logins(text, test_or_docs=test_or_docs):
                if login not in seen:
                    seen.add(login)
                    what = f"{kind} for {_shown_host(host)}"
                    fix = "change the password, and read the URL from process.env.DATABASE_URL"
                    column = (start if offset is None else offset) + 1
                    yield Finding(RuleId.URL_WITH_PASSWORD, path, what, fix, line=number, column=column)


def holds_login(value: str) -> bool:
    """Return whether a value contains a URL with a real password or key."""
    return any(True for _ in _logins(value, test_or_docs=False))


def _logins(text: str, *, test_or_docs: bool) -> Iterator[tuple[int, str, str, str]]:
    """Return position, text, kind and host of the URLs with a real password or key."""
    plain = "a Postgres URL with a password"
    for found in re.finditer(URL, text):
        user = unquote(found["user"])
        for password, host in _splits(found["password"], found["host"]):
            if text_kinds.is_real_url(unquote(password), host, user, test_or_docs=test_or_docs):
                yield found.start(), found[0], plain, host
                break
    for found in re.finditer(KEYED_URL, text):
        if text_kinds.is_real_url(unquote(found["password"]), found["host"], "", test_or_docs=test_or_docs):
            kind = "a Prisma URL with a key" if found[0].lower().startswith("prisma") else plain
            yield found.start(), found[0], kind, found["host"]


def _splits(password: str, host: str) -> Iterator[tuple[str, str]]:
    yield password, host
    first, at, rest = password.partition("@")
    place = _PLACE.match(rest) if at else None
    if place is not None:
        yield first, place["host"]


def protected_content(path: str, data: bytes, guarded: tuple[ProtectedTarget, ...]) -> Iterator[Finding]:
    """Find secrets and hosts of protected targets."""
    by_url = "read the URL from process.env.DATABASE_URL; or allow this line with a comment"
    for one in guarded:
        # One finding for each line, a secret before a host.
        found: dict[int, tuple[int, RuleId, str, str]] = {}
        for secret in one.secrets:
            for line, column in _find_secret(data, secret.text):
                move = f"change the {secret.label} at its provider, and keep it in an ignored env file only"
                found.setdefault(line, (column, RuleId.PROTECTED_SECRET, f"the {secret.label}", move))
        for host in one.hosts:
            for line, column in _find_host(data, host):
                found.setdefault(line, (column, RuleId.PROTECTED_HOST, f"{host}, the host", by_url))
        for line, (column, rule, text, fix) in found.items():
            yield Finding(rule, path, f"{text} of the protected target {one.target}", fix, line, column)


def _find_secret(data: bytes, secret: str) -> Iterator[tuple[int, int]]:
    """Return (line, column) of every line that holds `secret`: as it is, percent-encoded, escaped, quoted or in base64."""
    # The longest run of letters and digits is the same in every spelling: percent-encoding, JSON, YAML, TypeScript and
    # compose files change punctuation only.
    run = max(re.split(r"%[0-9A-Fa-f]{2}|[^A-Za-z0-9]+", secret), key=len)
    piece = run if len(run) >= _SHORTEST_RUN else ""
    # Without the last character of base64, which depends on what follows.
    coded = base64.b64encode(secret.encode()).decode().rstrip("=")[:-1]
    if piece and piece.encode() not in data and coded.encode() not in data:
        return
    pattern = re.compile(whole_word(secret))
    for number, line in _lines(data):
        at = line.find(coded)
        if at < 0 and (not piece or piece in line) and any(pattern.search(view) for view in _views(line)):
            at = max(line.find(piece or secret), 0)
        if at >= 0:
            yield number, at + 1


def _views(line: str) -> Iterator[str]:
    """Return the readings of a line: itself, and with percent-encoding, escapes and doubled characters undone."""
    yield line
    escaped = _unescaped(line)
    doubled = line.replace("$$", "$").replace("''", "'").replace('""', '"')
    views = (unquote(line), escaped, doubled, unquote(escaped), unquote(doubled))
    yield from (view for view in views if view != line)


def _unescaped(line: str) -> str:
    if "\\" not in line:
        return line

    def plain(match: re.Match[str]) -> str:
        code = match[1] or match[2] or match[3]
        return match[4] if code is None else chr(min(int(code, 16), 0x10FFFF))

    return re.sub(_ESCAPES, plain, line)


def _find_host(data: bytes, host: str) -> Iterator[tuple[int, int]]:
    if host.lower().encode() not in data.lower():
        return
    pattern = re.compile(rf"(?<![A-Za-z0-9.-]){re.escape(host)}(?![A-Za-z0-9-]|\.[A-Za-z0-9])", re.IGNORECASE)
    for number, line in _lines(data):
        found = pattern.search(line)
        if found is not None:
            yield number, found.start() + 1


def _spellings_of_urls(line: str) -> Iterator[tuple[str, int | None]]:
    lower = line.lower()
    if "postgres" not in lower and "prisma" not in lower:
        return
    yield line, None
    for found in re.finditer(_LOOSE_URL, line):
        yield unquote(found[0]), found.start()


def _shown_host(host: str) -> str:
    # A login that could not be split cleanly may have left part of the password before the host.
    return host if re.fullmatch(r"[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\]", host) else "a host"


def _lines(data: bytes) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(data.split(b"\n"), start=1):
        yield number, line.decode("utf-8", "replace")
