"""The commands as a person or a program types them, on a real project folder without a running server."""

from __future__ import annotations

import json
import re
import stat
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from dbswitch.cli.logs_command import redacted, whole_lines, without_escapes
from tests.cli.conftest import PASSWORD
from tests.cli.running import DEADLINE, REAL, environment, run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Folder
    from tests.support.postgres import ShopServer


def test_status_names_the_target_of_each_reader_and_masks_every_url(folder: Folder) -> None:
    done = folder.run()
    assert done.returncode == 0
    assert done.stdout.splitlines()[0] == "active:  local"
    assert "Next.js dev" in done.stdout
    assert "prod (protected)" in done.stdout
    assert f"stopped (port {folder.port})" in done.stdout
    assert PASSWORD not in done.stdout + done.stderr


def test_status_sees_the_callers_own_environment(folder: Folder) -> None:
    exported = folder.run(
        "exec", "prod", "--confirm", "shop_prod", "--", *python_print("DATABASE_URL")
    ).stdout.strip()
    code, [status] = folder.json("status", env={"DATABASE_URL": exported})
    assert code == 0
    # The dev server starts without it, so the env files decide; the shell's own row and a warning tell of it.
    assert {reader["reader"]: reader["target"] for reader in status["readers"]} == {
        "Next.js dev": "local",
        "Next.js start": "local",
        "shell": "prod",
    }
    assert [one["variable"] for one in status["exported"]] == ["DATABASE_URL"]


def test_without_a_target_a_terminal_offers_a_list(folder: Folder) -> None:
    for typed in ("2\n", "prod\n"):
        with folder.terminal("--dry-run") as terminal:
            terminal.until("Switch to (number or name; Enter cancels): ")
            assert "1  local" in terminal.text
            assert "(in use)" in terminal.text
            terminal.type(typed)
            assert terminal.end() == 0
        assert "would switch local -> prod" in terminal.text
    with folder.terminal("switch") as terminal:
        terminal.until("Switch to")
        terminal.type("\n")
        assert terminal.end() == 2
    assert "nothing was changed" in terminal.text
    done = folder.run("switch")
    assert done.returncode == 2
    assert "fix: dbswitch TARGET" in done.stderr


def test_targets_says_where_each_leads_and_which_is_active(folder: Folder) -> None:
    done = folder.run("targets")
    local, prod = done.stdout.splitlines()
    assert local.startswith("* local  localhost:")
    assert local.endswith("/shop_local  from DATABASE_URL_LOCAL in .env.local")
    assert prod.startswith("  prod   localhost:")
    assert prod.endswith(", protected")
    code, [found] = folder.json("targets")
    assert (code, found["target"]) == (0, "local")
    assert [one["name"] for one in found["targets"]] == ["local", "prod"]


def test_no_project_is_a_configuration_error_that_says_what_was_looked_for(tmp_path: Path) -> None:
    done = run("status", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: no project here\n")
    assert "  fix: " in done.stderr


def test_the_project_may_be_named_from_anywhere(folder: Folder, tmp_path: Path) -> None:
    assert run("--project", str(folder.root), "status", cwd=tmp_path).returncode == 0


@pytest.mark.parametrize(
    ("word", "fix"),
    [
        ("prdo", "did you mean the target `prod`?"),
        ("statu", "did you mean the command `dbswitch status`?"),
        ("restrat", "did you mean the command `dbswitch restart`?"),
        ("nonsense", "`dbswitch targets` lists the targets, `dbswitch --help` the commands"),
    ],
)
def test_an_unknown_word_names_the_nearest_command_or_target_and_suggests_no_switch(
    folder: Folder, word: str, fix: str
) -> None:
    done = folder.run(word)
    assert done.returncode == 2
    assert f"fix: {fix}\n" in done.stderr


@pytest.mark.parametrize("word", ["prod; rm -rf /", "../../x", "$(id)", "--", "prod\n"])
def test_a_hostile_word_is_only_an_unknown_target(folder: Folder, word: str) -> None:
    done = folder.run("--", word)
    assert done.returncode == 2
    assert "unknown target" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unreadable_configuration_is_said_with_line_and_column(folder: Folder) -> None:
    folder.write("dbswitch.toml", "[server]\nport = = 3\n")
    done = folder.run()
    assert done.returncode == 2
    assert "line 2" in done.stderr
    assert "column" in done.stderr


def test_a_dry_run_changes_nothing(folder: Folder) -> None:
    before = (folder.root / ".env.local").read_bytes()
    code, events = folder.json("prod", "--dry-run")
    assert code == 0
    assert events[-1]["outcome"] == "planned"
    assert (folder.root / ".env.local").read_bytes() == before


def test_a_dry_run_shows_what_every_variable_was_and_will_be_and_no_secret(folder: Folder) -> None:
    lines = (folder.root / ".env.local").read_text()
    lines += (
        'BLOB_TOKEN="vercel_blob_local"\nBLOB_TOKEN_LOCAL="vercel_blob_local"\n'
        'KEY="k1"\nKEY_LOCAL="k1"\nKEY_PRODUCTION="k2"\n'
    )
    folder.write(".env.local", lines)
    done = folder.run("prod", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert re.search(
        r"DATABASE_URL: 127\.0\.0\.1:\d+/shop_local -> 127\.0\.0\.1:\d+/shop_prod\n", done.stderr
    )
    assert "prod has no BLOB_TOKEN: it is removed\n" in done.stderr
    assert "KEY: set -> set to another value\n" in done.stderr
    for secret in (PASSWORD, "vercel_blob_local", "k1", "k2"):
        assert secret not in done.stderr
    assert "changes" in folder.json("prod", "--dry-run")[1][-2]


def test_open_prints_the_address_of_the_admin_page_and_needs_one(folder: Folder) -> None:
    done = folder.run("open")
    assert done.returncode == 2
    assert "fix: dbswitch generate page" in done.stderr
    folder.write("app/(tools)/admin/configuration/page.tsx", "// dbswitch:generated page v1 sha256=0\n")
    done = folder.run("open")
    assert (done.returncode, done.stdout) == (0, f"http://localhost:{folder.port}/admin/configuration\n")
    assert folder.json("open")[1] == [{"v": 1, "event": "page", "url": done.stdout.strip()}]


def test_open_does_not_advise_a_page_that_a_pages_router_app_cannot_have(folder: Folder) -> None:
    folder.write("pages/index.tsx", "")
    done = folder.run("open")
    assert done.returncode == 2
    assert "needs the App Router" in done.stderr
    assert "generate page" not in done.stderr


def test_a_database_that_is_down_is_exit_4_and_nothing_is_changed(folder: Folder) -> None:
    before = (folder.root / ".env.local").read_bytes()
    done = folder.run("prod", "--confirm", "shop_prod", "--timeout", "0.3")
    assert done.returncode == 4
    assert "error: " in done.stderr
    assert PASSWORD not in done.stderr
    assert (folder.root / ".env.local").read_bytes() == before


@pytest.mark.parametrize("flags", [(), ("--yes",), ("--confirm", "not-shop_prod")])
def test_a_protected_target_without_its_name_is_exit_9_and_nothing_is_changed(
    folder: Folder, flags: tuple[str, ...]
) -> None:
    before = (folder.root / ".env.local").read_bytes()
    done = folder.run("prod", *flags)
    assert done.returncode == 9
    assert "--confirm prod" in done.stderr
    assert (folder.root / ".env.local").read_bytes() == before


def test_wait_gives_up_at_its_deadline_with_exit_4(folder: Folder) -> None:
    config = (folder.root / "dbswitch.toml").read_text()
    folder.write("dbswitch.toml", f"{config}[database]\nstart_deadline = 3600\n")
    code, events = folder.json("wait", "--timeout", "0.5")
    assert code == 4
    assert events[-1]["error"]["code"] == "database_not_ready"
    assert events[-1]["outcome"] == "failed"


def test_wait_says_when_the_active_database_is_ready(served: Folder, postgres_local: ShopServer) -> None:
    code, events = served.json("wait")
    assert code == 0
    assert events[-1]["outcome"] == "ready"
    assert events[-1]["target"] == "local"
    assert events[-1]["identity"]["database"] == postgres_local.shop.database
    assert ", ready in " in served.run("wait", "prod").stderr


def python_print(*names: str) -> tuple[str, ...]:
    return (sys.executable, "-c", f"import os; [print(os.environ.get(n)) for n in {names!r}]")


def test_exec_gives_the_targets_variables_to_the_command_and_changes_no_file(folder: Folder) -> None:
    before = {path: path.read_bytes() for path in folder.root.iterdir() if path.is_file()}
    done = folder.run("exec", "prod", "--confirm", "shop_prod", "--", *python_print("DATABASE_URL"))
    assert done.returncode == 0
    assert done.stdout.strip().endswith("/shop_prod")
    assert PASSWORD in done.stdout
    assert PASSWORD not in done.stderr
    assert {path: path.read_bytes() for path in folder.root.iterdir() if path.is_file()} == before


def test_exec_leaves_out_what_only_other_targets_set(folder: Folder) -> None:
    with (folder.root / ".env.local").open("a") as stream:
        stream.write('BLOB_TOKEN_PRODUCTION="secret-blob"\n')
    env = {"BLOB_TOKEN": "secret-blob"}
    done = folder.run("exec", "local", "--", *python_print("BLOB_TOKEN"), env=env)
    assert done.stdout.strip() == "None"
    assert "local does not set BLOB_TOKEN" in done.stderr


def test_exec_passes_the_exit_code_and_the_signal_through(folder: Folder) -> None:
    assert folder.run("exec", "local", "--", sys.executable, "-c", "raise SystemExit(42)").returncode == 42
    died = folder.run("exec", "local", "--", "sh", "-c", "kill -TERM $$")
    assert died.returncode == -15


def test_exec_hands_sigpipe_back_to_the_command(folder: Folder) -> None:
    done = folder.run("exec", "local", "--", "sh", "-c", "yes | head -1; echo ${PIPESTATUS:-fine}")
    assert "Broken pipe" not in done.stderr
    assert done.returncode == 0


def test_exec_needs_the_confirmation_of_a_protected_target(folder: Folder) -> None:
    done = folder.run("exec", "prod", "--", "true")
    assert done.returncode == 9
    assert "--confirm prod" in done.stderr
    with folder.terminal("exec", "prod", "--", *python_print("DATABASE_URL")) as tty:
        tty.until("the command could change")
        tty.until("Type prod to continue: ")
        tty.type("shop_prod\n")
        assert tty.end() == 0


def test_exec_of_a_missing_command_is_a_usage_error(folder: Folder) -> None:
    done = folder.run("exec", "local", "--", "no-such-command-anywhere")
    assert done.returncode == 2
    assert "cannot run no-such-command-anywhere" in done.stderr


def test_no_value_of_a_target_is_ever_in_the_arguments_of_exec(folder: Folder) -> None:
    look = (sys.executable, "-c", "import os; print(open(f'/proc/{os.getpid()}/cmdline').read())")
    if sys.platform != "linux":
        look = (sys.executable, "-c", "import os; os.system(f'ps -o args= -p {os.getpid()}')")
    assert PASSWORD not in folder.run("exec", "local", "--", *look).stdout


def test_without_a_server_the_files_are_switched_and_that_is_said(
    served: Folder, postgres_prod: ShopServer
) -> None:
    done = served.run("prod", "--confirm", postgres_prod.shop.database)
    assert done.returncode == 0, done.stderr
    assert "no dev server is running" in done.stderr
    assert f'DATABASE_URL="{postgres_prod.url}"' in (served.root / ".env.local").read_text()
    assert served.living() == []


def test_history_is_empty_at_first_and_lists_what_was_done(served: Folder, postgres_prod: ShopServer) -> None:
    assert served.run("history").stdout == "no switches yet\n"
    assert served.run("prod", "--confirm", postgres_prod.shop.database).returncode == 0
    assert served.run("-").returncode == 0
    code, [history] = served.json("history")
    assert code == 0
    assert [(one["from"], one["to"], one["outcome"]) for one in history["entries"]] == [
        ("prod", "local", "switched"),
        ("local", "prod", "switched"),
    ]
    told = served.run("history", "-n", "1", env={"COLUMNS": "80"}).stdout
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\d \d\d:\d\d  \S+ -> \S+  switched  none, [\d.]+ s  program.*\n", told
    ), told


def test_minus_goes_back_to_a_url_that_was_edited_by_hand_and_forth_again(
    served: Folder, postgres_prod: ShopServer
) -> None:
    path = served.root / ".env.local"
    first, *rest = path.read_text().splitlines()
    own = first.rpartition("/")[0] + '/postgres"'
    path.write_text("\n".join([own, *rest]) + "\n")
    assert served.json("status")[1][0]["target"] is None
    assert served.run("prod", "--confirm", "prod").returncode == 0
    assert served.json("status")[1][0]["target"] == "prod"
    back = served.run("-")
    assert back.returncode == 0, back.stderr
    assert "/postgres" in back.stderr
    assert own in path.read_text().splitlines()
    again = served.run("-", "--confirm", "prod")
    assert again.returncode == 0, again.stderr
    assert f'DATABASE_URL="{postgres_prod.url}"' in path.read_text().splitlines()
    assert served.run("-").returncode == 0
    assert path.read_text().count("dbswitch:kept") == 1


def test_the_previous_target_of_a_fresh_project_is_a_usage_error(folder: Folder) -> None:
    assert folder.run("-").returncode == 2


def test_logs_without_a_log_say_how_to_get_one(folder: Folder) -> None:
    done = folder.run("logs")
    assert (done.returncode, done.stdout) == (0, "")
    assert "dbswitch dev" in done.stderr


def test_logs_show_the_last_lines_as_they_are(folder: Folder) -> None:
    (folder.root / ".dbswitch").mkdir(0o700)
    (folder.root / ".dbswitch" / "server.log").write_bytes(b"one\n\ntwo \xff\nthree")
    done = subprocess.run(
        [sys.executable, *REAL, "logs", "-n", "2"],
        cwd=folder.root,
        env=environment(),
        capture_output=True,
        timeout=DEADLINE,
    )
    assert done.stdout == b"two \xff\nthree"
    code, lines = folder.json("logs", "-n", "3")
    assert code == 0
    assert lines[0] == {"v": 1, "event": "log", "line": ""}
    assert lines[-1] == {"v": 1, "event": "log", "line": "three"}


@pytest.mark.parametrize("as_json", [False, True])
def test_the_password_of_a_target_is_redacted_in_logs_and_other_text_is_not(
    folder: Folder, as_json: bool
) -> None:
    folder.write("env/prod.env", 'DATABASE_URL="postgresql://shop:s3cret-w0rd@127.0.0.1:1/shop"\n')
    folder.write(".env.local", 'DATABASE_URL="postgresql://me:by-hand-1@127.0.0.1:1/mine"\nLABEL="a label"\n')
    (folder.root / ".dbswitch").mkdir(0o700)
    (folder.root / ".dbswitch" / "server.log").write_text(
        "pool for shop with s3cret-w0rd\n{ password: 'by-hand-1', key: 7 }\npostgres://x:other@h/d\na label\n"
    )
    done = folder.run("logs", *(["--json"] if as_json else []))
    assert "pool for shop with ***" in done.stdout
    assert "{ password: '***', key: 7 }" in done.stdout
    assert "postgres://***@h/d" in done.stdout
    assert "a label" in done.stdout
    assert [secret for secret in ("s3cret", "by-hand", "other") if secret in done.stdout] == []


def test_a_secret_that_two_parts_of_the_log_share_is_redacted():
    parts = [b"a s3cret", b"-w0rd\nunfin", b"ished s3cret-w0rd"]
    shown = b"".join(redacted(text, frozenset({"s3cret-w0rd"})) for text in whole_lines(parts))
    assert shown == b"a ***\nunfinished ***"


def test_a_reader_that_leaves_the_logs_early_is_no_error_message(folder: Folder) -> None:
    (folder.root / ".dbswitch").mkdir(0o700)
    (folder.root / ".dbswitch" / "server.log").write_bytes(b"a line of the log\n" * 40_000)
    shell = '"$@" | head -1 >/dev/null'
    done = subprocess.run(
        ["sh", "-c", shell, "sh", sys.executable, *REAL, "logs", "-n", "1000000"],
        cwd=folder.root,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )
    assert done.stderr == ""


def test_init_shows_first_and_writes_nothing_on_a_dry_run(folder: Folder) -> None:
    done = folder.run("init", "--dry-run")
    assert done.returncode == 0
    assert "create .gitignore" in done.stdout
    assert not (folder.root / ".gitignore").exists()
    done = folder.run("init", "--yes")
    assert done.returncode == 0
    assert (folder.root / ".gitignore").exists()
    token = folder.root / ".dbswitch" / "token"
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    assert token.read_text().strip() not in done.stdout + done.stderr
    assert "nothing to do" in folder.run("init").stderr


def test_init_says_what_it_found_and_which_command_comes_next(folder: Folder) -> None:
    done = folder.run("init", "--dry-run")
    assert done.stdout.startswith("This project uses Next.js 16.0.7.\n`next dev` is its dev server;")
    assert "/shop_prod, from DATABASE_URL_PRODUCTION in .env.local; it is protected" in done.stdout
    assert "In use now: local.\n" in done.stdout
    assert (
        "next: `dbswitch dev` starts the dev server; a dev server that is already running need not be restarted\n"
        in done.stderr
    )
    assert "`dbswitch prod --dry-run` shows what a switch to prod would change" in done.stderr
    folder.write(".env.local", "")
    done = folder.run("init", "--dry-run")
    assert "there is nothing to switch to" in done.stdout
    assert "next: put both URLs into .env.local as DATABASE_URL_LOCAL and DATABASE_URL_PROD" in done.stderr


def test_init_asks_on_a_terminal(folder: Folder) -> None:
    with folder.terminal("init") as tty:
        tty.until("Write this? [Y/n] ")
        tty.type("n\n")
        assert tty.end() == 0
    assert not (folder.root / ".gitignore").exists()
    with folder.terminal("init") as tty:
        tty.until("Write this? [Y/n] ")
        tty.type("\n")
        assert tty.end() == 0
    assert (folder.root / ".gitignore").exists()


def test_a_detached_switch_answers_with_its_id_and_leaves_its_events_in_a_file(
    served: Folder, postgres_prod: ShopServer
) -> None:
    done = served.run("prod", "--detach", "--confirm", postgres_prod.shop.database)
    assert done.returncode == 0
    [line] = done.stdout.splitlines()
    accepted = json.loads(line)
    assert accepted.keys() == {"v", "event", "id", "target"}
    assert (accepted["v"], accepted["event"], accepted["target"]) == (1, "accepted", "prod")
    events = until_result(served.root / ".dbswitch" / "runs" / f"{accepted['id']}.jsonl")
    assert events[0] == accepted
    assert events[1]["event"] == "start"
    assert {event["id"] for event in events if "id" in event} == {accepted["id"]}
    assert (events[-1]["outcome"], events[-1]["exit"]) == ("switched", 0)
    assert "/shop" in (served.root / ".env.local").read_text()
    assert served.json("status")[1][0]["target"] == "prod"


def until_result(path: Path) -> list[dict[str, object]]:
    limit = time.monotonic() + DEADLINE
    while True:
        events = [
            json.loads(line) for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")
        ]
        if events[-1]["event"] == "result":
            return events
        assert time.monotonic() < limit, events
        time.sleep(0.02)


def test_a_detached_run_is_in_a_session_of_its_own(served: Folder, postgres_prod: ShopServer) -> None:
    code = (
        "import os, signal, subprocess, sys; "
        "done = subprocess.run([sys.executable, '-m', 'dbswitch', *sys.argv[1:]], stdout=subprocess.PIPE); "
        "sys.stdout.buffer.write(done.stdout); sys.stdout.flush(); "
        "os.killpg(0, signal.SIGKILL)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "prod", "--detach", "--confirm", postgres_prod.shop.database],
        cwd=served.root,
        env=environment(),
        start_new_session=True,
        stdout=subprocess.PIPE,
        text=True,
        timeout=DEADLINE,
    )
    assert done.returncode == -9
    run_id = json.loads(done.stdout)["id"]
    events = until_result(served.root / ".dbswitch" / "runs" / f"{run_id}.jsonl")
    assert events[-1]["outcome"] == "switched"


def test_a_detached_run_that_is_refused_says_so_in_its_file(served: Folder) -> None:
    accepted = json.loads(served.run("prod", "--detach").stdout)
    events = until_result(served.root / ".dbswitch" / "runs" / f"{accepted['id']}.jsonl")
    assert (events[-1]["exit"], events[-1]["outcome"]) == (9, "refused")


def test_an_unknown_target_is_refused_before_anything_is_detached(folder: Folder) -> None:
    code, events = folder.json("nosuch", "--detach")
    assert code == 2
    assert events[-1]["event"] == "result"
    assert not (folder.root / ".dbswitch" / "runs").exists()


def test_detaching_runs_no_command_of_a_target_before_it_answers(folder: Folder) -> None:
    marker, go = folder.root / "was-run", folder.root / "go"
    script = f"until [ -e {go} ]; do sleep 0.05; done; touch {marker}; echo DATABASE_URL=postgresql://x@127.0.0.1:1/x"
    with (folder.root / "dbswitch.toml").open("a") as stream:
        stream.write(f"\n[targets.vault]\ncommand = {json.dumps(['sh', '-c', script])}\n")
    done = folder.run("vault", "--detach", "--timeout", "0.2")
    assert done.returncode == 0
    assert not marker.exists()
    go.touch()
    until_result(folder.root / ".dbswitch" / "runs" / f"{json.loads(done.stdout)['id']}.jsonl")
    assert marker.exists()


@pytest.mark.parametrize("run_id", ["../../../x", "", "a" * 300])
def test_a_forged_run_id_names_no_file(folder: Folder, run_id: str) -> None:
    assert folder.run("local", "--json", f"--run-id={run_id}").returncode == 2


def test_stop_without_a_server_says_that_none_was_running(folder: Folder) -> None:
    code, events = folder.json("stop")
    assert (code, events[-1]["outcome"]) == (0, "unchanged")
    done = folder.run("stop")
    assert done.stderr.splitlines()[-1] == "no dev server was running"


def test_ctrl_c_while_a_target_is_down_says_beforehand_and_afterwards_that_nothing_was_changed(
    folder: Folder,
) -> None:
    before = (folder.root / ".env.local").read_bytes()
    with folder.terminal("prod", "--confirm", "prod", "--timeout", "100") as terminal:
        terminal.until("nothing changed yet")
        terminal.type("\x03")
        assert terminal.end() == 130
    assert "nothing was changed; the project is still on local" in " ".join(terminal.text.split())
    assert (folder.root / ".env.local").read_bytes() == before


def test_colours_of_the_log_are_taken_out_in_a_pipe_and_kept_on_a_terminal(folder: Folder) -> None:
    (folder.root / ".dbswitch").mkdir(0o700)
    (folder.root / ".dbswitch" / "server.log").write_bytes(
        b"\x1b[32m ok\x1b[0m \x1b]8;;http://x\x07link\x1b]8;;\x07\n"
    )
    assert folder.run("logs").stdout == " ok link\n"
    with folder.terminal("logs") as terminal:
        terminal.end()
    assert "\x1b[32m ok" in terminal.seen
    with folder.terminal("logs", env={"NO_COLOR": "1"}) as terminal:
        terminal.end()
    assert "\x1b[32m" not in terminal.seen


def test_a_log_can_colour_the_terminal_and_do_nothing_else_to_it(folder: Folder) -> None:
    hostile = b"\x1b]0;title\x07\x1b[2J\x1b[1;1H\x1bc\x9b\xc2\x9b31m\x07\x08\x1b]52;c;eA==\x1b\\\x1bP+q\x1b\\\x1b[31mred\x1b[0m\tend\n"
    (folder.root / ".dbswitch").mkdir(0o700)
    (folder.root / ".dbswitch" / "server.log").write_bytes(hostile + b"\x1b]" + b"x" * 500 + b"\n\x1b[")
    with folder.terminal("logs") as terminal:
        terminal.end()
    assert "\x1b[31mred\x1b[0m" in terminal.seen
    rest = terminal.seen.replace("\x1b[31m", "").replace("\x1b[0m", "")
    assert not set(rest) & {chr(code) for code in (*range(9), 11, 12, *range(14, 32), *range(127, 160))}


@pytest.mark.parametrize("keep", [True, False])
def test_a_sequence_that_is_split_between_two_reads_is_taken_out_too(keep: bool) -> None:
    whole = b"a\x1b]0;title\x07\x1b]8;;x\x1b\\b\xc2\x9bc\x1b[2Jd\n"
    for at in range(len(whole)):
        chunks = [whole[:at], whole[at:]]
        shown = [without_escapes(text, keep_colours=keep) for text in whole_lines(chunks)]
        assert b"".join(shown) == b"abcd\n"


def test_nothing_that_others_wrote_can_steer_the_terminal(folder: Folder) -> None:
    hostile = "x\x1b[2J\x1b]0;title\x07\nerror: forged"
    for done in (folder.run("--", hostile), folder.run("-v", "--", hostile)):
        assert "\x1b" not in done.stderr
        assert "\nerror: forged" not in done.stderr
    with folder.terminal("--", hostile) as tty:
        assert tty.end() == 2
    assert "\x1b[2J" not in tty.seen
    assert "\x1b]0" not in tty.seen
