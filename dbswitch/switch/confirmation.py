"""The confirmation of a protected target, and of a command that destroys its data: its name or its database's, typed or given."""

from __future__ import annotations

import re
from collections.abc import Callable

from msgspec import Struct

from dbswitch.database.catalogue import table_sizes
from dbswitch.database.place import place_of
from dbswitch.errors import DatabaseNotReadyError, DatabaseRejectedError, ProtectedError
from dbswitch.project import environment_mark
from dbswitch.project.command_guard import Judgement
from dbswitch.project.targets import Target
from dbswitch.redaction import redact

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,63}")
_SHOWN = 5  # tables


class Question(Struct, frozen=True):
    """A name that the user has to type before a protected target is used; `text` says why it is asked, masked."""

    text: str
    expected: str


def accepted(given: str | None, target: Target) -> bool:
    """Return whether `given` confirms the target: its name, or that of its database."""
    return given in {target.name, target.url.database}


def ask(
    target: Target,
    given: str | None,
    question: Callable[[Question], str] | None,
    *,
    who: str = "app",
    command: str = "",
) -> None:
    """Make sure that a protected target is confirmed; ask where `--confirm` is missing, and once more after a mistake.

    `question` asks the user, None without a terminal. `who` would use the database, and `command` is the command line with
    the confirmation, both for display. Raises ProtectedError.
    """
    if given is None and question is not None:
        place = f"{target.url.address}/{target.url.database}"
        text = f"{target.name} ({place}) is protected: the {who} could change real data."
        given = question(Question(text, target.name))
        if given and not accepted(given, target):
            text = f"{_shown(given)} is neither {target.name} nor the name of its database."
            given = question(Question(text, target.name))
    if not accepted(given, target):
        raise _refused(target, given, command)


def require(target: Target, given: str | None, confirmed: Target | None) -> str:
    """Make sure that the planned target is the one that was `confirmed`; return a description. Raises ProtectedError."""
    if confirmed is None:
        if accepted(given, target):
            return "confirmed"
        raise _refused(target, given)
    if place_of(confirmed.url) == place_of(target.url):
        return "confirmed"
    raise ProtectedError(
        f"{target.name} has changed since it was confirmed",
        facts=(f"confirmed: {confirmed.url.masked()}", f"now: {target.url.masked()}", "nothing was changed"),
        why="the switch would lead to a different database from the confirmed one",
        fix=f"run `dbswitch {target.name}` again",
    )


def _shown(typed: str) -> str:
    """Return what was typed for a message; text that cannot be a database's name may be a pasted URL or password."""
    if _NAME.fullmatch(typed) is None or redact(typed) != typed:
        return "something else"
    return repr(typed)


def _refused(target: Target, given: str | None, command: str = "") -> ProtectedError:
    facts = () if not given else (f"{_shown(given)} is neither its name nor that of its database",)
    command = command or f"dbswitch {target.name} --confirm {target.name}"
    return ProtectedError(
        f"{target.name} is protected and was not confirmed",
        facts=(*facts, f"{target.name} is {target.url.masked()}", "nothing was changed"),
        why="a development app or command on a protected database can change or delete real data",
        fix=f"{command}   (or `protected = false` in [targets.{target.name}] of dbswitch.toml)",
    )


def permit_destruction(
    target: Target,
    judgement: Judgement,
    given: str | None,
    question: Callable[[Question], str] | None,
    command: str,
) -> None:
    """Make sure that a destructive command may run on the target: on a protected one its name is given a second time.

    The parameters are as for :func:`ask`. Raises ProtectedError: it may not, or the database says that it is another
    environment.
    """
    if not judgement.destroys:
        return
    try:
        tables, environment = table_sizes(target.url)
        loss = _tables(tables)
    except (DatabaseNotReadyError, DatabaseRejectedError) as error:
        environment, loss = None, f"what would be lost is not known: {error.what}"
    environment_mark.require(environment, target)
    if not target.protected:
        return
    if given is None and question is not None:
        text = f"{'; '.join(judgement.destroys)}. On {target.name} ({target.url.place}): {loss}."
        given = question(Question(f"{text} This destroys data.", target.name))
    if not accepted(given, target):
        raise ProtectedError(
            f"the command would destroy data on {target.name}",
            facts=(*judgement.destroys, f"{target.name} is {target.url.masked()}", loss, "nothing was run"),
            why="the data of a protected target is real",
            fix=command,
        )


def _tables(tables: tuple[tuple[str, int], ...]) -> str:
    if not tables:
        return "it has no tables"
    shown = ", ".join(f"{name} (~{rows:,})" for name, rows in tables[:_SHOWN])
    more = f" and {len(tables) - _SHOWN} more" if len(tables) > _SHOWN else ""
    total = sum(rows for _, rows in tables)
    return f"{len(tables)} table{'s' if len(tables) > 1 else ''}, about {total:,} rows: {shown}{more}"
