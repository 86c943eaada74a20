"""A pool that is switched under load: what the programs behind it feel, beside restarting them one after the other.

Run it: `python -m tests.benchmarks.bench_fleet [--runs N] [--poolers 1,2]`. Four programs (the generated client, a classic Prisma
singleton, psycopg with its pool, pgbench) write 50 transactions a second each. For each switch the longest transaction of any
program that overlaps it counts. A restart is: end the program, start it, until its first transaction has ended. Nothing else
should run on the machine.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from dbswitch.demo import shop
from tests.support import fleet, fleet_load
from tests.support.postgres import PostgresServer, ShopServer, template

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.fleet_load import Load


@contextlib.contextmanager
def stage(poolers: int) -> Iterator[Load]:
    with contextlib.ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dbswitch-bench-")))
        home.chmod(0o711)
        servers = []
        for slot, content in enumerate((shop.LOCAL, shop.PROD)):
            server = PostgresServer(home / str(slot), template=template(slot))
            server.start()
            stack.callback(server.remove)
            servers.append(ShopServer(server, content, shop.fill(server, content)))
        project = home / "project"
        project.mkdir()
        made = fleet.make(stack, poolers, project, home, *servers)
        load = fleet_load.load_of(made, home / "load")
        stack.callback(load.stop)
        load.start()
        yield load


def milliseconds(numbers: list[float]) -> str:
    return f"median {1000 * statistics.median(numbers):.0f} ms, worst {1000 * max(numbers):.0f} ms"


def switches(poolers: int, runs: int) -> None:
    with stage(poolers) as load:
        for number in range(runs):
            load.switch("local" if number % 2 else "prod")
            for program in load.programs:
                program.wait(time.time())
            time.sleep(0.5)
        load.stop()
        failed, written = load.failed(), load.require_every_write_once()
        every = [one.end - one.begin for program in load.programs for one in program.results()]
        print(f"{poolers} PgBouncer, {runs} switches, {written} writes, {len(failed)} failed: {failed[:3]}")
        print(f"  longest transaction during a switch: {milliseconds(load.pauses())}")
        print(f"  the command: {milliseconds([end - begin for _, begin, end in load.switches])}")
        print(f"  all transactions: median {1000 * statistics.median(every):.1f} ms")


def restarts() -> None:
    with stage(1) as load:
        began = time.time()
        for program in load.programs:
            start = time.time()
            program.stop()
            program.start()
            print(f"  restart of {program.name}: {program.wait(start) - start:.2f} s without a transaction")
        print(f"  all four, one after the other: {time.time() - began:.1f} s")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--poolers", default="1,2")
    arguments = parser.parse_args()
    os.environ["XDG_STATE_HOME"] = tempfile.mkdtemp(prefix="dbswitch-bench-state-")
    numbers = ", ".join(f"{number:.1f}" for number in os.getloadavg())
    print(f"{os.cpu_count()} processors, load {numbers}")
    for poolers in arguments.poolers.split(","):
        switches(int(poolers), arguments.runs)
    restarts()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
