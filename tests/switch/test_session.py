"""What a run ends with is the error that people need to see."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest

from dbswitch.errors import InterruptedSwitchError, UsageError, interruption_behind
from dbswitch.switch.request import Request
from dbswitch.switch.session import carry_out

if TYPE_CHECKING:
    from collections.abc import Callable

    from dbswitch.project.discovery import Project
    from dbswitch.switch.events import Event, Result
    from dbswitch.switch.session import Session


def run(body: Callable[[Session], None]) -> Result:
    events: list[Event] = []
    result = carry_out(cast("Project", None), Request("prod", "id"), events.append, body)
    assert events[-1] == result
    return result


def test_an_expected_failure_is_the_result_and_other_exceptions_propagate() -> None:
    def refused(_session: Session) -> None:
        raise UsageError("no")

    def broken(_session: Session) -> None:
        raise ZeroDivisionError

    result = run(refused)
    assert result.error is not None
    assert (result.exit, result.error.what) == (2, "no")
    with pytest.raises(ZeroDivisionError):
        run(broken)


def test_a_library_that_fails_in_its_clean_up_after_a_signal_does_not_turn_it_into_a_bug() -> None:
    def stumbling(_session: Session) -> None:
        try:
            raise InterruptedSwitchError
        finally:
            {}["gone"]  # as a library's clean-up does when it was cut short

    assert run(stumbling).exit == 130


def test_a_library_that_catches_every_exception_does_not_swallow_a_signal() -> None:
    def trying(_session: Session) -> None:
        try:
            raise InterruptedSwitchError(terminated=True)  # noqa: TRY301 - as a handler inside the library does
        except Exception:  # noqa: BLE001 - as psycopg does around the import of its implementations
            return

    result = run(trying)
    assert result.exit == 143
    assert result.error is not None
    assert result.error.facts == ("nothing was changed",)


def stumble() -> None:
    try:
        raise UsageError("no")
    finally:
        {}["gone"]


def test_a_chain_without_an_interruption_is_none() -> None:
    with pytest.raises(KeyError) as stumbled:
        stumble()
    assert interruption_behind(stumbled.value) is None
