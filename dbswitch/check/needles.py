"""What to look for first: a piece of a secret that stands unchanged in every spelling of it. Pure and light.

Percent-encoding, JSON, YAML, TypeScript and compose files change punctuation; letters and digits they leave alone.
"""

from __future__ import annotations

import re

SHORTEST_SECRET = 6  # characters; below it a search finds words, not secrets
_SHORTEST_RUN = 4
_BROKEN = re.compile(r"%[0-9A-Fa-f]{2}|[^A-Za-z0-9]+")


def needle(secret: str) -> str:
    """Return the longest run of letters and digits, or an empty text where no run is long enough to look for."""
    run = max(_BROKEN.split(secret), key=len)
    return run if len(run) >= _SHORTEST_RUN else ""


# `postgres://login@host`, also with JSON's `\/`. The login goes to the last @ of the unbroken run of characters.
URL = re.compile(
    r"\bpostgres(?:ql)?(?:\+[a-z0-9]+)?:(?:\\?/){2}"
    r"(?P<user>[^\s'\"`:@/<>]*|<[^>]*>|[^\s'\"`:@]*):(?P<password>(?:(?!://)[^\s'\"`])*)@"
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\s'\"`:/?#,\\)\]}>;]+)",
    re.IGNORECASE,
)
SCHEME = re.compile(rb"postgres(?:ql)?(?:\+[a-z0-9]+)?(?::|%3a)(?:\\?/|%2f){2}", re.IGNORECASE)

# `process.env.X`, `process.env['X']`, `env('X')`: the variables that code reads.
READS = re.compile(
    rb"\bprocess\.env(?:\.([A-Za-z_][A-Za-z0-9_]*)|\[\s*['\"]([A-Za-z_][A-Za-z0-9_]*)['\"]\s*\])"
    rb"|(?<![\w.])env(?:<[^>]*>)?\(\s*['\"]([A-Za-z_][A-Za-z0-9_]*)['\"]\s*\)"
)
_BINDING = re.compile(rb"^[ \t]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_.-]*)[ \t]*[=:]", re.MULTILINE)
# What the platform, the package manager and the frameworks define by themselves.
AMBIENT = re.compile(
    r"NODE_ENV|NODE_OPTIONS|PORT|HOST|HOSTNAME|CI|TZ|HOME|PATH|PWD|USER|SHELL|LANG|DEBUG|ANALYZE|EDITOR|TERM|TMPDIR|NO_COLOR"
    r"|FORCE_COLOR|BROWSER|INIT_CWD|SKIP_ENV_VALIDATION|__NEXT_\w+|NEXT_(?:RUNTIME|PHASE|PUBLIC_VERCEL_\w+|MANUAL_SIG_HANDLE)"
    r"|NEXT_PRIVATE_\w+|NEXT_TELEMETRY_\w+|TURBOPACK|VERCEL(?:_\w+)?|NETLIFY|RENDER|RAILWAY_\w+|FLY_\w+|HEROKU_\w+|CF_PAGES\w*"
    r"|npm_\w+|GITHUB_\w+|GITLAB_\w+|CIRCLE\w*|JEST_WORKER_ID|VITEST\w*|PLAYWRIGHT_\w+|CYPRESS\w*|AWS_(?:REGION|LAMBDA_\w+)"
    r"|KUBERNETES_\w+|PRISMA_\w+|DBSWITCH\w*"
)


def defined_names(data: bytes) -> set[str]:
    """Return the names an env file seems to bind."""
    return {name.decode() for name in _BINDING.findall(data)}


def is_ambient(name: str) -> bool:
    """Return whether the platform defines a variable of this name."""
    return AMBIENT.fullmatch(name) is not None
