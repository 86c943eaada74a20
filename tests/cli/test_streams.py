"""What people and programs see of a run, with a fake switch in an otherwise real program."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.cli.fake_switch import SECRET
from tests.cli.running import DEADLINE, ESCAPE, FAKE, REAL, environment, run, terminal

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "package.json").write_text('{"dependencies": {"next": "16.0.7"}}')
    return tmp_path


def fake(project: Path, part: str, *argv: str, **env: str) -> subprocess.CompletedProcess[str]:
    return run(*argv, cwd=project, program=FAKE, env={"FAKE_SWITCH": part, **env})


def test_in_a_pipe_there_are_plain_lines_on_stderr_and_nothing_on_stdout(project: Path) -> None:
    done = fake(project, "verified", "prod")
    assert done.returncode == 0
    assert done.stdout == ""
    assert "\x1b" not in done.stderr
    assert done.stderr.splitlines() == [
        "note: DATABASE_URL in .env is shadowed by .env.local",
        "✓ database is ready 0.1 s (PostgreSQL 15.6)",
        "✓ server stopped 0.1 s",
        "prod: db.example.com:5432/shop_prod, confirmed by the app (restart, 3.1 s)",
    ]


def test_quiet_says_only_the_verdict(project: Path) -> None:
    done = fake(project, "verified", "prod", "--quiet")
    assert done.stderr == "prod: db.example.com:5432/shop_prod, confirmed by the app (restart, 3.1 s)\n"


def test_quiet_still_says_the_error(project: Path) -> None:
    done = fake(project, "failed", "prod", "-q")
    assert done.returncode == 4
    assert done.stderr.startswith("error: the database rejected the password\n  P1000\n")


def test_verbose_says_every_phase_and_the_plan(project: Path) -> None:
    done = fake(project, "verified", "prod", "-v")
    assert "lock taken" in done.stderr
    assert "variables: DATABASE_URL" in done.stderr


def test_not_verified_is_said_in_exactly_these_words(project: Path) -> None:
    said = fake(project, "unverified", "prod").stderr
    assert "The app could not confirm it: `dbswitch generate route` adds the check." in said


def test_a_dry_run_shows_the_plan_and_says_that_nothing_was_changed(project: Path) -> None:
    done = fake(project, "verified", "prod", "--dry-run")
    assert "would switch local -> prod" in done.stderr
    assert "prod: dry run, nothing was changed" in done.stderr


def test_json_is_one_object_per_line_on_stdout_and_stderr_is_silent(project: Path) -> None:
    done = fake(project, "verified", "prod", "--json")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.stderr == ""
    assert all(event["v"] == 1 for event in events)
    assert events[0]["event"] == "start"
    assert events[-1]["event"] == "result"
    assert events[-1]["outcome"] == "switched"


@pytest.mark.parametrize("part", ["failed", "refused"])
def test_json_ends_with_a_result_that_holds_the_error(project: Path, part: str) -> None:
    done = fake(project, part, "prod", "--json")
    last = json.loads(done.stdout.splitlines()[-1])
    assert done.returncode == 4
    assert last["event"] == "result"
    assert last["exit"] == 4
    assert last["error"]["code"] == "database_rejected"
    assert last["error"]["facts"] == ["P1000"]


def test_json_behind_two_dashes_belongs_to_the_other_program(project: Path) -> None:
    done = run("exec", "--bogus", "prod", "--", "npx", "--json", cwd=project)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: No such option: --bogus")


def test_a_usage_error_is_a_result_too(project: Path) -> None:
    done = run("--json", "prod", "--bogus", cwd=project)
    last = json.loads(done.stdout)
    assert done.returncode == 2
    assert last["error"]["code"] == "usage"


def test_a_bug_is_one_line_and_exit_3_and_its_traceback_is_private_and_masked(
    project: Path, tmp_path: Path
) -> None:
    done = fake(project, "bug", "prod", XDG_STATE_HOME=str(tmp_path / "home" / "state"))
    log = tmp_path / "home" / "state" / "dbswitch" / "dbswitch.log"
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    assert "a bug in dbswitch (RuntimeError)" in done.stderr
    assert str(log) in done.stderr
    assert SECRET not in done.stderr
    text = log.read_text()
    assert "Traceback" in text
    assert "fake_switch" in text
    assert SECRET not in text
    assert stat.S_IMODE(log.stat().st_mode) == 0o600

    assert stat.S_IMODE(log.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("existing", [False, True])
def test_a_bug_writes_nothing_into_the_checkout(tmp_path: Path, existing: bool) -> None:
    root = tmp_path / "app"
    (root / ".dbswitch" if existing else root).mkdir(0o700, parents=True)
    (root / "package.json").write_text('{"dependencies": {"next": "16.0.7"}}')
    before = sorted(root.rglob("*"))
    done = fake(root, "bug", "prod", XDG_STATE_HOME=str(tmp_path / "state"))
    assert done.returncode == 3
    assert sorted(root.rglob("*")) == before


def test_the_log_of_bugs_does_not_grow_without_end(project: Path, tmp_path: Path) -> None:
    state = tmp_path / "state" / "dbswitch"
    state.mkdir(0o700, parents=True)
    (state / "dbswitch.log").write_bytes(b"x" * 1_000_001)
    fake(project, "bug", "prod", XDG_STATE_HOME=str(tmp_path / "state"))
    assert (state / "dbswitch.log").stat().st_size < 100_000
    assert (state / "dbswitch.log.1").stat().st_size == 1_000_001


def test_a_bug_where_no_log_can_be_written_is_still_one_line(tmp_path: Path) -> None:
    nowhere = tmp_path / "file"
    nowhere.write_text("")
    done = run("prod", cwd=tmp_path, program=FAKE, env={"FAKE_SWITCH": "bug", "XDG_STATE_HOME": str(nowhere)})
    assert done.returncode == 3
    assert "please report it" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_reader_that_leaves_does_not_stop_the_switch(project: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, *FAKE, "prod", "--json"],
        cwd=project,
        env=environment(FAKE_SWITCH="verified", FAKE_SECONDS="0.2"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    said = process.stderr.read()
    process.stderr.close()
    assert process.wait(DEADLINE) == 0
    assert said == b""


@pytest.mark.parametrize("stream", [0, 1, 2])
def test_a_closed_stream_is_no_bug(project: Path, stream: int) -> None:
    shell = f'exec "$@" {stream}>&-' if stream else 'exec "$@" <&-'
    done = subprocess.run(
        ["sh", "-c", shell, "sh", sys.executable, *FAKE, "prod", "--json"],
        cwd=project,
        env=environment(FAKE_SWITCH="verified"),
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )
    assert done.returncode == 0
    assert done.stderr == ""


def test_a_latin_locale_gets_text_and_no_crash(project: Path) -> None:
    done = subprocess.run(
        [sys.executable, *FAKE, "prod"],
        cwd=project,
        env=environment(FAKE_SWITCH="verified", PYTHONUTF8="0", PYTHONIOENCODING="latin-1"),
        capture_output=True,
        timeout=DEADLINE,
    )
    assert done.returncode == 0
    assert b"prod: db.example.com:5432/shop_prod, confirmed by the app" in done.stderr


def test_programs_get_whole_json_in_any_locale(project: Path) -> None:
    done = subprocess.run(
        [sys.executable, *REAL, "é", "--json"],
        cwd=project,
        env=environment(PYTHONUTF8="0", PYTHONIOENCODING="ascii"),
        capture_output=True,
        timeout=DEADLINE,
    )
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["event"] == "result"
    assert "é" in result["error"]["what"]


def test_a_terminal_shows_a_live_line_with_a_spinner_and_leaves_the_verdict(project: Path) -> None:
    shown = project / "shown"
    env = {"FAKE_SWITCH": "verified", "FAKE_UNTIL": str(shown)}
    with terminal("prod", cwd=project, program=FAKE, env=env) as tty:
        tty.until(" asking the database ")
        shown.touch()
        assert tty.end() == 0
    assert re.search("[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏] asking the database", tty.text)
    assert "✓ database is ready 0.1 s" in tty.text
    assert tty.text.rstrip().endswith("(restart, 3.1 s)")
    assert tty.seen.rfind("\x1b[?25h") > tty.seen.rfind("\x1b[?25l"), "the cursor is shown again"


def test_a_protected_target_is_red_on_a_terminal_and_not_with_no_color(project: Path) -> None:
    env = {"FAKE_SWITCH": "verified"}
    with terminal("prod", cwd=project, program=FAKE, env=env) as tty:
        tty.end()
    assert re.search(r"\x1b\[1;31mprod", tty.seen)
    with terminal("prod", cwd=project, program=FAKE, env={**env, "NO_COLOR": "1"}) as tty:
        tty.end()
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]m", tty.seen)
    assert "confirmed by the app" in tty.text


def test_a_dumb_terminal_gets_plain_lines(project: Path) -> None:
    with terminal("prod", cwd=project, program=FAKE, env={"FAKE_SWITCH": "verified", "TERM": "dumb"}) as tty:
        assert tty.end() == 0
    assert "\x1b" not in tty.seen
    assert "prod: db.example.com:5432/shop_prod, confirmed by the app" in tty.seen


@pytest.mark.parametrize("columns", [12, 20, 40])
def test_the_live_line_never_wraps_in_a_narrow_terminal(project: Path, columns: int) -> None:
    env = {"FAKE_SWITCH": "verified", "FAKE_SECONDS": "0.4"}
    with terminal("prod", cwd=project, program=FAKE, env=env, columns=columns) as tty:
        assert tty.end() == 0
    for frame in re.findall("[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏][^\r\n]*", ESCAPE.sub("", tty.seen)):
        assert len(frame) <= columns
    assert "\x1b[2K\x1b[1A\x1b[2K" not in tty.seen, "two lines were taken away: the live one had wrapped"
    assert "shop_prod" in tty.text.replace("\n", "")


def test_a_question_is_asked_on_the_terminal_and_the_answer_confirms(project: Path) -> None:
    with terminal("prod", cwd=project, program=FAKE, env={"FAKE_SWITCH": "ask"}) as tty:
        tty.until("Type prod to continue: ")
        tty.type("shop_prod\n")
        assert tty.end() == 0
    assert "confirmed by the app" in tty.text


def test_a_wrong_answer_is_refused_with_exit_9(project: Path) -> None:
    with terminal("prod", cwd=project, program=FAKE, env={"FAKE_SWITCH": "ask"}) as tty:
        tty.until("Type prod to continue: ")
        tty.type("yes\n")
        assert tty.end() == 9
    assert "was not confirmed" in tty.text


def test_the_end_of_the_input_is_a_refusal(project: Path) -> None:
    with terminal("prod", cwd=project, program=FAKE, env={"FAKE_SWITCH": "ask"}) as tty:
        tty.until("Type prod to continue: ")
        tty.type("\x04")
        assert tty.end() == 9


def test_without_a_terminal_nobody_is_asked(project: Path) -> None:
    done = fake(project, "ask", "prod")
    assert done.returncode == 9
    assert "Type prod" not in done.stderr
    assert fake(project, "ask", "prod", "--confirm", "shop_prod").returncode == 0


def test_ctrl_c_is_130_and_gives_the_cursor_back(project: Path) -> None:
    with terminal("prod", cwd=project, program=FAKE, env={"FAKE_SWITCH": "slow"}) as tty:
        tty.until("connection refused")
        tty.type("\x03")
        assert tty.end() == 130
    assert "Traceback" not in tty.text
    assert "interrupted" in tty.text
    assert tty.seen.rfind("\x1b[?25h") > tty.seen.rfind("\x1b[?25l")


def test_taking_a_port_needs_a_yes(project: Path) -> None:
    assert fake(project, "verified", "prod", "--take-port").returncode == 2
    assert fake(project, "verified", "prod", "--take-port", "--yes").returncode == 0
    with terminal("prod", "--take-port", cwd=project, program=FAKE, env={"FAKE_SWITCH": "verified"}) as tty:
        tty.until("Continue? [y/N] ")
        tty.type("\n")
        assert tty.end() == 2


def test_the_repeated_wait_is_one_plain_line(project: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, *FAKE, "prod"],
        cwd=project,
        env=environment(FAKE_SWITCH="slow"),
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    first = [process.stderr.readline() for _ in range(2)]
    process.send_signal(2)
    rest = process.stderr.read()
    process.stderr.close()
    assert process.wait(DEADLINE) == 130
    said = "".join(first) + rest
    assert said.count("connection refused") == 1
    assert os.sep not in said
