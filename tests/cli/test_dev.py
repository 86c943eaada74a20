"""`dbswitch dev` in the foreground, on the stand-in for Next.js and real databases."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import STANDIN, TOKEN
from tests.cli.running import REAL, environment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cli.conftest import Folder
    from tests.support.postgres import ShopServer

SECONDS = 100.0  # a deadline, for a busy machine


@contextlib.contextmanager
def dev(folder: Folder, *argv: str) -> Iterator[subprocess.Popen[str]]:
    """`dbswitch dev` in a session of its own; over when the test is."""
    process = subprocess.Popen(
        [sys.executable, *REAL, "dev", *argv],
        cwd=folder.root,
        env=environment(**{TOKEN: folder.token, "PYTHONUNBUFFERED": "1"}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(SECONDS)
        assert process.stdout is not None
        process.stdout.close()


def until(process: subprocess.Popen[str], text: str) -> list[str]:
    """Read lines until one has `text`."""
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line)
        if text in line:
            return lines
    raise AssertionError(f"ended without {text!r}: {lines}")


def rest(process: subprocess.Popen[str]) -> str:
    """Read to the end, and wait for it; `communicate()` would lose what `until` has buffered."""
    assert process.stdout is not None
    text = process.stdout.read()
    process.wait(SECONDS)
    return text


def answer(folder: Folder) -> dict[str, object]:
    with urllib.request.urlopen(f"http://localhost:{folder.port}/api/db", timeout=SECONDS) as response:
        return dict(json.load(response))


def test_dev_shows_the_servers_log_and_ctrl_c_stops_everything(served: Folder) -> None:
    with dev(served) as process:
        until(process, "Ready")
        assert answer(served)["client"]
        process.send_signal(signal.SIGINT)
        shown = rest(process)
    assert process.returncode == 0
    assert "server stopped in" in shown
    assert "Traceback" not in shown
    assert served.living() == []


def test_dev_follows_the_server_across_a_switch_made_elsewhere(
    served: Folder, postgres_prod: ShopServer
) -> None:
    with dev(served) as process:
        until(process, "Ready")
        first = answer(served)
        done = served.run("prod", "--confirm", postgres_prod.shop.database)
        assert done.returncode == 0, done.stderr
        assert process.stdout is not None
        seen = ""
        while not {"switched to prod (restart)\n", "Ready\n"} <= set(seen.splitlines(keepends=True)):
            line = process.stdout.readline()
            assert line, seen
            seen += line
        second = answer(served)
        assert (second["pid"], second["client"]) != (first["pid"], first["client"])
        assert second["client"] == postgres_prod.url
        process.send_signal(signal.SIGINT)
        rest(process)
        assert process.returncode == 0
    assert served.living() == []


MORTAL = """
import http.server, os
class App(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/die":
            print("about to die", flush=True)
            os._exit(7)
        self.send_response(200); self.send_header("Content-Length", "0"); self.end_headers()
    def log_message(self, *words): pass
print("Ready", flush=True)
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), App).serve_forever()
"""


def with_command(folder: Folder, *command: str) -> None:
    text = (folder.root / "dbswitch.toml").read_text()
    kept = [line for line in text.splitlines() if not line.startswith("command")]
    kept.insert(1, f"command = {json.dumps(command)}")
    folder.write("dbswitch.toml", "\n".join(kept))


def test_dev_ends_with_the_servers_own_code_when_it_crashes(served: Folder) -> None:
    with_command(served, sys.executable, "-c", MORTAL)
    with dev(served) as process:
        until(process, "Ready")
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"http://127.0.0.1:{served.port}/die", timeout=SECONDS)
        out = rest(process)
    assert process.returncode == 7
    assert "about to die" in out
    assert "the dev server exited on its own with status 7" in out


# It answers only on the database that is given as its argument; elsewhere its first page never ends.
HANGING = """
import http.server, os, pathlib, sys, threading
class App(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if sys.argv[1] not in pathlib.Path(".env.local").read_text().splitlines()[0]:
            print("compiling", flush=True)
            threading.Event().wait()
        self.send_response(200); self.send_header("Content-Length", "0"); self.end_headers()
    def log_message(self, *words): pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), App).serve_forever()
"""


def test_a_newer_request_does_not_wait_for_the_first_page_of_dev(
    served: Folder, postgres_prod: ShopServer
) -> None:
    with_command(served, sys.executable, "-c", HANGING, postgres_prod.url)
    with dev(served) as process:
        log = served.root / ".dbswitch" / "server.log"
        limit = time.monotonic() + SECONDS
        while not (log.exists() and "compiling" in log.read_text()):
            assert time.monotonic() < limit
            time.sleep(0.05)
        done = served.run("prod", "--confirm", postgres_prod.shop.database)
        assert done.returncode == 0, done.stderr
        seen = "".join(until(process, "showing its log"))
        assert "dbswitch prod, pid" in seen
        assert "so this run does not wait for the first page" in seen
        process.send_signal(signal.SIGINT)
        rest(process)
        assert process.returncode == 0
    assert served.living() == []


def test_a_newer_request_does_not_wait_for_the_database_of_dev(folder: Folder) -> None:
    with dev(folder, "--json", "--timeout", "110") as process:
        until(process, '"phase":"probe"')
        until(process, '"event":"waiting"')
        began = time.monotonic()
        assert folder.run("stop").returncode == 0
        assert time.monotonic() - began < 90
        out = rest(process)
    assert "so this run does not wait for the database" in out
    assert folder.living() == []


def test_dev_ends_quietly_when_the_server_is_stopped_elsewhere(served: Folder) -> None:
    with dev(served) as process:
        until(process, "Ready")
        assert served.run("stop").returncode == 0
        out = rest(process)
    assert process.returncode == 0
    assert "the server was stopped" in out


def test_a_second_dev_follows_the_first_ones_server_and_leaves_it_running(served: Folder) -> None:
    assert served.run("dev", "--detach").returncode == 0
    before = answer(served)
    with dev(served) as process:
        [line] = [line for line in until(process, "Already running") if "Already running" in line]
        assert line.startswith("Already running on local at http://localhost:")
        assert line.endswith(
            "; showing its log. Ctrl-C stops showing it, `dbswitch stop` stops the server.\n"
        )
        process.send_signal(signal.SIGINT)
        out = rest(process)
    assert process.returncode == 0
    assert "the server keeps running; `dbswitch stop` stops it" in out
    assert answer(served) == before


def test_dev_says_that_the_output_of_a_server_it_did_not_start_is_elsewhere(served: Folder) -> None:
    mine = subprocess.Popen(
        [sys.executable, str(STANDIN), "dev", "-p", str(served.port)],
        cwd=served.root,
        env=environment(**{TOKEN: served.token}),
        stdout=subprocess.DEVNULL,
    )
    limit = time.monotonic() + SECONDS
    while True:
        with contextlib.suppress(OSError):
            before = answer(served)
            break
        assert time.monotonic() < limit
        time.sleep(0.05)
    with dev(served) as process:
        until(process, "its log is in the terminal where you started it. Ctrl-C ends this command")
        process.send_signal(signal.SIGINT)
        rest(process)
    assert process.returncode == 0
    assert answer(served) == before
    with dev(served) as process:
        until(process, "its log is in the terminal where you started it")
        mine.terminate()
        mine.wait(SECONDS)
        out = rest(process)
    assert "the server was stopped" in out


def test_a_switch_that_takes_over_a_server_says_where_it_and_its_log_are_now(
    served: Folder, postgres_prod: ShopServer
) -> None:
    mine = subprocess.Popen(
        [sys.executable, str(STANDIN), "dev", "-p", str(served.port)],
        cwd=served.root,
        env=environment(**{TOKEN: served.token}),
        stdout=subprocess.DEVNULL,
    )
    limit = time.monotonic() + SECONDS
    while True:
        with contextlib.suppress(OSError):
            answer(served)
            break
        assert time.monotonic() < limit
        time.sleep(0.05)
    done = served.run("prod", "--confirm", "prod")
    mine.wait(SECONDS)
    assert done.returncode == 0, done.stderr
    assert "now runs in the background" in done.stderr
    assert "`dbswitch logs -f` shows its log" in done.stderr
    again = served.run("local")
    assert again.returncode == 0, again.stderr
    assert "now runs in the background" not in again.stderr


def test_dev_detached_returns_when_the_server_answers(served: Folder) -> None:
    code, events = served.json("dev", "--detach")
    assert (code, events[-1]["outcome"]) == (0, "started")
    assert answer(served)["client"]
    code, [status] = served.json("status")
    assert status["server"]["state"] == "ready"
    assert status["server"]["started_by_dbswitch"] is True
    assert served.json("dev", "--detach")[1][-1]["outcome"] == "unchanged"


def test_dev_stops_the_server_when_it_is_terminated(served: Folder) -> None:
    with dev(served) as process:
        until(process, "Ready")
        process.terminate()
        rest(process)
    assert process.returncode == 143
    assert served.living() == []


@pytest.mark.parametrize("pauses", [(), (0.0,), (0.1, 0.1)])
def test_dev_stops_the_server_when_its_terminal_is_closed(served: Folder, pauses: tuple[float, ...]) -> None:
    """A shell passes the hangup on to its jobs, and the kernel sends another one when the shell ends."""
    with served.terminal("dev") as terminal:
        terminal.until("Ctrl-C stops the server")
        assert answer(served)["client"]
        nowhere = os.open(os.devnull, os.O_RDWR)
        os.dup2(nowhere, terminal.master)  # closes the terminal; the kernel sends SIGHUP
        os.close(nowhere)
        for pause in pauses:
            with contextlib.suppress(subprocess.TimeoutExpired):
                terminal.process.wait(pause)
            terminal.process.send_signal(signal.SIGHUP)
        assert terminal.process.wait(SECONDS) == 143
    assert served.living() == []


def test_dev_writes_the_log_as_json_lines(served: Folder) -> None:
    with dev(served, "--json") as process:
        lines = [json.loads(line) for line in until(process, "Ready")]
        assert lines[-1] == {"v": 1, "event": "log", "line": "Ready"}
        process.send_signal(signal.SIGINT)
        out = rest(process)
    assert json.loads(out.splitlines()[-1])["outcome"] == "stopped"


def test_the_log_can_be_followed_by_others(served: Folder) -> None:
    assert served.run("dev", "--detach").returncode == 0
    process = subprocess.Popen(
        [sys.executable, *REAL, "logs", "--follow"],
        cwd=served.root,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        until(process, "Ready")
        with (served.root / ".dbswitch" / "server.log").open("a") as stream:
            stream.write("a line that came later\n")
        until(process, "a line that came later")
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=SECONDS)
    finally:
        process.kill()
    assert process.returncode == 130
    assert err == ""


def test_restart_starts_the_server_anew_on_the_same_target(served: Folder) -> None:
    assert served.run("dev", "--detach").returncode == 0
    before = answer(served)
    code, events = served.json("restart")
    assert (code, events[-1]["outcome"]) == (0, "restarted")
    after = answer(served)
    assert after["pid"] != before["pid"]
    assert after["client"] == before["client"]


def test_restart_says_that_the_database_is_down_and_starts_the_server_all_the_same(folder: Folder) -> None:
    code, events = folder.json("restart", "--timeout", "0.5")
    assert (code, events[-1]["outcome"]) == (0, "restarted")
    assert "database-not-ready" in {event["code"] for event in events if event["event"] == "notice"}


def test_a_server_that_dies_while_starting_is_exit_6_with_its_last_words(served: Folder) -> None:
    with_command(served, sys.executable, "-c", "print('my last words'); raise SystemExit(3)")
    began = time.monotonic()
    done = served.run("dev")
    assert done.returncode == 6
    assert "my last words" in done.stderr
    assert time.monotonic() - began < SECONDS
