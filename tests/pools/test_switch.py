"""A switch of a pool: two real servers, a real PgBouncer, the command line."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from dbswitch.pools import pooler as pooler_module
from tests.cli import running
from tests.support.fleet import CONSOLE, PASSWORD_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Callable

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


def test_the_previous_target_is_one_dash_away_and_the_history_names_the_pool(fleet: Fleet) -> None:
    assert fleet.switch("-")[0] == 2  # there is none yet
    assert fleet.switch("prod")[0] == 0
    code, result = fleet.switch("-")
    assert (code, result["target"], result["previous"]) == (0, "local", "prod")
    assert fleet.switch("-")[1]["target"] == "prod"
    past = fleet.json("history")[1][-1]["entries"][0]
    assert (past["to"], past["mode"], past["pool"], past["verified"]) == ("prod", "pool", "shop", True)
    assert "pool shop" in fleet.run("history").stdout


def test_a_switch_to_the_present_target_changes_nothing_and_is_verified(fleet: Fleet) -> None:
    before = fleet.poolers[0].config.stat()
    code, result = fleet.switch("local")
    assert (code, result["outcome"], result["verified"]) == (0, "unchanged", True)
    after = fleet.poolers[0].config.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_dry_run_shows_the_plan_and_changes_nothing(fleet: Fleet) -> None:
    before = fleet.configs()
    code, events = fleet.json("prod", "--pool", "shop", "--dry-run")
    [plan] = [event for event in events if event["event"] == "plan"]
    assert (code, events[-1]["outcome"]) == (0, "planned")
    assert (plan["mode"], plan["previous"], plan["files"]) == (
        "pool",
        "local",
        [str(fleet.poolers[0].config)],
    )
    assert "/shop_dev as shop_dev_app -> 127.0.0.1:" in plan["changes"][0]
    assert fleet.configs() == before
    assert fleet.databases() == {"shop_dev"}


def test_a_protected_target_needs_its_name(fleet: Fleet) -> None:
    config = fleet.root / "dbswitch.toml"
    config.write_text(config.read_text().replace("protected = false", "protected = true"))
    code, result = fleet.switch("prod")
    assert (code, result["error"]["code"]) == (9, "protected")
    assert "--pool shop --confirm prod" in result["error"]["fix"]
    assert fleet.databases() == {"shop_dev"}
    assert fleet.switch("prod", "--confirm", "prod")[0] == 0


def test_status_shows_each_pooler_and_changes_nothing(fleet_of: Callable[..., Fleet]) -> None:
    fleet = fleet_of(2)
    first, second = fleet.poolers
    code, [status] = fleet.json("status", "--pool", "shop")
    assert (code, status["event"], status["target"]) == (0, "pool_status", "local")
    second.kill()
    first.console('PAUSE "app"')
    code, [status] = fleet.json("status", "--pool", "shop")
    assert (code, status["target"]) == (0, None)
    assert [one["paused"] for one in status["poolers"]] == [True, None]
    assert "is not running" in status["poolers"][1]["problem"]
    assert first.paused
    text = fleet.run("status", "--pool", "shop").stdout
    assert (
        f"127.0.0.1:{first.port}  app -> 127.0.0.1:{fleet.local.server.port}/shop_dev as shop_dev_app paused"
        in text
    )


def test_a_pool_without_forced_users_keeps_its_logins(fleet_of: Callable[..., Fleet]) -> None:
    fleet = fleet_of(lines=())
    [pooler] = fleet.poolers
    for server in (fleet.local, fleet.prod):
        server.server.execute("DROP ROLE IF EXISTS pool_login")
        server.server.create_role("pool_login", "same everywhere")
        url = server.server.url(server.shop.database, user="pool_login", password="same everywhere")
        fleet.target("local" if server is fleet.local else "prod", url)
    pooler.settings["auth_type"] = "md5"
    line = f"app = host=127.0.0.1 port={fleet.local.server.port} dbname=shop_dev pool_size=3"
    pooler.write(line)
    with (pooler.home / "users.txt").open("a") as users:
        users.write('"pool_login" "same everywhere"\n')
    pooler.console("RELOAD")
    code, result = fleet.switch("prod")
    assert (code, result["identity"]["role"]) == (0, "pool_login"), result
    assert (
        f"\napp = host=127.0.0.1 port={fleet.prod.server.port} dbname=shop pool_size=3\n"
        in pooler.config.read_text()
    )
    for server in (fleet.local, fleet.prod):
        server.server.execute("DROP ROLE pool_login")


def test_a_line_in_an_included_file_is_replaced_there(fleet: Fleet) -> None:
    [pooler] = fleet.poolers
    whole = pooler.config.read_text()
    line = next(one for one in whole.splitlines() if one.startswith("app = "))
    included = pooler.home / "databases.ini"
    included.write_text(line + "\n")
    included.chmod(0o644)
    pooler.config.write_text(whole.replace(line, f"%include {included}"))
    pooler.console("RELOAD")
    before = pooler.config.read_bytes()
    assert fleet.switch("prod")[0] == 0
    assert pooler.config.read_bytes() == before
    assert f"port={fleet.prod.server.port}" in included.read_text()
    assert pooler.asked() == "shop"


def test_read_only_sessions_are_refused_for_a_pool(fleet: Fleet) -> None:
    code, result = fleet.switch("prod", "--read-only")
    assert (code, result["error"]["code"]) == (2, "usage")
    assert fleet.databases() == {"shop_dev"}


def test_flags_of_the_dev_server_are_refused(fleet: Fleet) -> None:
    for flag in ("--hot", "--restart", "--no-restart", "--take-port"):
        assert fleet.switch("prod", flag)[0] == 2


def test_an_unknown_pool_is_answered_with_the_known_ones(fleet: Fleet) -> None:
    code, events = fleet.json("prod", "--pool", "shp")
    assert (code, events[-1]["error"]["fix"]) == (2, "did you mean `shop`?")


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"admin": "postgresql://dba:s3cret-admin@127.0.0.1/pgbouncer"}, "has a password"),
        ({"admin": "mysql://x"}, "admin"),
        ({"databse": "x"}, "unknown key"),
        ({"pause_timeout": 61}, "pause_timeout"),
        ({"password_command": ["false"]}, "both password_env"),
        ({"members": []}, "members"),
        ({"database": ""}, "database"),
    ],
)
def test_a_pool_that_cannot_be_used_is_a_configuration_error(
    fleet: Fleet, keys: dict[str, Any], said: str
) -> None:
    fleet.configure(**keys)
    text = (fleet.root / "dbswitch.toml").read_text()
    if "admin" in keys:  # the key of the helper comes last
        text = text.replace(f'admin = "{fleet.poolers[0].admin}"\n', "")
        (fleet.root / "dbswitch.toml").write_text(text)
    code, result = fleet.switch("prod")
    assert (code, result["error"]["code"]) == (2, "config"), result
    assert said in result["error"]["what"] + str(result["error"]["facts"])
    assert "s3cret-admin" not in str(result)


def test_the_password_may_come_from_a_command(fleet: Fleet) -> None:
    fleet.configure(password_command=[sys.executable, "-c", f"print({CONSOLE[1]!r})"])
    text = (fleet.root / "dbswitch.toml").read_text()
    (fleet.root / "dbswitch.toml").write_text(text.replace(f'password_env = "{PASSWORD_VARIABLE}"\n', ""))
    assert fleet.switch("prod")[0] == 0


def test_a_detached_switch_of_a_pool_ends_as_its_events_say(fleet: Fleet) -> None:
    code, [accepted] = fleet.json("prod", "--pool", "shop", "--detach")
    assert code == 0
    events = fleet.root / ".dbswitch" / "runs" / f"{accepted['id']}.jsonl"
    until = time.monotonic() + running.DEADLINE
    while '"event":"result"' not in events.read_text():
        assert time.monotonic() < until
        time.sleep(0.05)
    result = json.loads(events.read_text().splitlines()[-1])
    assert (result["exit"], result["mode"]) == (0, "pool")
    assert fleet.databases() == {"shop"}


def test_a_switch_without_a_pool_imports_nothing_of_it(fleet: Fleet) -> None:
    script = (
        "import sys; from dbswitch.cli.command_line import run; code = run(['prod', '--no-restart', '--json']); "
        "print([name for name in sys.modules if 'dbswitch' in name and 'pool' in name], file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=fleet.root,
        env=running.environment(**fleet.env()),
        capture_output=True,
        text=True,
        timeout=running.DEADLINE,
    )
    assert (done.returncode, done.stderr.splitlines()[-1]) == (0, "[]"), done.stderr + done.stdout


def test_a_pgbouncer_that_ends_clients_when_the_role_changes_is_named(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []

    def emit(event: Any) -> None:
        if getattr(event, "code", "") == "clients-end":
            told.append(event.text)

    assert fleet.switch_here("prod", emit).exit == 0
    assert told == []  # the one of Debian 12 does not
    monkeypatch.setattr(pooler_module.Console, "version", lambda _console: (1, 26, 1))
    assert fleet.switch_here("local", emit).exit == 0
    [text] = told
    assert "(shop_app -> shop_dev_app)" in text
    assert fleet.switch_here("local", emit).exit == 0
    assert len(told) == 1  # nothing changes
