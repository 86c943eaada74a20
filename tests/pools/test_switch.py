"""A switch of a pool: two real servers, a real PgBouncer, the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.support.fleet import Fleet


def test_a_switch_leads_the_clients_to_the_target_and_changes_one_line(fleet: Fleet) -> None:
    [pooler] = fleet.poolers
    before = pooler.config.read_text().splitlines()
    assert pooler.asked() == "shop_dev"
    code, result = fleet.switch("prod")
    assert (code, result["outcome"], result["verified"]) == (0, "switched", True), result
    assert (result["mode"], result["previous"], result["target"]) == ("pool", "local", "prod")
    assert pooler.asked() == "shop"
    assert not pooler.paused
    after = pooler.config.read_text().splitlines()
    changed = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    assert len(changed) == 1
    assert changed[0][1].startswith(
        f"app = host=127.0.0.1  port={fleet.prod.server.port} dbname=shop user=shop_app password='pr@d"
    )
