"""The flags that several commands share, each with its help text."""

from __future__ import annotations

import math
from typing import Annotated

import typer


def _finite(seconds: float | None) -> float | None:
    if seconds is not None and not math.isfinite(seconds):
        raise typer.BadParameter("not a number of seconds")
    return seconds


DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be done and do nothing.")]
Confirm = Annotated[
    str | None,
    typer.Option(
        "--confirm", metavar="NAME", help="Confirm a protected target by its name or its database's."
    ),
]
Timeout = Annotated[
    float | None,
    typer.Option(
        "--timeout",
        metavar="SECONDS",
        min=0.1,
        callback=_finite,
        help="How long to wait for the database.",
    ),
]
Pool = Annotated[
    str | None,
    typer.Option(
        "--pool", metavar="NAME", help="Act on the clients of this PgBouncer pool, not on the project's app."
    ),
]
TakePort = Annotated[
    bool,
    typer.Option("--take-port", help="End the foreign program on the server's port (asks first)."),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
YesUnlessProtected = Annotated[
    bool, typer.Option("--yes", "-y", help="Do not ask. A protected target still needs --confirm.")
]
