"""Which variables source code reads, which an env file binds, and which the platform defines. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# `process.env.X`, `process.env['X']`, and Prisma's `env('X')` and `env<T>('X')`. It begins with a literal: `re` skips to that.
_READ = re.compile(
    rb"""env(?:(?P<process>(?<=process\.env)(?<![\w.$]process\.env))"""
    rb"""(?:\.(?P<plain>[A-Za-z_]\w*)|\[\s*(?P<q1>['"])(?P<indexed>[A-Za-z_]\w*)(?P=q1)\s*\])"""
    rb"""|(?<![\w.$]env)(?:<[^>]{0,200}>)?\(\s*(?P<q2>['"])(?P<called>[A-Za-z_]\w*)(?P=q2)\s*\))"""
)
_PROCESS = len("process.")
_BINDING = re.compile(rb"^[ \t\r\f\v]*(?:export[ \t]+)?([\w.-]+)[ \t]*[=:]", re.MULTILINE)
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


def variables_read(source: bytes) -> Iterator[tuple[str, int, int]]:
    """Return name, start and end of every place where source code reads a variable."""
    for found in _READ.finditer(source):
        name = found["plain"] or found["indexed"] or found["called"]
        before = 0 if found["process"] is None else _PROCESS
        yield name.decode(), found.start() - before, found.end()


def variables_bound(env_file: bytes) -> set[str]:
    """Return the names that an env file seems to bind; comments bind nothing."""
    return {name.decode() for name in _BINDING.findall(env_file)}


def is_ambient(name: str) -> bool:
    """Return whether the platform defines a variable of this name."""
    return name in _AMBIENT or name.startswith(_AMBIENT_BEGINNINGS)
