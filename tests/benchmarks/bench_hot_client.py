"""The generated client: how soon the app is on the new database, what a switch costs its requests, and what it costs always.

Run it: `python -m tests.benchmarks.bench_hot_client [--runs N] [--parts app,load,overhead,command]`. Real Next.js, Prisma
and two PostgreSQL servers; nothing else should run on the machine. Nothing is asserted.

* app: from the rename of `.env.local` to the end of the first answer that comes from the new database, asked in a row over
  one connection, in `next start` and `next dev`.
* load: 60 requests a second, half of them writes; p50 and p99 in quiet times and during ten switches.
* overhead: `findUnique` through the plain PrismaClient and through the generated one, taking turns in one
  process; first quartiles.
* command: the whole `dbswitch TARGET`, hot against restart, in turns on the same app.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dbswitch
from dbswitch.demo import shop
from tests.generate import live
from tests.generate.conftest import SOURCE, SUITE, generated, notes_database, place_client
from tests.support import nextapp, npm
from tests.support.postgres import PostgresServer, ShopServer, template

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.support.nextapp import AppFolder, NextApp

# When the route itself was called: what comes before that is Next.js (and, in `next dev`, its own reload of the env files).
TIMED_ROUTE = live.LOAD_ROUTE.replace(
    "void request.url;", "void request.url;\n    const called = Date.now();", 1
).replace("{ database: shop.name }", "{ database: shop.name, called }", 1)
_apps = nextapp.apps


@dataclass(frozen=True, slots=True)
class Stage:
    """Two filled servers and a factory of apps."""

    local: ShopServer
    prod: ShopServer
    app: NextApp

    def hot_app(self) -> AppFolder:
        return live.prepare(self.app(local=self.local.url, prod=self.prod.url))


@contextlib.contextmanager
def stage() -> Iterator[Stage]:
    home = Path(tempfile.mkdtemp(prefix="dbswitch-bench-"))
    home.chmod(0o711)
    servers: list[ShopServer] = []
    try:
        for slot, content in enumerate((shop.LOCAL, shop.PROD)):
            server = PostgresServer(home / str(slot), template=template(slot))
            server.start()
            servers.append(ShopServer(server, content, shop.fill(server, content)))
        with _apps() as app:
            yield Stage(*servers, app)
    finally:
        for made in servers:
            made.server.remove()
        shutil.rmtree(home, ignore_errors=True)


def line(name: str, seconds: Sequence[float]) -> None:
    milliseconds = sorted(1000 * number for number in seconds)
    tail = milliseconds[min(len(milliseconds) - 1, int(0.9 * len(milliseconds)))]
    print(
        f"{name:44}median {statistics.median(milliseconds):8.1f} ms   p90 {tail:8.1f} ms   worst {milliseconds[-1]:8.1f} ms"
    )


def app_side(place: Stage, runs: int) -> None:
    for command in ("start", "dev"):
        app = place.hot_app()
        app.write("app/api/load/route.ts", TIMED_ROUTE)
        if command == "start":
            live.build(app)
        live.serve(app, command)
        connection = http.client.HTTPConnection("127.0.0.1", app.port)

        def ask(connection: http.client.HTTPConnection = connection) -> tuple[str, float]:
            connection.request("GET", "/api/load")
            found = json.loads(connection.getresponse().read())
            return str(found["database"]), found["called"] / 1000

        taken, quiet, before, stale = [], [], [], 0
        for turn in range(runs + 2):
            server = place.local if turn % 2 else place.prod
            for _ in range(20):  # a server in use
                start = time.perf_counter()
                ask()
                quiet.append(time.perf_counter() - start)
            _, renamed = live.point(app, server.url)
            while (answer := ask())[0] != server.shop.name:
                stale += 1
            if turn >= 2:
                taken.append(time.time() - renamed)
                before.append(answer[1] - renamed)
            time.sleep(0.5)
        connection.close()
        line(f"next {command}: rename to first new answer", taken)
        line(f"next {command}: of it before the route was called", before)
        line(f"next {command}: the same request in quiet times", quiet)
        print(f"next {command}: answers from the old database after the rename: {stale}")


def load(place: Stage, runs: int) -> None:
    app = place.hot_app()
    live.build(app)
    live.serve(app, "start")
    with live.under_load(app, 60, "warm"):
        time.sleep(3)
    with live.under_load(app, 60, "quiet") as quiet:
        time.sleep(runs)
    with live.under_load(app, 60, "busy") as busy:
        for turn in range(10):
            time.sleep(runs / 10)
            live.point(app, (place.local if turn % 2 else place.prod).url)
    for name, one in (("quiet", quiet), ("during 10 switches", busy)):
        print(
            f"{name:20}{len(one.results):6} requests  {len(one.failed)} failed  p50 {one.milliseconds(0.5):6.1f} ms  "
            f"p99 {one.milliseconds(0.99):6.1f} ms  worst {one.milliseconds(1):6.1f} ms"
        )
    print(f"p99 during switches / quiet: {busy.milliseconds(0.99) / quiet.milliseconds(0.99):.2f}")


def overhead(place: Stage, runs: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "project"
        shutil.copytree(SOURCE, root)
        (root / "node_modules").symlink_to(npm.node_modules_for(SOURCE))
        shutil.copytree(generated(), root / "generated")
        shutil.copytree(SUITE, root / "suite")
        place_client(root)
        url = notes_database(place.local.server)
        (root / ".env").write_text(f'DATABASE_URL="{url}"\n')
        ratios = []
        for _ in range(3):
            done = subprocess.run(
                [str(root / "node_modules/.bin/tsx"), "suite/overhead.ts", str(25 * runs)],
                cwd=root,
                env={"PATH": os.environ["PATH"], "LOCAL": url},
                capture_output=True,
                text=True,
                check=True,
            )
            found: dict[str, Any] = json.loads(done.stdout)
            ratios.append(found["following"] / found["plain"])
            print(
                f"findUnique: plain {found['plain']:6.1f} us, generated {found['following']:6.1f} us: {100 * ratios[-1] - 100:+.1f} %; "
                f"processor time {found['cpu']['plain']:.0f} and {found['cpu']['following']:.0f} us"
            )
        print(f"overhead, median of three: {100 * statistics.median(ratios) - 100:+.1f} %")


def command(place: Stage, runs: int) -> None:
    # Compiled modules, as an installed dbswitch has them, whatever the caller's environment says.
    subprocess.run(
        [sys.executable, "-m", "compileall", "-q", str(Path(dbswitch.__file__).parent)], check=True
    )
    app = place.hot_app()
    started = app.dbswitch("dev", "--detach")
    assert started.returncode == 0, started.stderr
    app.wait_for_answer("/api/load")
    taken: dict[str, list[float]] = {"--hot": [], "--restart": []}
    for turn in range(runs // 2 + 1):
        for mode, numbers in taken.items():
            for target, server in (("prod", place.prod), ("local", place.local)):
                start = time.perf_counter()
                done = app.dbswitch(target, mode, "--confirm", server.shop.database)
                seconds = time.perf_counter() - start
                assert done.returncode == 0, done.stderr
                assert app.shop()["shop"] == server.shop.name
                if turn:
                    numbers.append(seconds)
    app.dbswitch("stop")
    for mode, numbers in taken.items():
        line(f"dbswitch TARGET {mode}", numbers)
    print(
        f"restart / hot: {statistics.median(taken['--restart']) / statistics.median(taken['--hot']):.1f} times"
    )


PARTS = {"app": app_side, "load": load, "overhead": overhead, "command": command}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--parts", default=",".join(PARTS))
    arguments = parser.parse_args()
    numbers = ", ".join(f"{number:.1f}" for number in os.getloadavg())
    print(f"{arguments.runs} runs; {os.cpu_count()} processors, load {numbers}")
    with stage() as place:
        for name in arguments.parts.split(","):
            print(f"\n{name}")
            PARTS[name](place, arguments.runs)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
