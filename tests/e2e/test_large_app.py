"""Hot switches of a large app: requests that compile for seconds must not make a switch fall back to a restart."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

import pytest

from tests.support.large_app import VERSIONS, large_apps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.large_app import MakeLargeApp
    from tests.support.postgres import ShopServer

pytestmark = [pytest.mark.real, pytest.mark.sweep]
SWITCHES = 40


@pytest.fixture
def large_app() -> Iterator[MakeLargeApp]:
    with large_apps() as make:
        yield make


@pytest.mark.parametrize("version", VERSIONS)
def test_forty_hot_switches_of_a_large_app_in_a_row_all_stay_hot(
    large_app: MakeLargeApp,
    postgres_local: ShopServer,
    postgres_prod: ShopServer,
    figure: Callable[[str], None],
    version: str,
) -> None:
    app = large_app(postgres_local.url, postgres_prod.url, version=version)
    started = app.dbswitch("dev", "--detach")
    assert started.returncode == 0, started.stderr
    app.wait_for_answer()  # not `/` and not a missing page: what Next compiles for those must not be ready yet
    servers = [process.pid for process in app.next_servers()]
    taken = []
    for number in range(SWITCHES):
        name, server = (("local", postgres_local), ("prod", postgres_prod))[(number + 1) % 2]
        began = time.monotonic()
        code, events = app.events(name, "--hot", "--confirm", server.shop.database)
        taken.append(time.monotonic() - began)
        result = events[-1]
        assert (code, result["mode"], result["verified"]) == (0, "hot", True), (number, events)
        assert app.shop() == server.answer
        if number == SWITCHES // 2:
            app.get("/")  # from here on with a page that Next compiled
    assert [process.pid for process in app.next_servers()] == servers
    figure(
        f"large app, Next.js {version}: {SWITCHES} hot switches, median {statistics.median(taken):.2f} s,"
        f" worst {max(taken):.2f} s"
    )
