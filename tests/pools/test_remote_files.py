"""A configuration file behind `run`: ssh is a fake, a script on this machine that can fail, hang or kill its caller at any call."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dbswitch.pools import config_files, pooler as pooler_module
from dbswitch.switch import pool_steps
from tests.pools.test_faults import killed, require_untouched, wait_for
from tests.support.amounts import first_and_sweep

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.fleet import Fleet

FAKE = Path(__file__).with_name("fake_ssh.sh")
EVENTS = 1000  # more than a switch has
CALLS = ["cat", "readlink", "stat", "cp", "tee", "sync", "stat", "cat", "mv", "sync"]
STAGING = 7  # calls; the pause begins after them


@dataclass
class Far:
    """A fleet whose last pooler has its configuration behind the fake ssh."""

    fleet: Fleet
    folder: Path

    def trouble(self, kind: str, number: int = 0) -> None:
        (self.folder / "calls").write_text("")
        (self.folder / "trouble").write_text(f"{kind} {number}\n")

    @property
    def calls(self) -> list[str]:
        """The programs that were called, in their order."""
        return [line.split()[0] for line in (self.folder / "calls").read_text().splitlines()]

    @property
    def staged(self) -> list[Path]:
        return [path for one in self.fleet.poolers for path in one.home.glob("*.dbswitch-*")]


def behind_ssh(fleet: Fleet, folder: Path) -> Far:
    folder.mkdir()
    shutil.copy(FAKE, folder)
    far = Far(fleet, folder)
    far.trouble("none")
    run = f'run = ["{folder / FAKE.name}", "pooler.example"]\n'
    text = (fleet.root / "dbswitch.toml").read_text()
    (fleet.root / "dbswitch.toml").write_text(text + run)  # the table of the last pooler is the last one
    return far


@pytest.fixture
def far(fleet: Fleet, tmp_path: Path) -> Far:
    return behind_ssh(fleet, tmp_path / "fake")


@pytest.fixture
def mixed(fleet_of: Callable[..., Fleet], tmp_path: Path) -> Far:
    """Two poolers: the file of the first is on this machine, that of the second behind the fake ssh."""
    return behind_ssh(fleet_of(2), tmp_path / "fake")


def test_a_far_file_is_read_and_replaced_and_keeps_mode_and_owner(far: Far) -> None:
    [pooler] = far.fleet.poolers
    pooler.config.chmod(0o604)
    before = pooler.config.stat()
    text = pooler.config.read_text()
    code, result = far.fleet.switch("prod")
    assert (code, result["verified"]) == (0, True), result
    after = pooler.config.stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
    assert after.st_ino != before.st_ino
    changed = [line for line in pooler.config.read_text().splitlines() if line not in text.splitlines()]
    assert len(changed) == 1
    assert far.calls == CALLS
    assert not far.staged
    assert far.fleet.switch("-")[0] == 0
    assert pooler.asked() == "shop_dev"
    assert far.fleet.json("status", "--pool", "shop")[1][0]["target"] == "local"


def test_a_far_include_and_a_symlink_are_followed(far: Far) -> None:
    [pooler] = far.fleet.poolers
    whole = pooler.config.read_text()
    line = next(one for one in whole.splitlines() if one.startswith("app = "))
    (pooler.home / "real").mkdir()
    (pooler.home / "real").chmod(0o755)
    included = pooler.home / "real" / "databases.ini"
    included.write_text(line + "\n")
    included.chmod(0o644)
    (pooler.home / "databases.ini").symlink_to(included)
    pooler.config.write_text(whole.replace(line, "%include databases.ini"))
    pooler.console("RELOAD")
    before = pooler.config.read_bytes()
    code, result = far.fleet.switch("prod")
    assert code == 0, result
    assert pooler.config.read_bytes() == before
    assert (pooler.home / "databases.ini").is_symlink()
    assert f"port={far.fleet.prod.server.port}" in included.read_text()


@pytest.mark.parametrize("kind", first_and_sweep(["fails-late", "fails"]))
def test_a_call_that_fails_at_any_step_leaves_everything_as_it_was(mixed: Far, kind: str) -> None:
    fleet = mixed.fleet
    before = fleet.configs()
    number = 1
    while True:
        mixed.trouble(kind, number)
        result = fleet.switch_here("prod")
        if result.exit == 0:
            break
        assert result.exit == (7 if number > STAGING else 2), (number, result)
        assert "connection lost" in str(result.error.facts), result
        assert "pooler.example" in result.error.what
        require_untouched(fleet, before)
        assert not mixed.staged, number
        number += 1
    assert number == len(CALLS) + 1


@pytest.mark.parametrize(
    ("kind", "number"),
    [
        ("kills", 5),
        ("kills", 9),
        ("kills-late", 9),
        *(
            pytest.param(kind, number, marks=[pytest.mark.sweep, pytest.mark.slow])
            for kind in ("kills", "kills-late")
            for number in range(1, len(CALLS) + 1)
        ),
    ],
)
def test_a_switch_that_is_killed_during_a_call_is_finished_by_the_next_command(
    mixed: Far, kind: str, number: int
) -> None:
    fleet = mixed.fleet
    mixed.trouble(kind, number)
    assert killed(fleet, EVENTS) is not None
    assert all(pooler.paused for pooler in fleet.poolers) == (number > STAGING)
    mixed.trouble("none")
    done = fleet.run("stop")
    assert done.returncode == 0
    assert not any(pooler.paused for pooler in fleet.poolers)
    assert fleet.databases() == ({"shop"} if number > STAGING else {"shop_dev"}), done.stderr
    assert not fleet.left
    assert not mixed.staged


def test_a_host_that_is_gone_after_the_change_is_reported_and_finished_later(mixed: Far) -> None:
    fleet = mixed.fleet
    mixed.trouble("gone", 10)  # the file has been replaced, and its folder is to be flushed
    code, result = fleet.switch("prod")
    assert (code, result["outcome"]) == (8, "rollback_failed"), result
    assert fleet.left
    assert fleet.switch("local")[0] == 8  # it is still gone
    mixed.trouble("none")
    code, result = fleet.switch("local")
    assert code == 0, result
    assert fleet.databases() == {"shop_dev"}
    assert not any(pooler.paused for pooler in fleet.poolers)
    assert not fleet.left


def test_a_command_that_is_carried_out_too_late_changes_nothing_any_more(
    far: Far, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet = far.fleet
    before = fleet.configs()
    run = subprocess.run

    def give_up(command: list[str], **options: Any) -> Any:
        """As if the held command had got no answer in time; no seconds, since a busy machine may need them for any."""
        if len(far.calls) < 8 or (far.folder / "begun").exists():
            return run(command, **options)
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
        wait_for((far.folder / "begun").exists, "the command never began")
        process.kill()
        process.wait()
        raise subprocess.TimeoutExpired(command, options["timeout"])

    monkeypatch.setattr(config_files.subprocess, "run", give_up)
    far.trouble("held", 9)
    result = fleet.switch_here("prod")
    assert far.calls[8] == "mv"
    assert result.exit == 7, result
    assert "got no answer within 10 s" in result.error.what
    (far.folder / "go").touch()
    wait_for((far.folder / "late").exists, "the late command never ended")
    require_untouched(fleet, before)


def test_a_pause_ends_by_its_deadline_while_a_call_hangs(far: Far, monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = far.fleet
    [pooler] = fleet.poolers
    fleet_before = fleet.configs()
    monkeypatch.setattr(pool_steps, "WORK_LIMIT", 0.0)
    monkeypatch.setattr(pooler_module, "_STEP_LIMIT", 0.0)
    text = (fleet.root / "dbswitch.toml").read_text()
    (fleet.root / "dbswitch.toml").write_text(text.replace("pause_timeout = 5", "pause_timeout = 0.5"))
    far.trouble("slow", 9)
    seen: list[bool] = []

    def look(event: Any) -> None:
        if (getattr(event, "phase", ""), getattr(event, "state", "")) == ("write", "done"):
            wait_for(lambda: not pooler.paused, "the pause was not lifted")  # the run itself lifts it later
            seen.append(True)

    result = fleet.switch_here("prod", look)
    assert result.exit == 7, result
    assert "longer than allowed" in result.error.what
    assert seen == [True]
    require_untouched(fleet, fleet_before)


def test_a_far_file_that_another_program_changes_is_left(far: Far) -> None:
    [pooler] = far.fleet.poolers

    def save(event: Any) -> None:
        if (getattr(event, "phase", ""), getattr(event, "state", "")) == ("write", "started"):
            with pooler.config.open("a") as config:
                config.write("; saved in between\n")

    result = far.fleet.switch_here("prod", save)
    assert result.exit == 7, result
    assert "is left" in str(result.error.facts)
    assert pooler.config.read_text().endswith("; saved in between\n")
    assert pooler.asked() == "shop_dev"
    assert not far.fleet.left
    assert not far.staged


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_far_file_whose_owner_cannot_be_kept_is_refused_before_the_pause(far: Far) -> None:
    [pooler] = far.fleet.poolers
    os.chown(pooler.config, 1234, -1)
    before = far.fleet.configs()
    far.trouble("forgets-owner")
    code, result = far.fleet.switch("prod")
    assert (code, result["error"]["code"]) == (2, "config"), result
    assert "another owner or mode" in result["error"]["what"]
    require_untouched(far.fleet, before)
    assert not far.staged


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"run": ["no-such-program"]}, "cannot be reached"),
        ({"run": ["false"]}, "ended with exit code 1"),
        ({"run": ["sh", "-c", 'exec "$@" </dev/null', "sh"]}, "does not get all of its stdin"),
        ({"run": []}, "run is empty"),
        ({"run": [sys.executable], "config": "relative.ini"}, "must be an absolute path"),
        ({"run": ["env"], "config": "/etc/a folder/pgbouncer.ini"}, "every shell reads as it is"),
        ({"run": ["env"], "config": "/etc/$(id)/pgbouncer.ini"}, "every shell reads as it is"),
    ],
)
def test_a_prefix_that_cannot_be_used_is_a_configuration_error(
    fleet: Fleet, keys: dict[str, Any], said: str
) -> None:
    before = fleet.configs()
    fleet.configure(**keys)
    if "config" in keys:  # the key of the helper comes last
        path = fleet.root / "dbswitch.toml"
        path.write_text(path.read_text().replace(f'config = "{fleet.poolers[0].config}"\n', ""))
    code, result = fleet.switch("prod")
    assert (code, result["error"]["code"]) == (2, "config"), result
    assert said in result["error"]["what"] + str(result["error"]["facts"])
    require_untouched(fleet, before)


def test_a_prefix_of_a_changed_checkout_is_run_only_for_who_names_the_pool(far: Far) -> None:
    fleet = far.fleet
    [pooler] = fleet.poolers
    far.trouble("kills", 9)
    assert killed(fleet, EVENTS) is not None
    config = fleet.root / "dbswitch.toml"
    config.write_text(config.read_text() + f"password_command = {str(far.folder / 'evil')!r}\n")
    far.trouble("none")
    done = fleet.run("stop")
    assert done.returncode == 0
    assert "`dbswitch prod --pool shop` finishes it" in done.stderr
    assert far.calls == []
    assert pooler.paused
    config.write_text(config.read_text().replace("password_command", "# password_command"))
    with config.open("a") as text:
        text.write("pause_timeout = 6\n")
    config.write_text(config.read_text().replace("pause_timeout = 5\n", ""))
    assert fleet.switch("local")[0] == 0
    assert not pooler.paused
    assert not fleet.left


def test_the_contents_that_the_record_holds_are_gone_after_the_switch(far: Far) -> None:
    fleet = far.fleet
    fleet.environment = {"XDG_STATE_HOME": str(fleet.root / "state")}
    assert fleet.switch("prod")[0] == 0
    state = [path.read_text() for path in (fleet.root / "state").rglob("*") if path.is_file()]
    assert fleet.prod.shop.password not in "".join(state)
    shutil.rmtree(fleet.root / "state")
