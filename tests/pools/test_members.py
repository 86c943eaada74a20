"""Two PgBouncers as one pool: all of them are switched, or none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.pools.test_faults import STEPS, at, require_untouched

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.fleet import Fleet


@pytest.fixture
def pair(fleet_of: Callable[..., Fleet]) -> Fleet:
    return fleet_of(2)


def test_both_are_switched_and_verified(pair: Fleet) -> None:
    code, result = pair.switch("prod")
    assert (code, result["verified"]) == (0, True), result
    assert pair.databases() == {"shop"}
    assert not any(pooler.paused for pooler in pair.poolers)
    assert pair.switch("-")[0] == 0
    assert pair.databases() == {"shop_dev"}


def test_two_poolers_may_share_one_configuration(pair: Fleet) -> None:
    first, second = pair.poolers
    lines = second.config.read_text().splitlines()
    second.config.write_text(
        "\n".join([lines[0], "[databases]", f"%include {first.home}/line.ini", *lines[3:]]) + "\n"
    )
    line = next(one for one in first.config.read_text().splitlines() if one.startswith("app = "))
    (first.home / "line.ini").write_text(line + "\n")
    (first.home / "line.ini").chmod(0o644)
    first.config.write_text(first.config.read_text().replace(line, f"%include {first.home}/line.ini"))
    for pooler in pair.poolers:
        pooler.console("RELOAD")
    code, result = pair.switch("prod")
    assert code == 0, result
    assert pair.databases() == {"shop"}


def test_a_pooler_that_is_down_is_named_and_nothing_is_changed(pair: Fleet) -> None:
    before = pair.configs()
    second = pair.poolers[1]
    second.kill()
    code, result = pair.switch("prod")
    assert (code, result["error"]["code"]) == (6, "pooler")
    assert f"127.0.0.1:{second.port} is not running" in result["error"]["what"]
    second.start()
    require_untouched(pair, before)


@pytest.mark.parametrize(
    ("step", "state"),
    [
        ("pause", "started"),
        *((step, "done") for step in STEPS),
        *(pytest.param(step, "started", marks=pytest.mark.sweep) for step in STEPS[1:]),  # nothing is between
    ],
)
def test_a_pooler_that_dies_at_a_step_is_named_and_both_end_on_one_database(
    pair: Fleet, step: str, state: str
) -> None:
    before = pair.configs()
    second = pair.poolers[1]
    result = pair.switch_here("prod", at(step, state, second.kill))
    if (step, state) == ("verify", "done"):  # it died after the switch
        assert result.exit == 0
        second.start()
        assert pair.databases() == {"shop"}
        return
    assert result.exit == (6 if (step, state) == ("pause", "started") else 7), result
    assert f"127.0.0.1:{second.port} is not running" in str((result.error.what, result.error.facts)), result
    assert not pair.poolers[0].paused
    assert pair.poolers[0].asked() == "shop_dev"
    second.start()  # it reads the file that was put back
    require_untouched(pair, before)


def test_a_transaction_on_one_pooler_keeps_both_where_they_are(pair: Fleet) -> None:
    pair.configure(pause_timeout=0.5)
    before = pair.configs()
    with psycopg.connect(pair.poolers[1].url(), application_name="long one") as connection:
        connection.execute("SELECT 1")
        code, result = pair.switch("prod")
    assert code == 6
    assert any("long one" in fact for fact in result["error"]["facts"])
    require_untouched(pair, before)
