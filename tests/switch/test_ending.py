"""What a run ends with is the error a person needs to see."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from dbswitch.errors import InterruptedSwitchError, UsageError, interruption_behind
from dbswitch.switch import rollback
from dbswitch.switch.ending import Ending, Settled
from dbswitch.switch.interrupts import Interrupts
from dbswitch.switch.reporter import Reporter

if TYPE_CHECKING:
    from dbswitch.switch.apply import Apply


def test_an_expected_failure_is_kept_and_a_bug_passes() -> None:
    ending = Ending("prod")
    with Settled(ending, Interrupts()):
        raise UsageError("no")
    assert isinstance(ending.error, UsageError)
    with pytest.raises(ZeroDivisionError), Settled(Ending("prod"), Interrupts()):
        raise ZeroDivisionError


def test_a_library_that_stumbles_over_a_signal_does_not_turn_it_into_a_bug() -> None:
    ending = Ending("prod")
    with Settled(ending, Interrupts()):
        try:
            raise InterruptedSwitchError("interrupted")
        finally:
            {}["gone"]  # as a library's clean-up does when it was cut short
    assert isinstance(ending.error, InterruptedSwitchError)


def stumble() -> None:
    try:
        raise UsageError("no")
    finally:
        {}["gone"]


def test_a_chain_without_an_interruption_is_none() -> None:
    with pytest.raises(KeyError) as stumbled:
        stumble()
    assert interruption_behind(stumbled.value) is None


def test_a_bug_while_an_interrupted_run_is_put_back_stays_a_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_words: object, **_names: object) -> str:
        raise ZeroDivisionError

    monkeypatch.setattr(rollback, "_put_back", broken)
    apply = SimpleNamespace(work=SimpleNamespace(reporter=Reporter(lambda _event: None, "id")))
    interrupted = InterruptedSwitchError("interrupted")

    def run() -> None:
        try:
            raise interrupted
        except InterruptedSwitchError as cause:
            rollback.undo(cast("Apply", apply), cause)

    with pytest.raises(ZeroDivisionError) as found:
        run()
    assert interruption_behind(found.value) is None
    assert found.value.__notes__ == ["while putting everything back after InterruptedSwitchError"]
