"""What to look for first, and which variables a text reads and binds. Pure, and light: the screen lives on it.

A needle is a piece of a secret that stands unchanged in every spelling of it: percent-encoding, JSON, YAML, TypeScript and
compose files change punctuation; letters and digits they leave alone.
"""

from __future__ import annotations

import re

TYPE_CHECKING = False  # known to type checkers; importing typing for it would cost a commit hook 5 ms
if TYPE_CHECKING:
    from collections.abc import Iterator

SHORTEST_SECRET = 6  # characters; below it a search finds words, not secrets
_SHORTEST_RUN = 4

# It begins with letters on purpose: the search for them runs at the speed of memory.
SCHEME = re.compile(rb"postgres(?:ql)?(?:\+[a-z0-9]+)?(?::|%3a)(?:\\?/|%2f){2}")
_ENV = re.compile(
    rb"env(?:\.([A-Za-z_][A-Za-z0-9_]*)|\[\s*['\"]([A-Za-z_][A-Za-z0-9_]*)['\"]\s*\]"
    rb"|(?:<[^>]*>)?\(\s*['\"]([A-Za-z_][A-Za-z0-9_]*)['\"]\s*\))"
)
_BINDING = re.compile(rb"^[ \t]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_.-]*)[ \t]*[=:]", re.MULTILINE)
# What the platform, the package manager and the frameworks define by themselves.
_AMBIENT = (
    r"NODE_ENV|NODE_OPTIONS|PORT|HOST|HOSTNAME|CI|TZ|HOME|PATH|PWD|USER|SHELL|LANG|DEBUG|ANALYZE|EDITOR|TERM|TMPDIR|NO_COLOR"
    r"|FORCE_COLOR|BROWSER|INIT_CWD|SKIP_ENV_VALIDATION|__NEXT_\w+|NEXT_(?:RUNTIME|PHASE|PUBLIC_VERCEL_\w+|MANUAL_SIG_HANDLE)"
    r"|NEXT_PRIVATE_\w+|NEXT_TELEMETRY_\w+|TURBOPACK|VERCEL(?:_\w+)?|NETLIFY|RENDER|RAILWAY_\w+|FLY_\w+|HEROKU_\w+|CF_PAGES\w*"
    r"|npm_\w+|GITHUB_\w+|GITLAB_\w+|CIRCLE\w*|JEST_WORKER_ID|VITEST\w*|PLAYWRIGHT_\w+|CYPRESS\w*|AWS_(?:REGION|LAMBDA_\w+)"
    r"|KUBERNETES_\w+|PRISMA_\w+|DBSWITCH\w*"
)


def needle(secret: str) -> str:
    """Return the longest run of letters and digits, or an empty text where no run is long enough to look for."""
    run = max(re.split(r"%[0-9A-Fa-f]{2}|[^A-Za-z0-9]+", secret), key=len)
    return run if len(run) >= _SHORTEST_RUN else ""


def begins_url(lower: bytes) -> bool:
    """Return whether a Postgres URL begins somewhere in the content, which must be in small letters."""
    return b"postgres" in lower and SCHEME.search(lower) is not None


def reads(data: bytes) -> Iterator[tuple[str, int, int]]:
    """Return name, start and end of `process.env.X`, `process.env['X']` and `env('X')`: the variables that code reads."""
    for found in _ENV.finditer(data):
        name = found[1] or found[2] or found[3]
        start = found.start()
        if found[3] is None:
            if not data.endswith(b"process.", 0, start):
                continue
            start -= len(b"process.")
        before = data[start - 1 : start] if start else b""
        if not (before.isalnum() or before in {b"_", b".", b"$"}):
            yield name.decode(), start, found.end()


def defined_names(data: bytes) -> set[str]:
    """Return the names an env file seems to bind."""
    return {name.decode() for name in _BINDING.findall(data)}


def is_ambient(name: str) -> bool:
    """Return whether the platform defines a variable of this name."""
    return re.fullmatch(_AMBIENT, name) is not None
