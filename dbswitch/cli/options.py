"""The flags that several commands share, each with its one help text."""

from __future__ import annotations

import math
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from dbswitch.errors import UsageError


class GeneratedKind(StrEnum):
    """What `dbswitch generate` can write."""

    CLIENT = "client"
    ROUTE = "route"
    PAGE = "page"


class CheckFormat(StrEnum):
    """How `dbswitch check` writes its findings."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"
    SARIF = "sarif"


Json = Annotated[bool, typer.Option("--json", help="Print machine-readable JSON lines on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say only errors and the verdict.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Say every phase and every detail.")]
Project = Annotated[
    Path | None,
    typer.Option(
        "--project", metavar="DIR", help="The project's folder; default: here, or the nearest above."
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be done and do nothing.")]
Confirm = Annotated[
    str | None,
    typer.Option(
        "--confirm", metavar="NAME", help="Confirm a protected target by its name or its database's."
    ),
]


def _finite(seconds: float | None) -> float | None:
    if seconds is not None and not math.isfinite(seconds):
        raise typer.BadParameter("a number of seconds is wanted")
    return seconds


Timeout = Annotated[
    float | None,
    typer.Option(
        "--timeout",
        metavar="SECONDS",
        min=0.1,
        callback=_finite,
        help="How long the database may take to be ready.",
    ),
]
ReadOnly = Annotated[
    bool, typer.Option("--read-only", help="Give the app a URL whose sessions cannot write.")
]
Write = Annotated[
    bool, typer.Option("--write", help="Lift `read_only = true` of the target; asks for its name.")
]


def access(*, read_only: bool, write: bool) -> bool | None:
    """Return what the two flags ask for: True is read-only, False writable, None what dbswitch.toml says."""
    if read_only and write:
        raise UsageError("--read-only and --write exclude each other", fix="leave one of them out")
    return True if read_only else False if write else None


TakePort = Annotated[
    bool,
    typer.Option("--take-port", help="End the foreign program on the server's port (asks first)."),
]
Yes = Annotated[
    bool,
    typer.Option("--yes", "-y", help="Do not ask. A protected target still needs --confirm."),
]
