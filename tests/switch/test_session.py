"""What a run ends with is the error that people need to see."""

from __future__ import annotations

import contextlib
import itertools
import signal
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from dbswitch.errors import InterruptedSwitchError, UsageError, interruption_behind
from dbswitch.switch import session
from dbswitch.switch.events import Event, Phase, Result
from dbswitch.switch.session import Request, carry_out

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from dbswitch.project.discovery import Project
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


def test_no_signal_between_the_first_event_and_the_result_ends_the_program_by_default() -> None:
    """A TERM is sent before each bytecode of a run in turn; where the handler from outside got it, the program would die."""
    files = {session.__file__}

    def working(running: Session) -> None:
        with running.reporter.phase(Phase.WRITE):
            pass

    def run_with_signal_at(instant: int) -> tuple[list[Event], list[int], bool]:
        events: list[Event] = []
        outside: list[int] = []  # the number of events at the time of the signal
        passed = 0

        def trace(frame: FrameType, event: str, _arg: object) -> Callable[..., object] | None:
            nonlocal passed
            if frame.f_code.co_filename not in files:
                return None
            frame.f_trace_opcodes = True
            if event == "opcode":
                passed += 1
                if passed == instant:
                    signal.raise_signal(signal.SIGTERM)
            return trace

        signal.signal(signal.SIGTERM, lambda *_: outside.append(len(events)))
        sys.settrace(trace)
        with contextlib.suppress(InterruptedSwitchError):  # before the run could report anything
            carry_out(cast("Project", None), Request("prod", "id"), events.append, working)
        sys.settrace(None)
        return events, outside, passed >= instant

    before = signal.getsignal(signal.SIGTERM)
    ends = []
    try:
        for instant in itertools.count(1):
            events, outside, sent = run_with_signal_at(instant)
            if not sent:
                break
            if events[1:]:
                assert [isinstance(event, Result) for event in events] == [False] * (len(events) - 1) + [True]
                assert outside in ([], [0], [len(events)])
                ends.append(cast("Result", events[-1]).exit)
    finally:
        sys.settrace(None)
        signal.signal(signal.SIGTERM, before)
    assert set(ends) == {0, 143}


def test_the_seconds_of_a_run_begin_with_it_and_leave_out_a_question(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_000.0
    monkeypatch.setattr(session, "time", SimpleNamespace(monotonic=lambda: now))
    reporter = session.Reporter(lambda _event: None, "id")
    now += 2
    with reporter.paused():
        now += 30
    now += 1.5
    assert reporter.seconds == 3.5
