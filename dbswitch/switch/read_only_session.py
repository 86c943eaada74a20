"""The proof that a database answers in read-only sessions, and what helps where a pooler prevents them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbswitch.database.read_only import role_sql
from dbswitch.errors import DatabaseRejectedError

if TYPE_CHECKING:
    from dbswitch.database.identity import Identity
    from dbswitch.database.probe import Ready
    from dbswitch.switch.project_state import Destination

_BAD_PARAMETER = "P1013"


def required(destination: Destination, ready: Ready) -> Ready:
    """Return the answer of the database if its session is as read-only as the destination asks for.

    Raises DatabaseRejectedError: it can write.
    """
    if not destination.read_only or ready.identity.read_only:
        return ready
    facts = (
        "SHOW transaction_read_only answered off, although the URL asks for read-only sessions by `options`",
    )
    raise _error(destination, "drops `options`", facts, ready.identity)


def explained(destination: Destination, error: DatabaseRejectedError) -> DatabaseRejectedError:
    """Return the error to show for a login that was rejected: `options` may be the reason."""
    if not destination.read_only or error.prisma_code != _BAD_PARAMETER:
        return error
    return _error(destination, "refuses `options`", error.facts[1:], None)


def _error(
    destination: Destination, does: str, facts: tuple[str, ...], identity: Identity | None
) -> DatabaseRejectedError:
    return DatabaseRejectedError(
        f"{destination.name} cannot be used read-only: what answers at {destination.url.address} {does}",
        facts=(str(destination.url), *facts),
        why="the app could write although you asked for a database that is only read; transaction poolers do this",
        fix="use the direct URL instead of the pooler's, or in this target a role that can only read, without --read-only: "
        + role_sql(identity, destination.url.database),
    )
