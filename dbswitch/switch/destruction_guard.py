"""The permission for a command that destroys data: on a protected target its name, for this purpose, a second time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbswitch.database.catalogue import table_sizes
from dbswitch.errors import DatabaseNotReadyError, DatabaseRejectedError, ProtectedError
from dbswitch.project import marker
from dbswitch.switch.confirmation import accepted
from dbswitch.switch.request import Question

if TYPE_CHECKING:
    from collections.abc import Callable

    from dbswitch.project.command_guard import Judgement
    from dbswitch.project.targets import Target

_SHOWN = 5


def permit(
    target: Target,
    judgement: Judgement,
    given: str | None,
    question: Callable[[Question], str] | None,
    command: str,
) -> None:
    """Make sure that a destructive command may run on the target.

    Args:
        target: the database that it would run on.
        judgement: what it would do.
        given: `--allow-destructive`.
        question: asks the user; None without a terminal.
        command: the command line that permits it, for display.

    Raises ProtectedError: it may not, or the database says that it is another environment.
    """
    if not judgement.destroys:
        return
    try:
        tables, environment = table_sizes(target.url)
        loss = described(tables)
    except (DatabaseNotReadyError, DatabaseRejectedError) as error:
        environment, loss = None, f"what would be lost is not known: {error.what}"
    marker.require(environment, target)
    if not target.protected:
        return
    if given is None and question is not None:
        text = f"{'; '.join(judgement.destroys)}. On {target.name} ({target.url.place}): {loss}."
        given = question(Question(f"{text} This destroys data.", target.name))
    if not accepted(given, target):
        raise ProtectedError(
            f"a command that destroys data was not allowed on {target.name}",
            facts=(*judgement.destroys, f"{target.name} is {target.url.masked()}", loss, "nothing was run"),
            why="the data of a protected target is real",
            fix=command,
        )


def described(tables: tuple[tuple[str, int], ...]) -> str:
    """Return the tables and their estimated rows as one line."""
    if not tables:
        return "it has no tables"
    shown = ", ".join(f"{name} (~{rows:,})" for name, rows in tables[:_SHOWN])
    more = f" and {len(tables) - _SHOWN} more" if len(tables) > _SHOWN else ""
    total = sum(rows for _, rows in tables)
    return f"{len(tables)} table{'s' if len(tables) > 1 else ''}, about {total:,} rows: {shown}{more}"
