"""The words for people."""

from __future__ import annotations

import pytest

from dbswitch.cli import messages
from dbswitch.switch.events import (
    ErrorInfo,
    Notice,
    Outcome,
    Phase,
    PhaseChanged,
    PhaseState,
    Planned,
    Result,
)

IDENTITY = {"database": "shop_prod", "serverVersion": "15.6", "address": "db.example.com:5432"}


def result(**changes: object) -> Result:
    fields: dict[str, object] = {
        "id": "r1",
        "outcome": Outcome.SWITCHED,
        "exit": 0,
        "target": "prod",
        "previous": "local",
        "mode": "restart",
        "seconds": 3.14,
        "verified": True,
        "identity": IDENTITY,
    }
    return Result(**{**fields, **changes})  # type: ignore[arg-type]


def text(lines: list[str]) -> str:
    return "\n".join(lines)


def test_the_verdict_names_target_place_proof_way_and_time() -> None:
    said = text(messages.verdict(result(mode="hot", seconds=0.3)))
    assert said == "prod: db.example.com:5432/shop_prod, confirmed by the app (hot, 0.3 s)"


def test_an_unverified_switch_is_never_rounded_up_and_says_what_adds_the_check() -> None:
    said = text(messages.verdict(result(verified=None)))
    assert said == (
        "Switched to prod (db.example.com:5432/shop_prod)."
        " The app could not confirm it: `dbswitch generate route` adds the check. (restart, 3.1 s)"
    )


def test_an_app_that_could_not_be_asked_is_not_advised_to_get_the_route_it_has() -> None:
    notices = [Notice("not-asked", "the app refused the token", "warning")]
    said = text(messages.verdict(result(verified=None), notices))
    assert "The app could not confirm it. (" in said


def test_a_switch_without_a_server_says_so_and_does_not_advise_a_route() -> None:
    notices = [Notice("no-server", "no dev server is running")]
    said = text(messages.verdict(result(verified=None, mode="none"), notices))
    assert said == "prod: db.example.com:5432/shop_prod; no dev server is running (3.1 s)"


def test_an_app_that_answers_from_elsewhere_is_said_to() -> None:
    said = text(messages.verdict(result(verified=False)))
    assert "but the app answers from another database" in said


@pytest.mark.parametrize("outcome", list(Outcome))
def test_every_outcome_has_words(outcome: Outcome) -> None:
    said = text(messages.verdict(result(outcome=outcome, verified=None)))
    assert said.strip()


@pytest.mark.parametrize("phase", list(Phase))
@pytest.mark.parametrize("state", list(PhaseState))
def test_every_phase_has_words_in_every_state(phase: Phase, state: PhaseState) -> None:
    assert messages.DOING[phase]
    line = messages.phase_line(PhaseChanged(phase, state, 1.0, "a detail"), verbose=True)
    if state is PhaseState.STARTED:
        assert line is None
    else:
        assert line is not None
        assert "a detail" in text([line])


def test_quick_internal_steps_are_shown_only_with_verbose() -> None:
    quick, slow = (PhaseChanged(Phase.LOCK, PhaseState.DONE, seconds) for seconds in (0.01, 4.0))
    assert messages.phase_line(quick, verbose=False) is None
    assert messages.phase_line(quick, verbose=True) is not None
    assert messages.phase_line(slow, verbose=False) is not None
    assert messages.phase_line(PhaseChanged(Phase.LOCK, PhaseState.FAILED, 0.01), verbose=False) is not None


def test_an_error_has_its_four_parts_in_order() -> None:
    error = ErrorInfo("x", "It failed", ("seen one", "seen two"), "it matters", "run this")
    said = text(messages.verdict(result(outcome=Outcome.FAILED, error=error))).splitlines()
    assert said == ["error: It failed", "  seen one", "  seen two", "  why: it matters", "  fix: run this"]


def test_a_dry_run_shows_files_variables_and_the_server() -> None:
    planned = Planned("restart", "local", (".env.local",), ("DATABASE_URL",), "restart the dev server")
    said = text(messages.plan_lines(planned, "prod", dry=True))
    for part in ("local -> prod", ".env.local", "DATABASE_URL", "restart the dev server"):
        assert part in said


def test_a_dry_run_shows_before_and_after_of_each_variable_on_a_line_of_its_own() -> None:
    changes = ("DATABASE_URL: a:1/x -> b:2/y", "prod has no BLOB: it is removed")
    planned = Planned("restart", "local", (".env.local",), ("BLOB", "DATABASE_URL"), "restart it", changes)
    said = text(messages.plan_lines(planned, "prod", dry=True)).splitlines()
    assert "  variables: DATABASE_URL: a:1/x -> b:2/y" in said
    assert "             prod has no BLOB: it is removed" in said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.0, "0.0 s"), (0.06, "0.1 s"), (9.96, "10 s"), (59.4, "59 s"), (125.0, "2 min 5 s")],
)
def test_times_are_for_people(seconds: float, said: str) -> None:
    assert messages.duration(seconds) == said
