"""Signals during a switch: raised, deferred, or only acknowledged."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading

import pytest

from dbswitch.errors import InterruptedSwitchError
from dbswitch.switch.interrupts import Interrupts

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture(autouse=True)
def handlers():
    """Start as a command of a terminal does: a background job of a shell would ignore INT."""
    outside = [signal.signal(s, signal.default_int_handler) for s in SIGNALS]
    yield
    assert [signal.getsignal(s) for s in SIGNALS] == [signal.default_int_handler] * 3
    for number, handler in zip(SIGNALS, outside, strict=True):
        signal.signal(number, handler)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 143)]
)
def test_a_signal_raises_and_has_the_exit_code_of_that_signal(number, code):
    with pytest.raises(InterruptedSwitchError) as caught, Interrupts():
        signal.raise_signal(number)
    assert caught.value.exit_code == code


def test_a_second_signal_is_only_acknowledged():
    heard = []

    def cleaned_up():
        try:
            signal.raise_signal(signal.SIGHUP)
        finally:
            signal.raise_signal(signal.SIGHUP)
            heard.append("cleaned up")

    with Interrupts(on_ignored=lambda: heard.append("second")), pytest.raises(InterruptedSwitchError):
        cleaned_up()
    assert heard == ["second", "cleaned up"]


def test_a_deferred_section_is_finished_first():
    done = []

    def work(interrupts):
        with interrupts.deferred():
            signal.raise_signal(signal.SIGTERM)
            with interrupts.deferred():
                done.append("inner")
            done.append("outer")
        done.append("never")

    with Interrupts() as interrupts, pytest.raises(InterruptedSwitchError) as caught:
        work(interrupts)
    assert done == ["inner", "outer"]
    assert caught.value.exit_code == 143


def test_a_failure_of_the_deferred_section_wins_over_the_signal_which_stays_remembered():
    def work(interrupts):
        with interrupts.deferred():
            signal.raise_signal(signal.SIGINT)
            raise ZeroDivisionError

    with Interrupts() as interrupts:
        with pytest.raises(ZeroDivisionError):
            work(interrupts)
        with pytest.raises(InterruptedSwitchError):
            interrupts.check()
        interrupts.check()


def test_while_rolling_back_signals_are_acknowledged_and_change_nothing():
    heard = []
    with Interrupts(on_ignored=lambda: heard.append(1)) as interrupts:
        with interrupts.rolling_back():
            signal.raise_signal(signal.SIGINT)
            with interrupts.deferred():
                signal.raise_signal(signal.SIGTERM)
        interrupts.check()
    assert heard == [1, 1]


def test_an_acknowledgement_that_strikes_in_the_middle_of_a_write_does_no_harm():
    def reentrant():
        raise RuntimeError("reentrant call inside <_io.BufferedWriter>")

    with Interrupts(on_ignored=reentrant) as interrupts, interrupts.rolling_back():
        signal.raise_signal(signal.SIGINT)


def test_a_signal_the_process_was_told_to_ignore_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Interrupts():
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_outside_the_main_thread_it_does_nothing():
    ended = []

    def work():
        with Interrupts() as interrupts, interrupts.deferred():
            ended.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert ended == [signal.getsignal(signal.SIGINT)]


def test_a_signal_while_the_database_driver_is_imported_is_not_lost() -> None:
    """psycopg's import catches every Exception; the child sends itself a TERM from inside that import."""
    code = """
import os, signal, sys
from dbswitch.errors import InterruptedSwitchError
from dbswitch.switch.interrupts import Interrupts

class Sender:
    def find_spec(self, name, path=None, target=None):
        if name == "psycopg_binary.pq":
            os.kill(os.getpid(), signal.SIGTERM)

sys.meta_path.insert(0, Sender())
with Interrupts():
    try:
        import psycopg
    except InterruptedSwitchError as interruption:
        print("interrupted", int(interruption.exit_code))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.split() == ["interrupted", "143"], done.stderr
