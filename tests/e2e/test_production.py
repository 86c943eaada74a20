"""What protects a production database, on the real app."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING

import psutil
import pytest

from dbswitch.switch.time_limit import FILE_NAME
from tests.support.nextapp import wait_until
from tests.support.state import private_dir

if TYPE_CHECKING:
    from tests.e2e.conftest import GeneratedOnLocal
    from tests.support.nextapp import AppFolder
    from tests.support.postgres import ShopServer

pytestmark = [pytest.mark.real, pytest.mark.slow]

LONG = 240.0


def write(app: AppFolder, way: str) -> dict[str, object]:
    found: dict[str, object] = app.ask(f"/api/write?as={way}")
    return found


@pytest.fixture
def app(generated_on_local: GeneratedOnLocal, postgres_prod: ShopServer) -> AppFolder:
    return generated_on_local(postgres_prod.url)


def test_on_a_read_only_switch_reads_work_and_every_kind_of_write_is_refused_with_the_reason(
    app: AppFolder, postgres_prod: ShopServer
) -> None:
    code, events = app.events("prod", "--read-only", "--confirm", "prod", timeout=LONG)
    assert (code, events[-1]["outcome"], events[-1]["verified"]) == (0, "switched", True), events
    app.assert_answers_from(postgres_prod)
    for way in ("model", "raw", "batch", "interactive"):
        refused = write(app, way)
        message = str(refused["message"])
        assert "written" not in refused, refused
        assert message.count("this session is read-only") == 1, refused
        assert "`dbswitch TARGET --write`" in message
    assert write(app, "raw")["code"] == "P2010"  # the error stays Prisma's own
    banner = app.ask("/api/admin/database?banner=1")
    assert (banner["target"], banner["readOnly"]) == ("prod", True)
    assert app.dbswitch("status").stdout.splitlines()[0] == "active:  prod (read-only)"

    code, events = app.events("prod", "--write", "--hot", "--confirm", "prod", timeout=LONG)
    assert (code, events[-1]["mode"], events[-1]["verified"]) == (0, "hot", True), events
    assert write(app, "model") == {"written": True}
    assert write(app, "raw") == {"written": True}
    app.assert_answers_from(postgres_prod)
    code, events = app.events("prod", "--read-only", "--confirm", "prod", timeout=LONG)
    assert (code, events[-1]["mode"]) == (0, "restart"), events  # an idle client could still write


def kill_timers(app: AppFolder) -> int:
    killed = 0
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            words = process.cmdline()
            if f"--project={app.root}" in words and any(word.startswith("--timer=") for word in words):
                process.kill()
                killed += 1
    return killed


def make_older(app: AppFolder, seconds: float) -> None:
    """Move the beginning of the time limit back, on both clocks, for dbswitch and for the client."""
    state, client = private_dir(app.root) / FILE_NAME, app.root / ".dbswitch" / FILE_NAME
    [limit], told = json.loads(state.read_text()), json.loads(client.read_text())
    for moment, keys in ((limit["begun"], ("wall", "uptime")), (told, ("ends", "uptime"))):
        for key in keys:
            moment[key] -= seconds
    for path, content in ((state, [limit]), (client, told)):
        fresh = path.with_suffix(".fresh")
        fresh.write_text(json.dumps(content))
        fresh.rename(path)


def test_past_a_time_limit_the_app_is_back_by_itself_and_refuses_queries_where_the_timer_was_killed(
    app: AppFolder, postgres_local: ShopServer, postgres_prod: ShopServer
) -> None:
    code, events = app.events("prod", "--for", "10m", "--confirm", "prod", timeout=LONG)
    assert (code, events[-1]["outcome"], events[-1]["verified"]) == (0, "switched", True), events
    assert app.ask("/api/admin/database?banner=1")["limit"]["back"] == "local"
    assert kill_timers(app) == 1
    app.assert_answers_from(postgres_prod)
    make_older(app, 600)
    wait_until(
        lambda: True if "time limit of prod has passed" in str(write(app, "raw").get("message")) else None,
        LONG,
        lambda: "the client went on",
    )
    for way in ("model", "batch", "interactive"):
        assert "`dbswitch local` switches back" in str(write(app, way)["message"]), way
    assert app.dbswitch("status").stdout.splitlines()[0] == "active:  prod"  # nothing acted yet
    assert app.dbswitch("restart", timeout=LONG).returncode == 0
    app.assert_answers_from(postgres_local)

    code, events = app.events("prod", "--for", "5s", "--confirm", "prod", timeout=LONG)
    assert (code, events[-1]["verified"]) == (0, True), events

    def back() -> bool | None:
        if '"timer"' not in app.read(".dbswitch/history.jsonl"):
            return None
        last = json.loads(app.dbswitch("history", "--json").stdout)["entries"][0]
        return True if (last["to"], last["origin"], last["verified"]) == ("local", "timer", True) else None

    wait_until(back, LONG, lambda: app.dbswitch("history").stdout)
    app.assert_answers_from(postgres_local)
    assert "time limit" not in app.dbswitch("status").stdout
