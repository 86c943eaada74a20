"""A large app (hundreds of routes with heavy imports, see tests/support/large_app.py) and the small one, as whole commands.

Run it: `python -m tests.benchmarks.bench_large_app [--runs N] [--parts hot,restart,growth,window] [--versions V,V]`. Real
Next.js, Prisma and two PostgreSQL servers; nothing else should run on the machine. Nothing is asserted.

* hot: `dbswitch TARGET --hot`, 4 x N in a row, and how many of them fell back to a restart.
* restart: `dbswitch TARGET --restart`, proof included, against TERM to the server's group and the dev script until the
  API route answers from the right database; in turns on one app, large and small.
* growth: both with 10, 100 and 500 routes.
* window: the app's own requests, 30 a second, through ten changes of the database: by `dbswitch` and by a bare rename of
  the env file, before and after Next compiled `not-found.tsx`. A 404 comes from Next.js while it reloads its environment.
"""

from __future__ import annotations

import argparse
import collections
import http.client
import os
import signal
import statistics
import tempfile
import threading
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tests.benchmarks.bench_hot_client import line, stage
from tests.benchmarks.bench_restart import ROUTE, Scene, stop_group
from tests.support.large_app import NEWEST, ROUTES, VERSIONS, large_apps

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.benchmarks.bench_hot_client import Stage
    from tests.support.large_app import MakeLargeApp
    from tests.support.nextapp import AppFolder

RATE = 30  # requests a second
MOST_PENDING = 30  # an app that is slower than the rate is not sent more


class Bench:
    """The two servers, the factory of large apps, and how often each measurement is repeated."""

    def __init__(self, place: Stage, make: MakeLargeApp, runs: int, patience: float, compiled: str) -> None:
        self.place, self.make, self.runs, self.patience = place, make, runs, patience
        self._compiled = {"PYTHONPYCACHEPREFIX": compiled, "PYTHONDONTWRITEBYTECODE": ""}

    def large(self, version: str, routes: int = ROUTES) -> Scene:
        return self._scene(
            self.make(self.place.local.url, self.place.prod.url, version=version, routes=routes)
        )

    def small(self) -> Scene:
        return self._scene(self.place.hot_app())

    def _scene(self, app: AppFolder) -> Scene:
        app.extra |= self._compiled
        scene = Scene(self.place, app, Path(), self.patience)
        scene.point(self.place.local)
        return scene

    def start(self, scene: Scene) -> None:
        done = scene.app.dbswitch("dev", "--detach")
        if done.returncode != 0:
            raise RuntimeError(done.stderr)
        scene.until_good(self.place.local)

    def hot(self, scene: Scene, number: int) -> tuple[list[float], int]:
        """Return the seconds of `number` hot switches and how many fell back to a restart."""
        taken, fallen = [], 0
        for turn in range(number):
            name, server = (("prod", self.place.prod), ("local", self.place.local))[turn % 2]
            began = time.perf_counter()
            code, events = scene.app.events(name, "--hot", "--confirm", server.shop.database)
            taken.append(time.perf_counter() - began)
            if code != 0 or scene.app.shop()["shop"] != server.shop.name:
                raise RuntimeError(str(events))
            fallen += events[-1]["mode"] != "hot"
        return taken, fallen

    def restart(self, scene: Scene, manager: str) -> tuple[float, float]:
        """Measure one restart by dbswitch and one by hand, on the same app."""
        self.start(scene)
        scene.rest()
        by_dbswitch, _ = scene.terminal("prod", "--restart", "--confirm", self.place.prod.shop.database)
        scene.until_good(self.place.prod)
        scene.clear()
        leader = scene.app.popen(manager, "run", "dev", log="by-hand.log")
        scene.settle(self.place.local)
        began = stop_group(scene, leader, signal.SIGTERM)
        scene.app.popen(manager, "run", "dev", log="by-hand.log")
        by_hand = scene.until_good(self.place.local) - began
        scene.clear()
        return by_dbswitch, by_hand

    def restarts(self, scene: Scene, manager: str, what: str) -> tuple[float, float]:
        pairs = [self.restart(scene, manager) for _ in range(self.runs + 1)][1:]  # the first fills the caches
        command, by_hand = ([pair[side] for pair in pairs] for side in (0, 1))
        line(f"{what}: dbswitch TARGET --restart", command)
        line(f"{what}: TERM + {manager} run dev", by_hand)
        ratios = sorted(a / b for a, b in pairs)
        whole = statistics.median(command) / statistics.median(by_hand)
        print(
            f"{what}: medians {whole:.2f} x; median of the pairs {statistics.median(ratios):.2f} x"
            f" ({ratios[0]:.2f} - {ratios[-1]:.2f}); busy before: {statistics.median(scene.busy):.0f} %",
            flush=True,
        )
        return statistics.median(command), statistics.median(by_hand)


def part_hot(bench: Bench, versions: Sequence[str]) -> None:
    for version in versions:
        scene = bench.large(version)
        bench.start(scene)
        taken, fallen = bench.hot(scene, 4 * bench.runs)
        line(f"Next.js {version}: dbswitch TARGET --hot", taken)
        print(f"Next.js {version}: {fallen} of {len(taken)} fell back to a restart", flush=True)
        scene.clear()


def part_restart(bench: Bench, versions: Sequence[str]) -> None:
    bench.restarts(bench.small(), "npm", "small app")
    for version in versions:
        bench.restarts(bench.large(version), "pnpm", f"large app, Next.js {version}")


def part_growth(bench: Bench, versions: Sequence[str]) -> None:
    version = versions[-1]
    for routes in (10, 100, 500):
        scene = bench.large(version, routes)
        command, by_hand = bench.restarts(scene, "pnpm", f"{routes} routes")
        bench.start(scene)
        taken, fallen = bench.hot(scene, 2 * bench.runs)
        print(
            f"{routes:4} routes, Next.js {version}: hot {statistics.median(taken):.2f} s ({fallen} fell back),"
            f" restart {command:.2f} s, by hand {by_hand:.2f} s",
            flush=True,
        )
        scene.clear()


def part_window(bench: Bench, versions: Sequence[str]) -> None:
    for version in versions:
        scene = bench.large(version)
        bench.start(scene)
        scene.app.get("/")  # dbswitch asks for it in the background; its compilation is not what is measured
        for compiled in (False, True):
            if compiled:
                scene.app.get("/no-such-page")
            before = "compiled" if compiled else "not compiled"
            for name, change in (("rename", _rename), ("dbswitch", _switch)):
                told = _requests(scene.app, partial(change, bench, scene), changes=10)
                print(f"Next.js {version}, not-found {before}, {name}: {told}", flush=True)
        scene.clear()


def _rename(bench: Bench, scene: Scene, turn: int) -> None:
    scene.point(bench.place.local if turn % 2 else bench.place.prod)
    time.sleep(1)


def _switch(bench: Bench, scene: Scene, turn: int) -> None:
    name, server = (("prod", bench.place.prod), ("local", bench.place.local))[turn % 2]
    scene.app.events(name, "--hot", "--confirm", server.shop.database)
    time.sleep(1)


def _requests(app: AppFolder, change: Callable[[int], None], changes: int) -> str:
    """Send `RATE` requests a second to the app's route while `change` is called `changes` times; say what came back."""
    answers: collections.Counter[int] = collections.Counter()
    seconds: list[float] = []
    ended = threading.Event()
    threads: list[threading.Thread] = []

    def ask() -> None:
        began = time.perf_counter()
        connection = http.client.HTTPConnection("localhost", app.port, timeout=60)
        try:
            connection.request("GET", ROUTE)
            status = connection.getresponse().status
        except OSError:
            status = 0
        finally:
            connection.close()
        seconds.append(time.perf_counter() - began)
        answers[status] += 1

    def send() -> None:
        following = time.perf_counter()
        while not ended.is_set():
            if sum(thread.is_alive() for thread in threads[-2 * MOST_PENDING :]) < MOST_PENDING:
                threads.append(threading.Thread(target=ask))
                threads[-1].start()
            following += 1 / RATE
            time.sleep(max(0.0, following - time.perf_counter()))

    sender = threading.Thread(target=send)
    sender.start()
    try:
        for turn in range(changes):
            change(turn)
    finally:
        ended.set()
        sender.join()
        for thread in threads:
            thread.join()
    told = ", ".join(f"{count} x {status}" for status, count in sorted(answers.items()))
    slow = sum(number > 1 for number in seconds)
    return (
        f"{changes} changes, {len(seconds)} requests: {told}; {slow} took over 1 s,"
        f" median {1000 * statistics.median(seconds):.0f} ms, worst {max(seconds):.2f} s"
    )


PARTS = {"hot": part_hot, "restart": part_restart, "growth": part_growth, "window": part_window}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--patience", type=float, default=10.0)
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument("--versions", default=",".join(VERSIONS), help=f"the newest is {NEWEST}")
    arguments = parser.parse_args()
    with stage() as place, large_apps() as make, tempfile.TemporaryDirectory(prefix="dbswitch-bench-") as pyc:
        bench = Bench(place, make, arguments.runs, arguments.patience, pyc)
        for name in arguments.parts.split(","):
            loads = ", ".join(f"{number:.1f}" for number in os.getloadavg())
            print(f"\n{name}: {arguments.runs} runs; {os.cpu_count()} processors, load {loads}", flush=True)
            PARTS[name](bench, arguments.versions.split(","))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
