"""How soon a Postgres that comes up is noticed: dbswitch, a `pg_isready` loop with 1 s sleeps, and npm `wait-on`.

Run it: `python -m tests.benchmarks.bench_readiness [--runs N] [--seed N]`. Each watches alone, taking turns, while a server
is started after a random delay. Zero is the moment at which its log says that it accepts connections. Two scenes: a server
that starts at once, and one that recovers from a crash for up to two seconds, listening and refusing every login (57P03;
its start-up process is held up with SIGSTOP, which is a long recovery without the gigabytes).
Nothing is asserted.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from dbswitch.database.probe import ProbeLimits, wait_until_ready
from dbswitch.database.url import DatabaseUrl
from dbswitch.demo.postgres import find_binaries
from tests.support.npm import node_modules_for
from tests.support.postgres import PostgresServer

if TYPE_CHECKING:
    from collections.abc import Callable

READY = b"ready to accept"
PACKAGES = Path(__file__).parents[1] / "node" / "pgurl"
DBSWITCH = """
import json, sys, time
from dbswitch.database import probe
from dbswitch.database.url import DatabaseUrl
import dbswitch.database.login, psycopg
limits = probe.ProbeLimits(deadline=float(sys.argv[1]))
url = DatabaseUrl.parse(sys.stdin.readline())
print("watching", flush=True)
try:
    attempts = probe.wait_until_ready(url, limits).attempts
except Exception as error:
    attempts = [fact for fact in error.facts if "attempt" in fact][0].split()[0]
print(json.dumps({"at": time.monotonic(), "attempts": int(attempts)}), flush=True)
"""


@dataclass
class Column:
    """What one contender did in one scene."""

    late: list[float] = field(default_factory=list)  # seconds after readiness; negative: too early
    attempts: list[int] = field(default_factory=list)


def watch_dbswitch(
    deadline: float, url: str
) -> tuple[subprocess.Popen[str], Callable[[], tuple[float, int]]]:
    process = subprocess.Popen(
        [sys.executable, "-c", DBSWITCH, str(deadline)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    output = process.stdout
    process.stdin.write(url + "\n")
    process.stdin.close()
    assert output.readline() == "watching\n"

    def end() -> tuple[float, int]:
        answer = json.loads(output.readline())
        output.close()
        process.wait()
        return answer["at"], answer["attempts"]

    return process, end


def watch_program(argv: list[str]) -> tuple[subprocess.Popen[bytes], Callable[[], tuple[float, int]]]:
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    ended: list[float] = []
    thread = threading.Thread(target=lambda: ended.append((process.wait(), time.monotonic())[1]))
    thread.start()

    def end() -> tuple[float, int]:
        thread.join()
        return ended[0], 0

    return process, end


def accepting(log: Path, until: float) -> float:
    """Return the time at which the server's log says that it takes connections."""
    while time.monotonic() < until:
        if log.exists() and READY in log.read_bytes():
            return time.monotonic()
        time.sleep(0.001)
    raise TimeoutError(log.read_text(errors="replace"))


def hold_recovery(server: PostgresServer, seconds: float) -> None:
    """Stop the server's start-up process for a while, so that the server listens and takes no logins yet."""
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children")
    until = time.monotonic() + 10
    while time.monotonic() < until:
        for child in map(int, children.read_text().split()):
            with contextlib.suppress(OSError):
                if b": startup" in Path(f"/proc/{child}/cmdline").read_bytes():
                    os.kill(child, signal.SIGSTOP)
                    time.sleep(seconds)
                    os.kill(child, signal.SIGCONT)
                    return
    raise TimeoutError("the start-up process was too quick")


def one_run(
    server: PostgresServer,
    recovery: float,
    watch: Callable[[], tuple[subprocess.Popen, Callable]],
    delay: float,
) -> tuple[float, int]:
    """Return how many seconds after readiness it was noticed, and the attempts."""
    server.log.unlink(missing_ok=True)
    process, end = watch()
    try:
        time.sleep(delay)
        server.spawn()
        if recovery:
            hold_recovery(server, recovery)
        zero = accepting(server.log, time.monotonic() + 30)
        at, attempts = end()
    finally:
        if process.poll() is None:
            process.kill()
    return at - zero, attempts


def report(title: str, columns: dict[str, Column]) -> None:
    print(f"\n{title}")
    print(f"{'':34}{'median':>9}{'worst':>9}{'too early':>11}{'ratio':>8}{'attempts (most)':>17}")
    base = statistics.median(columns["dbswitch"].late)
    for name, column in columns.items():
        middle = statistics.median(column.late)
        early = sum(late < -0.02 for late in column.late)  # the log line is seen a moment after the fact
        attempts = (
            f"{statistics.median(column.attempts):.0f} ({max(column.attempts)})"
            if any(column.attempts)
            else "-"
        )
        ratio = f"{middle / base:.1f}" if base > 0 and middle > 0 else "-"
        print(
            f"{name:34}{middle * 1000:6.0f} ms{max(column.late) * 1000:6.0f} ms{early:>11}{ratio:>8}{attempts:>17}"
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    arguments = parser.parse_args()
    chosen = random.Random(arguments.seed)
    modules = node_modules_for(PACKAGES)
    pg_isready = shutil.which("pg_isready") or next(
        (str(path) for path in sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_isready"))), ""
    )
    if not pg_isready and (find_binaries() / "pg_isready").exists():
        pg_isready = str(find_binaries() / "pg_isready")
    home = Path(tempfile.mkdtemp(prefix="dbswitch-bench-"))
    home.chmod(0o711)
    server = PostgresServer(home / "server")
    try:
        server.start()
        url = server.url()
        server.stop()
        contenders = {
            "dbswitch": lambda: watch_dbswitch(15, url),
            "wait-on tcp:": lambda: watch_program(
                ["node", str(modules / "wait-on" / "bin" / "wait-on"), f"tcp:127.0.0.1:{server.port}"]
            ),
        }
        if pg_isready:
            loop = f"until '{pg_isready}' -q -h 127.0.0.1 -p {server.port}; do sleep 1; done"
            contenders["pg_isready; sleep 1"] = lambda: watch_program(["sh", "-c", loop])
        load = ", ".join(f"{number:.1f}" for number in os.getloadavg())
        print(f"{arguments.runs} runs each, seed {arguments.seed}; {os.cpu_count()} processors, load {load}")
        print("time from accepting connections to noticing")
        for title, recovery in (
            ("The server starts at once", False),
            ("The server recovers from a crash first", True),
        ):
            columns = {name: Column() for name in contenders}
            bare: list[float] = []
            if recovery:
                server.start()
                server.kill()
            for _ in range(arguments.runs):
                delay, slow = chosen.uniform(0.5, 4.0), chosen.uniform(0.3, 2.0)
                for name, watch in contenders.items():
                    late, attempts = one_run(server, slow if recovery else 0.0, watch, delay)
                    columns[name].late.append(late)
                    columns[name].attempts.append(attempts)
                    bare.append(wait_until_ready(DatabaseUrl.parse(url), ProbeLimits(successes=1)).latency)
                    if recovery:
                        server.kill()
                    else:
                        server.stop()
            report(title, columns)
            print(f"{'(one login and query, for scale)':34}{statistics.median(bare) * 1000:6.0f} ms")
        _, end = watch_dbswitch(15, url)
        print(f"\nAttempts in 15 s of waiting for a server that never comes: {end()[1]}")
    finally:
        server.remove()
        shutil.rmtree(home, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
