"""The plan of a switch is a pure function of what was observed."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from dbswitch.envfiles.placement import EditPlan, FileEdit
from dbswitch.errors import UsageError
from dbswitch.server.state import ServerState
from dbswitch.switch.plan import Mode, Situation, decide

EDITS = EditPlan(edits=(FileEdit(".env.local", b"A=1\n", b"A=2\n", ("DATABASE_URL",)),), notices=())
NO_EDITS = EditPlan(edits=(), notices=())
BASE = Situation(
    target="prod",
    protected=False,
    previous="local",
    edits=EDITS,
    server=ServerState.READY,
    stopped_by_switch=False,
    stale=False,
    hot_client=False,
    identity_route=False,
    configured=None,
)
DOWN = [ServerState.STOPPED, ServerState.EXITED, ServerState.FOREIGN]


def test_a_running_server_without_the_generated_client_is_restarted() -> None:
    assert decide(BASE, None).mode is Mode.RESTART


def test_the_generated_client_with_its_route_makes_hot_the_default() -> None:
    assert decide(replace(BASE, hot_client=True, identity_route=True), None).mode is Mode.HOT


def test_leaving_a_protected_target_restarts_unless_hot_is_asked_for() -> None:
    leaving = replace(BASE, hot_client=True, identity_route=True, leaving_protected=True)
    plan = decide(leaving, None)
    assert plan.mode is Mode.RESTART
    assert "--hot" in plan.server
    assert [one.code for one in plan.notices] == ["leaving-protected"]
    assert decide(leaving, Mode.RESTART).notices == ()
    assert decide(replace(leaving, hot_client=False), None).notices == ()
    assert decide(replace(leaving, configured=Mode.HOT), None).mode is Mode.RESTART
    assert decide(leaving, Mode.HOT).mode is Mode.HOT
    assert decide(leaving, Mode.NONE).mode is Mode.NONE


@pytest.mark.parametrize("asked", [None, Mode.HOT])
def test_an_app_that_cannot_follow_the_env_files_is_restarted_at_once_and_the_reason_is_told(
    asked: Mode | None,
) -> None:
    why = "its dev script exports DATABASE_URL (dotenv), which overrides the env files"
    plan = decide(replace(BASE, hot_client=True, identity_route=True, overridden=why), asked)
    assert plan.mode is Mode.RESTART
    assert why in plan.server
    assert [notice.code for notice in plan.notices] == ([] if asked is None else ["hot-not-possible"])


def test_a_client_that_nobody_can_ask_is_restarted_since_hot_would_be_a_guess() -> None:
    assert decide(replace(BASE, hot_client=True), None).mode is Mode.RESTART


def test_asking_for_hot_without_the_client_is_refused_with_the_command_that_helps() -> None:
    with pytest.raises(UsageError) as refused:
        decide(BASE, Mode.HOT)
    assert "dbswitch generate client" in refused.value.fix


@pytest.mark.parametrize("state", DOWN)
def test_without_a_server_only_the_files_change_and_that_is_said(state: ServerState) -> None:
    plan = decide(replace(BASE, server=state), None)
    assert plan.mode is Mode.NONE
    assert not plan.verify
    assert [notice.code for notice in plan.notices] == ["no-server"]


@pytest.mark.parametrize("state", DOWN)
def test_a_server_that_a_killed_switch_took_down_is_started_again(state: ServerState) -> None:
    plan = decide(replace(BASE, server=state, stopped_by_switch=True), None)
    assert plan.mode is Mode.RESTART


def test_a_half_dead_server_is_restarted_even_where_a_hot_switch_was_possible() -> None:
    situation = replace(BASE, server=ServerState.HALF_DEAD, hot_client=True, identity_route=True)
    assert decide(situation, None).mode is Mode.RESTART
    assert decide(replace(situation, edits=NO_EDITS), None).mode is Mode.RESTART


def test_a_restart_in_place_of_hot_says_why() -> None:
    situation = replace(BASE, server=ServerState.HALF_DEAD, hot_client=True, identity_route=True)
    [notice] = decide(situation, Mode.HOT).notices
    assert notice.code == "hot-not-possible"
    assert decide(situation, None).notices == ()


@pytest.mark.parametrize("asked", [None, Mode.HOT])
def test_a_server_that_was_not_asked_is_switched_hot(asked: Mode | None) -> None:
    situation = replace(BASE, server=ServerState.RUNNING, hot_client=True, identity_route=True)
    plan = decide(situation, asked)
    assert (plan.mode, plan.notices) == (Mode.HOT, ())


def test_nothing_to_change_leaves_the_server_alone_but_still_asks_it() -> None:
    plan = decide(replace(BASE, edits=NO_EDITS, identity_route=True), None)
    assert plan.unchanged
    assert plan.mode is Mode.NONE
    assert plan.verify


def test_a_server_older_than_the_env_files_is_restarted_although_the_files_are_right() -> None:
    plan = decide(replace(BASE, edits=NO_EDITS, stale=True), None)
    assert plan.mode is Mode.RESTART


def test_leaving_the_server_alone_warns_that_the_app_stays_on_its_old_connection() -> None:
    plan = decide(BASE, Mode.NONE)
    assert plan.mode is Mode.NONE
    assert [notice.code for notice in plan.notices] == ["app-not-restarted"]
    assert not decide(replace(BASE, hot_client=True), Mode.NONE).notices


@pytest.mark.parametrize("configured", [Mode.RESTART, Mode.NONE])
def test_the_configured_mode_beats_the_automatic_one_and_a_flag_beats_both(configured: Mode) -> None:
    situation = replace(BASE, hot_client=True, identity_route=True, configured=configured)
    assert decide(situation, None).mode is configured
    assert decide(situation, Mode.HOT).mode is Mode.HOT


def test_a_configured_hot_mode_without_the_client_falls_back_to_a_restart() -> None:
    assert decide(replace(BASE, configured=Mode.HOT), None).mode is Mode.RESTART


def test_a_protected_target_asks_for_its_database_name_unless_nothing_changes() -> None:
    protected = replace(BASE, protected=True)
    assert decide(protected, None).confirm
    assert not decide(replace(protected, edits=NO_EDITS), None).confirm
    assert decide(replace(protected, edits=NO_EDITS, stale=True), None).confirm


def test_the_plan_names_files_in_writing_order_and_variables_once() -> None:
    edits = EditPlan(
        edits=(
            FileEdit(".env", b"", b"x", ("DATABASE_URL", "TOKEN")),
            FileEdit(".env.local", b"", b"x", ("DATABASE_URL",)),
        ),
        notices=("a tracked file was changed",),
    )
    plan = decide(replace(BASE, edits=edits), None)
    assert plan.files == (".env", ".env.local")
    assert plan.variables == ("DATABASE_URL", "TOKEN")
    assert [notice.code for notice in plan.notices] == ["env-files"]
