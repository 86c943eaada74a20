"""What to look for first, and which variables a text reads and binds. Pure.

The screen lives on this module, so it works without `re`: importing that costs more than half of what the bare interpreter
takes to start.
"""

from __future__ import annotations

TYPE_CHECKING = False  # known to type checkers; importing typing for it would cost a commit hook 5 ms
if TYPE_CHECKING:
    from collections.abc import Iterator

SHORTEST_SECRET = 6  # characters; below it a search finds words, not secrets
_SHORTEST_RUN = 4
_NAME = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")
_HEX = frozenset("0123456789abcdefABCDEF")
_SCHEME_ENDS = (b"://", b":\\/", b"%3a")
_LONGEST_SCHEME = 40  # bytes looked at behind `postgres`: `ql+asyncpg://`
_UTF16_LOOK = 64  # bytes; half of the bytes of most texts in UTF-16 are zero
_QUOTES = frozenset(b"'\"")
# What the platform, the package manager and the frameworks define by themselves.
_AMBIENT = frozenset(
    {
        "NODE_ENV", "NODE_OPTIONS", "PORT", "HOST", "HOSTNAME", "CI", "TZ", "HOME", "PATH", "PWD", "USER", "SHELL", "LANG",
        "DEBUG", "ANALYZE", "EDITOR", "TERM", "TMPDIR", "NO_COLOR", "FORCE_COLOR", "BROWSER", "INIT_CWD", "NEXT_RUNTIME",
        "NEXT_PHASE", "NEXT_MANUAL_SIG_HANDLE", "SKIP_ENV_VALIDATION", "TURBOPACK", "VERCEL", "NETLIFY", "RENDER",
        "JEST_WORKER_ID", "AWS_REGION",
    }
)  # fmt: skip
_AMBIENT_BEGINNINGS = (
    "__NEXT_", "NEXT_PRIVATE_", "NEXT_TELEMETRY_", "NEXT_PUBLIC_VERCEL_", "VERCEL_", "RAILWAY_", "FLY_", "HEROKU_", "CF_PAGES",
    "npm_", "GITHUB_", "GITLAB_", "CIRCLE", "VITEST", "PLAYWRIGHT_", "CYPRESS", "AWS_LAMBDA_", "KUBERNETES_", "PRISMA_",
    "DBSWITCH",
)  # fmt: skip


def needle(secret: str) -> str:
    """Return a piece of a secret that stands unchanged in every spelling of it: its longest run of letters and digits.

    Percent-encoding, JSON, YAML, TypeScript and compose files change punctuation; letters and digits they leave alone. An
    empty text where no run is long enough to look for.
    """
    first, *rest = secret.split("%")
    parts = [first, *(part[2:] if len(part) > 1 and _HEX.issuperset(part[:2]) else part for part in rest)]
    runs = " ".join(
        "".join(c if c.isascii() and c.isalnum() else " " for c in part) for part in parts
    ).split()
    run = max(runs, key=len, default="")
    return run if len(run) >= _SHORTEST_RUN else ""


def utf16_order(data: bytes) -> str:
    """Return the codec of text in UTF-16, with or without its mark; "" for anything else."""
    head = data[:_UTF16_LOOK]
    high, low = head[::2].count(0), head[1::2].count(0)
    if head.startswith(b"\xff\xfe") or (not high and low * 4 > len(head)):
        return "utf-16-le"
    return "utf-16-be" if head.startswith(b"\xfe\xff") or (not low and high * 4 > len(head)) else ""


def urls_begun(lower: bytes) -> int:
    """Return how many Postgres and Prisma URLs begin in the content, in small letters: plain, escaped or encoded."""
    count = 0
    at = lower.find(b"postgres")
    while at >= 0:
        rest = lower[at + 8 : at + _LONGEST_SCHEME].removeprefix(b"ql")
        if rest.startswith(b"+"):
            rest = rest[1:].lstrip(b"abcdefghijklmnopqrstuvwxyz0123456789")
        count += rest.startswith(_SCHEME_ENDS)
        at = lower.find(b"postgres", at + 8)
    return count + sum(lower.count(b"prisma" + end) for end in _SCHEME_ENDS)


def reads(data: bytes) -> Iterator[tuple[str, int, int]]:
    """Return name, start and end of `process.env.X`, `process.env['X']` and `env('X')`: the variables that code reads."""
    at = data.find(b"env")
    while at >= 0:
        name, end = _read_name(data, at + 3)
        start = at
        if name and data[at + 3 : at + 4] in {b".", b"["}:
            start = at - 8 if data.endswith(b"process.", 0, at) else -1
        if (
            name
            and start >= 0
            and (start == 0 or (data[start - 1] not in _NAME and data[start - 1] not in b".$"))
        ):
            yield name, start, end
        at = data.find(b"env", at + 3)


def bindings(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Return name and rest of every line of an env file that looks like a binding; comments are none."""
    for line in data.split(b"\n"):
        text = line.strip()
        if text.startswith(b"export") and text[6:7] in {b" ", b"\t"}:
            text = text[6:].lstrip()
        size = 0
        while size < len(text) and (text[size] in _NAME or text[size] in b".-"):
            size += 1
        rest = text[size:].lstrip(b" \t")
        if size and rest[:1] in {b"=", b":"}:
            yield text[:size].decode(), rest[1:].strip()


def defined_names(data: bytes) -> set[str]:
    """Return the names an env file seems to bind."""
    return {name for name, _ in bindings(data)}


def is_ambient(name: str) -> bool:
    """Return whether the platform defines a variable of this name."""
    return name in _AMBIENT or name.startswith(_AMBIENT_BEGINNINGS)


def _read_name(data: bytes, at: int) -> tuple[str, int]:
    """Return the name in `.X`, `['X']`, `('X')` or `<T>('X')` at a position and where that ends; "" for anything else."""
    opening = data[at : at + 1]
    if opening == b".":
        end = _skip_name(data, at + 1)
        return _as_name(data[at + 1 : end]), end
    if opening == b"<":
        closed = data.find(b">", at, at + 200)
        at, opening = closed + 1, data[closed + 1 : closed + 2]
        if closed < 0:
            return "", at
    if opening not in {b"[", b"("}:
        return "", at
    quote = _skip_space(data, at + 1)
    if quote >= len(data) or data[quote] not in _QUOTES:
        return "", at
    end = _skip_name(data, quote + 1)
    close = _skip_space(data, end + 1)
    whole = data[end : end + 1] == data[quote : quote + 1] and data[close : close + 1] == (
        b"]" if opening == b"[" else b")"
    )
    return (_as_name(data[quote + 1 : end]) if whole else ""), close + 1


def _skip_name(data: bytes, at: int) -> int:
    while at < len(data) and data[at] in _NAME:
        at += 1
    return at


def _skip_space(data: bytes, at: int) -> int:
    while at < len(data) and data[at] in b" \t\r\n":
        at += 1
    return at


def _as_name(text: bytes) -> str:
    return "" if text[:1].isdigit() else text.decode()
