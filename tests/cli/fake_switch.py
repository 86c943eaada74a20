"""A program like `dbswitch`, in which the switch itself is a fake that plays a given part.

The part is the environment variable FAKE_SWITCH: `verified`, `unverified`, `slow`, `refused`, `failed`, `bug`, `ask`.
Everything else (parser, boundary, renderers, streams) is the real thing.
"""

from __future__ import annotations

import os
import sys
import time
import types
from pathlib import Path
from typing import TYPE_CHECKING

from dbswitch.errors import DatabaseRejectedError
from dbswitch.switch.events import (
    ErrorInfo,
    Notice,
    Outcome,
    Phase,
    PhaseChanged,
    PhaseState,
    Planned,
    Result,
    Started,
    Waiting,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from dbswitch.switch.events import Event
    from dbswitch.switch.session import Request

SECRET = "s3cr3t"
IDENTITY = {"database": "shop_prod", "serverVersion": "15.6", "address": "db.example.com:5432"}


def fake_switch(project: object, request: Request, emit: Callable[[Event], None]) -> Result:
    """Play the part that FAKE_SWITCH names."""
    part = os.environ["FAKE_SWITCH"]
    emit(Started(request.run_id, request.target, time.time()))
    emit(PhaseChanged(Phase.LOCK, PhaseState.STARTED))
    emit(PhaseChanged(Phase.LOCK, PhaseState.DONE, 0.001))
    emit(Notice("env-files", "DATABASE_URL in .env is shadowed by .env.local", "info"))
    emit(Planned("restart", "local", (".env.local",), ("DATABASE_URL",), "restart the dev server"))
    if request.dry_run:
        return ended(emit, request, Outcome.PLANNED, verified=None)
    if part == "ask":
        from dbswitch.switch.confirmation import Question

        answer = request.ask(Question("prod is protected", "prod")) if request.ask else request.confirm
        if answer not in {"prod", "shop_prod"}:
            error = ErrorInfo("protected", "prod is protected and was not confirmed", fix="--confirm prod")
            return ended(emit, request, Outcome.REFUSED, exit_code=9, error=error)
    emit(PhaseChanged(Phase.PROBE, PhaseState.STARTED))
    if part == "slow":
        for attempt in range(1, 200):
            emit(Waiting(Phase.PROBE, attempt, "connection refused", 0.05))
            time.sleep(0.05)
    if part == "failed":
        emit(PhaseChanged(Phase.PROBE, PhaseState.FAILED, 0.2))
        error = ErrorInfo(
            "database_rejected",
            "the database rejected the password",
            ("P1000",),
            "nothing was changed",
            "edit env",
        )
        return ended(emit, request, Outcome.FAILED, exit_code=4, error=error)
    if part == "refused":
        raise DatabaseRejectedError("rejected", facts=("P1000",), why="because", fix="do this")
    if part == "bug":
        raise RuntimeError(f"cannot use postgresql://shop:{SECRET}@db/shop with password={SECRET}")
    time.sleep(float(os.environ.get("FAKE_SECONDS", "0.0")))
    while "FAKE_UNTIL" in os.environ and not os.path.exists(os.environ["FAKE_UNTIL"]):  # noqa: PTH110
        time.sleep(0.01)
    emit(PhaseChanged(Phase.PROBE, PhaseState.DONE, 0.1, "PostgreSQL 15.6"))
    emit(PhaseChanged(Phase.STOP, PhaseState.STARTED))
    emit(PhaseChanged(Phase.STOP, PhaseState.DONE, 0.07))
    return ended(emit, request, Outcome.SWITCHED, verified=None if part == "unverified" else True)


def ended(
    emit: Callable[[Event], None],
    request: Request,
    outcome: Outcome,
    *,
    exit_code: int = 0,
    verified: bool | None = None,
    error: ErrorInfo | None = None,
) -> Result:
    result = Result(
        id=request.run_id,
        outcome=outcome,
        exit=exit_code,
        target=request.target,
        previous="local",
        mode="restart",
        seconds=3.14,
        verified=verified,
        identity={} if error else IDENTITY,
        error=error,
    )
    emit(result)
    return result


def main() -> int:
    from dbswitch.__main__ import main as real_main
    from dbswitch.cli.command_declaration import CommandContext

    run = types.ModuleType("dbswitch.switch.run")
    run.switch = fake_switch  # type: ignore[attr-defined]
    sys.modules["dbswitch.switch.run"] = run

    import dbswitch.switch

    dbswitch.switch.run = run  # type: ignore[attr-defined]

    def fake_project(context: CommandContext, **_options: bool) -> object:
        context.renderer.protect(["prod"])
        return types.SimpleNamespace(
            root=Path.cwd(), state_dir=Path.cwd() / ".dbswitch", private_dir=Path.cwd() / "private"
        )

    CommandContext.find_project = fake_project  # type: ignore[assignment, method-assign]
    return real_main()


if __name__ == "__main__":
    sys.exit(main())
