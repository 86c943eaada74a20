"""The confirmation of a protected target: its database's name, typed or given by `--confirm`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dbswitch.database.place import place_of
from dbswitch.errors import ProtectedError
from dbswitch.redaction import redact
from dbswitch.switch.request import Question

if TYPE_CHECKING:
    from collections.abc import Callable

    from dbswitch.project.targets import Target
    from dbswitch.switch.plan import Plan

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,63}")


def typed(question: Callable[[Question], str], text: str, expected: str) -> str:
    """Ask for `expected`, and once more after a mistake; return what was typed last."""
    answer = question(Question(text, expected))
    if answer in {"", expected}:
        return answer
    return question(Question(f"{_shown(answer)} is not the name of its database. Type it again", expected))


def ask(plan: Plan, given: str | None, question: Callable[[Question], str] | None) -> None:
    """Ask for the database's name where `--confirm` did not give it and somebody can be asked.

    Raises:
        ProtectedError: it was not given.
    """
    assert plan.confirm is not None
    if given is None and question is not None:
        given = typed(question, f"{plan.target} is protected. Type its database name to go on", plan.confirm)
    if given != plan.confirm:
        raise _refused(plan, given)


def require(plan: Plan, target: Target, given: str | None, confirmed: Target | None) -> str:
    """Make sure under the lock that what will be switched to is what was confirmed; return the result in words.

    Args:
        plan: what will be done.
        target: where it goes.
        given: `--confirm`.
        confirmed: the target as it was when a person confirmed it.

    Raises:
        ProtectedError: it is not.
    """
    if plan.confirm is None:
        return "not needed"
    if confirmed is None:
        if given == plan.confirm:
            return "confirmed"
        raise _refused(plan, given)
    if place_of(confirmed.url) == place_of(target.url):
        return "confirmed"
    raise ProtectedError(
        f"{plan.target} was changed after it had been confirmed",
        facts=(f"confirmed: {confirmed.url.masked()}", f"now: {target.url.masked()}", "nothing was changed"),
        why="what was confirmed is not what would be switched to",
        fix=f"run `dbswitch {plan.target}` again",
    )


def _shown(typed: str) -> str:
    """Return what was typed for a message; what cannot be a database's name may be a pasted URL or password."""
    if _NAME.fullmatch(typed) is None or redact(typed) != typed:
        return "something else"
    return repr(typed)


def _refused(plan: Plan, given: str | None) -> ProtectedError:
    facts = () if given is None else (f"typed {_shown(given)}, which is not its database's name",)
    return ProtectedError(
        f"{plan.target} is protected and was not confirmed",
        facts=(*facts, "nothing was changed"),
        why="a development app on a protected database can change or delete real data",
        fix=f"dbswitch {plan.target} --confirm {plan.confirm}   (or `protected = false` in [targets.{plan.target}] of dbswitch.toml)",
    )
