"""A switch with a time limit: its clocks, and who goes back when the time is over."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from msgspec import to_builtins
from msgspec.structs import replace

from dbswitch import state_folder
from dbswitch.cli.renderer import Renderer
from dbswitch.cli.server_commands import Watch
from dbswitch.durations import seconds_of, span
from dbswitch.project import server_launch
from dbswitch.project.discovery import load
from dbswitch.switch import limit_timer, run, start_and_stop
from dbswitch.switch.events import Result
from dbswitch.switch.recovery import SwitchRecord, write_record
from dbswitch.switch.session import prepare_private_dir
from dbswitch.switch.time_limit import Moment, TimeLimit
from tests.support.nextapp import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dbswitch.project.discovery import Project
    from tests.cli.conftest import Folder
    from tests.support.postgres import ShopServer

CONFIRM = ("--confirm", "prod")
BEGUN = Moment(1_000_000.0, "boot-1", 500.0)
LIMIT = TimeLimit("id", "prod", "local", BEGUN, 1_800.0)


@pytest.mark.parametrize(
    ("wall", "boot", "uptime", "left"),
    [
        (600, "boot-1", 600, 1_200),
        (-86_400, "boot-1", 600, 1_200),  # the clock was set back by a day: the other one counts
        (86_400, "boot-1", 600, 1_800 - 86_400),  # set forward: the earlier of the two wins
        (1_801, "boot-1", 1_801, -1),  # as after a sleep, which both count
        (600, "boot-2", 20, 1_200),  # a reboot: only the wall clock
        (2_000, "boot-2", 20, -200),
        (-5, "boot-2", 20, 0),  # a reboot and a clock from before the switch
        (600, "boot-1", -400, 1_200),  # a reboot that the boot id does not tell
    ],
)
def test_the_earlier_of_two_clocks_ends_the_time(wall: float, boot: str, uptime: float, left: float) -> None:
    at = Moment(BEGUN.wall + wall, boot, BEGUN.uptime + uptime)
    assert LIMIT.left(at) == left


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30m", 1_800), ("90s", 90), ("1h30m", 5_400), ("7d", 604_800), ("8d", None), ("0s", None)]
    + [(text, None) for text in ("", "30", "m", "-5m", "1.5h", "30m ", "m30", "30x", "9999999h")],
)
def test_a_length_of_time_is_a_number_with_its_unit(text: str, seconds: float | None) -> None:
    assert seconds_of(text) == seconds


def test_a_span_is_told_in_the_unit_that_matters() -> None:
    assert [span(one) for one in (-3, 45, 1_800, 7_500)] == ["0 s", "45 s", "30 min", "2 h 5 min"]


def wait_for(look: Callable[[], bool]) -> None:
    wait_until(lambda: look() or None, 120, lambda: "it did not happen")


def files(folder: Folder) -> tuple[Path, Path]:
    return state_folder.of_project(folder.root) / "time-limit.json", folder.root / ".dbswitch/time-limit.json"


def age(folder: Folder, seconds: float, **changed: Any) -> None:
    """Let the limit have begun earlier, on both clocks."""
    file, _ = files(folder)
    found = json.loads(file.read_bytes())
    for limit in found:
        limit["begun"]["wall"] -= seconds
        limit["begun"]["uptime"] -= seconds
        limit["begun"].update(changed)
    file.write_text(json.dumps(found))


def timers(folder: Folder) -> list[int]:
    found = []
    for one in folder.living():
        with contextlib.suppress(psutil.Error):  # it has just ended
            if any("--timer=" in word for word in one.cmdline()):
                found.append(one.pid)
    return found


def kill_timers(folder: Folder) -> None:
    for pid in timers(folder):
        os.kill(pid, signal.SIGKILL)


def status(folder: Folder) -> dict[str, Any]:
    return folder.json("status")[1][0]


def last(folder: Folder) -> dict[str, Any]:
    return folder.json("history")[1][0]["entries"][0]


def on_prod(folder: Folder, time: str = "30m", *, timer: bool = False) -> None:
    code, events = folder.json("prod", "--for", time, *CONFIRM)
    assert code == 0, events
    if not timer:
        kill_timers(folder)


def test_the_timer_goes_back_by_itself_and_ends(served: Folder) -> None:
    before = (served.root / ".env.local").read_bytes()
    assert served.run("dev", "--detach").returncode == 0
    on_prod(served, "1s", timer=True)  # the history tells that it was on prod; a look may come too late
    wait_for(lambda: not timers(served))
    assert (served.root / ".env.local").read_bytes() == before
    assert (last(served)["from"], last(served)["to"], last(served)["origin"]) == ("prod", "local", "timer")
    wait_for(lambda: status(served)["server"]["state"] == "ready")
    assert not any(file.exists() for file in files(served))


def test_status_counts_down_and_the_files_are_private_and_hold_no_secret(served: Folder) -> None:
    on_prod(served)
    asked = time.time()
    limit = status(served)["time_limit"]
    assert (limit["target"], limit["back"]) == ("prod", "local")
    assert 1_600 < limit["left"] <= 1_800
    assert asked - 5 < limit["ends"] - limit["left"] < time.time() + 5  # the two clocks may differ a little
    shown = served.run("status").stdout
    assert re.search(r"until:   prod for another (2[7-9]|30) min, then back to local\n", shown), shown
    for file in files(served):
        assert file.stat().st_mode & 0o777 == 0o600
        assert "shop:" not in file.read_text()


def test_every_command_that_does_not_go_back_says_that_the_time_is_over_and_stays(served: Folder) -> None:
    on_prod(served)
    age(served, 3_600)
    before = (served.root / ".env.local").read_bytes()
    said = "the time limit of prod has passed; `dbswitch local` switches back"
    for argv in (
        ("status",), ("targets",), ("history",), ("logs",), ("wait",), ("doctor",), ("check", "--all"),
        ("init", "--dry-run"), ("uninstall", "--dry-run"), ("generate", "route", "--dry-run"),
        ("exec", "prod", *CONFIRM, "--", "true"), ("mark", "prod", *CONFIRM), ("local", "--dry-run"),
    ):  # fmt: skip
        done = served.run(*argv)
        assert said in (done.stdout if argv == ("status",) else done.stderr), argv
        assert argv == ("status",) or said not in done.stdout, argv
    # Other tests use the server as well.
    assert served.run("mark", "prod", "--remove", *CONFIRM).returncode == 0
    assert status(served)["time_limit"]["left"] < 0
    assert (served.root / ".env.local").read_bytes() == before
    refused = served.run("guard", "--", "true")
    assert (refused.returncode, refused.stdout) == (9, "")
    assert "error: the time limit of prod has passed" in refused.stderr


def test_a_commit_hook_and_machine_formats_get_only_their_output(served: Folder) -> None:
    on_prod(served)
    git = ["git", "-C", str(served.root), "init", "-q"]
    (served.root / ".git").rmdir()
    subprocess.run(git, check=True)
    machine = [("check", "--format", form) for form in ("json", "sarif", "github")]
    machine += [("check",), ("check", "--quiet"), ("targets", "--json"), ("history", "--json")]
    without = [served.run(*argv).stdout for argv in machine]
    age(served, 3_600)
    assert [served.run(*argv).stdout for argv in machine] == without
    assert served.run("check", "--quiet").stderr == ""


@pytest.mark.parametrize("passed", [False, True])
def test_uninstall_is_refused_during_a_limit_since_nothing_would_go_back(
    served: Folder, passed: bool
) -> None:
    on_prod(served)
    if passed:
        age(served, 3_600)
    code, [failed] = served.json("uninstall", "--yes")
    assert (code, failed["error"]["code"]) == (9, "protected")
    assert "`dbswitch local`" in failed["error"]["fix"]
    assert all(file.exists() for file in files(served))
    assert (
        "is refused during the time limit of prod"
        in served.json("uninstall", "--dry-run")[1][0]["notices"][-1]
    )
    forced = served.run("uninstall", "--yes", "--force")
    assert forced.returncode == 0, forced.stderr
    assert "the app stays on prod" in forced.stdout
    assert not any(file.exists() for file in files(served))


REBOOTED = {"boot": "another boot"}


@pytest.mark.parametrize(
    ("began", "changed", "due"),
    [
        (3_600, REBOOTED, True),
        (0, REBOOTED, False),
        # The clock was set back; without a reboot the time since boot counts.
        pytest.param(-9_000, REBOOTED, True, marks=pytest.mark.sweep),
        pytest.param(-9_000, {}, True, marks=pytest.mark.sweep),
    ],
)
def test_after_a_reboot_or_with_a_clock_that_was_set_the_next_command_goes_back_first(
    served: Folder, began: float, changed: dict[str, str], due: bool
) -> None:
    on_prod(served)
    age(served, 3_600, wall=time.time() - began, **changed)
    code, events = served.json("dev", "--detach")
    assert code == 0, events
    assert (status(served)["target"] == "local") is due
    assert [one["event"] for one in events].count("result") == 1
    if due:
        assert last(served)["origin"] == "timer"


@pytest.mark.parametrize(
    "command",
    [
        ("restart",),
        ("stop",),
        # `dev` and a switch: the tests above and below.
        *(pytest.param(one, marks=pytest.mark.sweep) for one in (("dev", "--detach"), ("local",), ("-",))),
    ],
)
def test_every_command_that_acts_goes_back_first(served: Folder, command: tuple[str, ...]) -> None:
    on_prod(served)
    assert served.run("dev", "--detach").returncode == 0
    age(served, 3_600)
    code, events = served.json(*command)
    assert code == 0, events
    found = status(served)
    assert (found["target"], found["time_limit"]) == ("local", None)
    state = "stopped" if command == ("stop",) else "ready"
    wait_for(lambda: status(served)["server"]["state"] == state)  # a busy server answers late


def test_the_same_target_has_to_be_confirmed_again_when_its_time_is_over(served: Folder) -> None:
    on_prod(served)
    age(served, 3_600)
    code, events = served.json("prod")
    assert (code, events[-1]["error"]["code"]) == (9, "protected")
    assert status(served)["target"] == "local"


def test_a_way_back_that_fails_stops_the_command_but_never_a_stop(
    served: Folder, postgres_local: ShopServer
) -> None:
    on_prod(served)
    assert served.run("dev", "--detach").returncode == 0
    age(served, 3_600)
    text = (served.root / ".env.local").read_text()
    wrong = text.replace(
        f'DATABASE_URL_LOCAL="{postgres_local.url}"', 'DATABASE_URL_LOCAL="postgresql://x@127.0.0.1:1/x"'
    )
    assert wrong != text
    (served.root / ".env.local").write_text(wrong)
    config = (served.root / "dbswitch.toml").read_text()
    # A run that waited for `restart_deadline` would not end within the deadline of the helper.
    wait = "[database]\nrestart_deadline = 3600\nattempt_timeout = 0.3\n"
    served.write("dbswitch.toml", config + wait)
    code, events = served.json("restart", "--timeout", "0.3")
    assert (code, events[-1]["error"]["code"]) == (4, "database_not_ready"), events
    assert status(served)["time_limit"]["left"] < 0
    assert served.json("stop")[0] == 0  # waits for one attempt
    assert status(served)["server"]["state"] == "stopped"


def test_extend_lengthens_from_what_is_left_or_from_now_and_needs_a_limit(served: Folder) -> None:
    code, [failed] = served.json("extend", "15m")
    assert (code, failed["error"]["what"]) == (2, "no time limit is running")
    on_prod(served)
    code, [answer] = served.json("extend", "15m")
    assert code == 0
    assert 2_600 < answer["left"] <= 2_700
    kill_timers(served)
    age(served, 9_000)
    assert "prod for another 15 min, then back to local" in served.run("extend", "15m").stdout
    assert served.json("extend", "soon")[0] == 2
    copy = json.loads(files(served)[1].read_bytes())
    assert abs(copy["ends"] - time.time() - 900) < 60


def test_the_timer_of_a_limit_that_was_extended_ends_and_the_new_one_stays(served: Folder) -> None:
    on_prod(served, "1h", timer=True)
    [first] = timers(served)
    assert served.run("extend", "1h").returncode == 0
    wait_for(lambda: len(timers(served)) == 1 and first not in timers(served))
    assert served.json("local")[0] == 0
    wait_for(lambda: not timers(served))


def test_a_switch_replaces_the_limit_or_clears_it_and_one_that_fails_leaves_it(served: Folder) -> None:
    on_prod(served)
    text = (served.root / ".env.local").read_text()
    (served.root / ".env.local").write_text(text + 'DATABASE_URL_OTHER="postgresql://x@127.0.0.1:1/x"\n')
    before = [file.read_bytes() for file in files(served)]
    code, events = served.json("other", "--timeout", "0.3")
    assert code == 4, events
    assert [file.read_bytes() for file in files(served)] == before
    on_prod(served, "2h")
    assert status(served)["time_limit"]["left"] > 7_000
    assert served.json("prod", "--for", "unlimited")[0] == 0
    assert status(served)["time_limit"] is None


def test_the_default_of_a_target_applies_and_is_lifted_by_for(served: Folder) -> None:
    config = (served.root / "dbswitch.toml").read_text()
    served.write("dbswitch.toml", config + '[targets.prod]\ntime_limit = "20m"\n')
    _, events = served.json("prod", *CONFIRM)
    assert "prod for 20 min, then automatically back to local" in next(
        one["text"] for one in events if one.get("code") == "time-limit"
    )
    assert 1_100 < status(served)["time_limit"]["left"] <= 1_200
    assert served.json("local")[0] == 0
    assert served.json("prod", "--for", "unlimited", *CONFIRM)[0] == 0
    assert status(served)["time_limit"] is None
    served.write("dbswitch.toml", config + '[targets.prod]\ntime_limit = "soon"\n')
    code, [failed] = served.json("prod")
    assert (code, "time_limit" in failed["error"]["what"]) == (2, True)


def test_without_a_way_back_that_needs_no_name_a_limit_is_refused(served: Folder) -> None:
    text = (served.root / ".env.local").read_text()
    config = (served.root / "dbswitch.toml").read_text()
    served.write("dbswitch.toml", config + "[targets.local]\nprotected = true\n")
    code, events = served.json("prod", "--for", "5m", *CONFIRM)
    error = events[-1]["error"]
    assert (code, error["code"]) == (9, "protected")
    assert "go back to local, which is protected" in error["what"]
    assert all(error[part] for part in ("facts", "why", "fix"))
    served.write(".env.local", text.replace("DATABASE_URL=", "DATABASE_URL=postgresql://x@127.0.0.1:1/x #"))
    code, events = served.json("prod", "--for", "5m", *CONFIRM)
    error = events[-1]["error"]
    assert (code, error["code"]) == (2, "usage")
    assert "has no way back" in error["what"]
    assert all(error[part] for part in ("facts", "why", "fix"))


def test_what_comes_with_a_checkout_makes_nothing_go_back(served: Folder) -> None:
    assert served.json("prod", *CONFIRM)[0] == 0
    made = replace(LIMIT, begun=Moment(1.0, "x", 1.0))
    copy = files(served)[1]
    copy.write_text(json.dumps([to_builtins(made)]))
    assert served.json("dev", "--detach")[0] == 0
    assert status(served)["target"] == "prod"
    assert status(served)["time_limit"] is None


@pytest.fixture
def acts(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The `term_timeout` of the project that each switch and each repair was given; nothing is carried out."""
    found: list[float] = []

    def act(project: Project, *_: object) -> Result:
        found.append(project.config.server.term_timeout)
        return Result("id")

    monkeypatch.setattr(run, "switch", act)
    monkeypatch.setattr(start_and_stop, "repair", act)
    return found


def edited_since(folder: Folder) -> Project:
    """Return the project as it was before its configuration was edited; a time limit has passed."""
    project = load(folder.root)
    limit = TimeLimit("id", "local", "prod", Moment(1.0, "x", 1.0), 1.0)
    (prepare_private_dir(project) / "time-limit.json").write_bytes(json.dumps([to_builtins(limit)]).encode())
    config = (folder.root / "dbswitch.toml").read_text()
    folder.write("dbswitch.toml", config.replace("term_timeout = 1.0", "term_timeout = 7.0"))
    return project


def test_the_timer_goes_back_with_the_configuration_of_that_moment(folder: Folder, acts: list[float]) -> None:
    limit_timer.run_timer(edited_since(folder), "id", {})
    assert acts == [7.0]


def test_the_timer_waits_for_a_configuration_that_can_be_read(
    folder: Folder, acts: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    project = edited_since(folder)
    edited = (folder.root / "dbswitch.toml").read_text()
    folder.write("dbswitch.toml", "[server\n")
    monkeypatch.setattr(limit_timer, "RETRY_AFTER", 0.01)
    monkeypatch.setattr(time, "sleep", lambda _seconds: folder.write("dbswitch.toml", edited))
    limit_timer.run_timer(project, "id", {})
    assert acts == [7.0]


def test_dev_goes_back_and_repairs_with_the_configuration_of_that_moment(
    folder: Folder, acts: list[float]
) -> None:
    project = edited_since(folder)
    watch = Watch(project, server_launch.build(project), Renderer())
    write_record(project.private_dir, SwitchRecord("id", "prod", "local", server_down=True))
    assert not watch.gone()
    assert acts == [7.0, 7.0]


def test_dev_waits_for_a_configuration_that_can_be_read(folder: Folder, acts: list[float]) -> None:
    project = edited_since(folder)
    watch = Watch(project, server_launch.build(project), Renderer())
    write_record(project.private_dir, SwitchRecord("id", "prod", "local", server_down=True))
    folder.write("dbswitch.toml", "[server\n")
    assert not watch.gone()
    assert acts == []


def test_a_running_dev_goes_back_when_the_timer_was_killed(served: Folder) -> None:
    with served.terminal("dev") as shown:
        shown.until("showing its log")
        on_prod(served)
        age(served, 3_600)
        shown.until("has passed: switching back to local first")
        shown.until("switched to local")
        assert status(served)["target"] == "local"
        shown.type("\x03")
        assert shown.end() == 0
