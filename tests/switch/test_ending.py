"""What a run ends with is the error a person needs to see."""

from __future__ import annotations

import pytest

from dbswitch.errors import InterruptedSwitchError, UsageError, interruption_behind
from dbswitch.switch.ending import Ending, Settled


def test_an_expected_failure_is_kept_and_a_bug_passes() -> None:
    ending = Ending("prod")
    with Settled(ending):
        raise UsageError("no")
    assert isinstance(ending.error, UsageError)
    with pytest.raises(ZeroDivisionError), Settled(Ending("prod")):
        raise ZeroDivisionError


def test_a_library_that_stumbles_over_a_signal_does_not_turn_it_into_a_bug() -> None:
    ending = Ending("prod")
    with Settled(ending):
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
