"""The migrations of a target's database at a switch: one line for the verdict, and the refusal of `require_migrated`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbswitch.database.failures import Failure
from dbswitch.errors import ConfigError, ProtectedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dbswitch.database.migrations import MigrationState
    from dbswitch.project.targets import Target
    from dbswitch.switch.project_state import Destination
    from dbswitch.switch.reporter import Reporter

NOTICE = "migrations"


def scripts(destination: Destination) -> Mapping[str, bytes] | None:
    """Return the project's migrations; None where it has none, or one of them cannot be read."""
    from dbswitch.database.migrations import read_scripts

    if destination.migrations is None:
        return None
    try:
        return read_scripts(destination.migrations) or None
    except ConfigError:
        return None


def report(reporter: Reporter, target: Target, state: MigrationState | Failure | None) -> None:
    """Say how the target's database and the project's migrations differ.

    Raises:
        ProtectedError: they differ, or were not compared, and the target has `require_migrated`.
    """
    names: tuple[str, ...] = ()
    if state is None:
        told = "the migrations were not compared: the project has none that can be read"
    elif isinstance(state, Failure):
        told = f"the migrations of {target.name} could not be read: {state.said or state.kind.text}"
    else:
        told = state.describe(target.name)
        names = (*state.failed, *state.pending, *state.edited, *state.missing)
    if told and target.settings is not None and target.settings.require_migrated:
        raise ProtectedError(
            told,
            facts=(*names[:5], *(("...",) if len(names) > 5 else ()), "nothing was changed"),
            why=f"`require_migrated` of {target.name} refuses a database that this branch does not fit",
            fix="`dbswitch doctor` says what to do for each of them",
        )
    if told and state is not None:
        reporter.notice(NOTICE, told, "warning")
