"""The restart: from the command to the first good answer of the app's own route, against other ways to restart it.

Run it: `python -m tests.benchmarks.bench_restart [--runs N] [--only NAME,NAME] [--patience SECONDS]`. The real Next.js app
with two PostgreSQL servers. Every way starts its own server as it would, waits until `/api/items` answers, rests a second
(up to `--patience` while others keep the machine busy), and is then measured; all take turns in every round, and each
ratio is to the floor of the same round. Good means 200 with the rows of the right database, and all wait for the same
route (dbswitch through `ready_path`). Nothing is asserted.

* floor: TERM to the group, wait until every process is dead, `node .../next dev -p PORT`. Next's command line program
  takes its time to die; the floor with KILL does not wait for that, and no tool can be faster.
* dbswitch runs on a terminal of its own, as a person would run it; its time is the whole command plus one more question.
* nodemon and the `fuser` line begin with a rewritten env file, the others restart on the database they were on.

At the end: where the time of `dbswitch restart` goes, by its own events.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import pty
import select
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

import psutil

from tests.benchmarks.bench_hot_client import stage
from tests.support.nextapp import env_local
from tests.support.npm import node_modules_for
from tests.support.processes import end
from tests.support.state import private_dir

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.benchmarks.bench_hot_client import Stage
    from tests.support.nextapp import AppFolder
    from tests.support.postgres import ShopServer

ROUTE = "/api/items"
LOOK = 0.02  # seconds between two questions, as dbswitch itself asks
REST = 1.0  # seconds a server gets between its first answer and the measurement, and again while the machine is busy
BUSY = 25.0  # percent
DEADLINE = 90.0
TOOLS = Path(__file__).parents[1] / "node" / "restart"
FLOOR = "bare TERM + bare start (the floor)"


@dataclass
class Scene:
    """One app with its two databases, and where the phases of `dbswitch restart --json` are collected."""

    place: Stage
    app: AppFolder
    tools: Path
    patience: float  # seconds to wait for a machine that is not busy, before each measurement
    phases: dict[str, list[float]] = field(default_factory=dict)
    busy: list[float] = field(default_factory=list)

    # What a way to restart is made of

    def point(self, server: ShopServer) -> None:
        """Rewrite the env file as a script would: a new file renamed into place."""
        other = self.place.prod if server is self.place.local else self.place.local
        text = env_local(self.place.local.url, self.place.prod.url).replace(
            f'DATABASE_URL="{other.url}"', f'DATABASE_URL="{server.url}"'
        )
        self.app.write(".env.local.new", text).rename(self.app.root / ".env.local")

    def good(self, server: ShopServer) -> bool:
        """Ask once, as cheaply as dbswitch does: whoever asks shares the processors with whoever starts."""
        connection = http.client.HTTPConnection("localhost", self.app.port, timeout=DEADLINE)
        try:
            connection.request("GET", ROUTE, headers={"Connection": "close"})
            answer = connection.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
        return answer.status == 200 and {**json.loads(body), "bucket": ""} == {**server.answer, "bucket": ""}

    def until_good(self, server: ShopServer) -> float:
        """Return the time of the first good answer."""
        limit = time.perf_counter() + DEADLINE
        while not self.good(server):
            if time.perf_counter() > limit:
                raise TimeoutError(f"{self.app.get(ROUTE)}\n{self.app.describe()}\n{self.app.log()[-2000:]}")
            time.sleep(LOOK)
        return time.perf_counter()

    def spawn_node(self) -> subprocess.Popen[bytes]:
        entry = self.app.root / "node_modules/next/dist/bin/next"
        return self.app.popen("node", str(entry), "dev", "-p", str(self.app.port), log="by-hand.log")

    def spawn_npm(self) -> subprocess.Popen[bytes]:
        return self.app.popen("npm", "run", "dev", log="by-hand.log")

    def settle(self, server: ShopServer) -> None:
        self.until_good(server)
        self.rest()

    def rest(self) -> None:
        limit = time.perf_counter() + self.patience
        while (busy := psutil.cpu_percent(REST)) > BUSY and time.perf_counter() < limit:
            pass
        self.busy.append(busy)

    def terminal(self, *arguments: str, then: Callable[[], float] | None = None) -> tuple[float, float]:
        """Run dbswitch on a terminal; return the seconds of the whole command and of `then`, called meanwhile."""
        outside, inside = pty.openpty()
        output: list[bytes] = []
        begin = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "dbswitch", *arguments],
            cwd=self.app.root,
            env=self.app.environment({"TERM": "xterm-256color"}),
            stdin=subprocess.DEVNULL,
            stdout=inside,
            stderr=inside,
        )
        os.close(inside)
        reader = threading.Thread(target=drain, args=(outside, output))
        reader.start()
        found = then() - begin if then is not None else 0.0
        code = process.wait(DEADLINE)
        seconds = time.perf_counter() - begin
        reader.join()
        os.close(outside)
        if code != 0:
            raise RuntimeError(b"".join(output).decode(errors="replace"))
        return seconds, found

    def clear(self) -> None:
        """End whatever runs, and put the env file back."""
        if (private_dir(self.app.root) / "server.json").exists():
            self.app.dbswitch("stop")
        end(self.app.processes())
        for process in self.app.started:
            process.wait(10)
        self.app.started.clear()
        self.point(self.place.local)


def drain(terminal: int, output: list[bytes]) -> None:
    """Read a terminal until nobody writes to it any more."""
    while True:
        try:
            part = os.read(terminal, 1 << 16)
        except OSError:  # Linux says EIO when the other side is closed
            return
        if not part:
            return
        output.append(part)


def stop_group(scene: Scene, leader: subprocess.Popen[bytes], number: signal.Signals) -> float:
    """Signal the group and wait until every process of the app is dead; return the time at the signal."""
    descriptors = {os.pidfd_open(process.pid) for process in scene.app.processes()}
    begin = time.perf_counter()
    os.killpg(leader.pid, number)
    waiting = set(descriptors)
    while waiting:
        ended, _, _ = select.select(waiting, [], [], DEADLINE)
        if not ended:
            raise TimeoutError(scene.app.describe())
        waiting -= set(ended)
    for descriptor in descriptors:
        os.close(descriptor)
    return begin


def bare(scene: Scene, number: signal.Signals) -> dict[str, float]:
    leader = scene.spawn_node()
    scene.settle(scene.place.local)
    begin = stop_group(scene, leader, number)
    stopped = time.perf_counter()
    scene.spawn_node()
    taken = scene.until_good(scene.place.local) - begin
    if number is signal.SIGTERM:
        scene.phases.setdefault("(floor: stop)", []).append(stopped - begin)
        scene.phases.setdefault("(floor: start to answer)", []).append(taken - (stopped - begin))
        return {FLOOR: taken}
    return {"bare KILL + bare start": taken}


def through_npm(scene: Scene) -> dict[str, float]:
    leader = scene.spawn_npm()
    scene.settle(scene.place.local)
    begin = stop_group(scene, leader, signal.SIGTERM)
    scene.spawn_npm()
    return {"TERM + npm run dev": scene.until_good(scene.place.local) - begin}


def dbswitch_restart(scene: Scene) -> dict[str, float]:
    started(scene)
    begin = time.perf_counter()
    scene.terminal("restart")
    return {"dbswitch restart": scene.until_good(scene.place.local) - begin}


def dbswitch_switch(scene: Scene) -> dict[str, float]:
    started(scene)
    place = scene.place
    found: dict[str, float] = {}
    there = scene.terminal(
        "prod", "--confirm", place.prod.shop.database, then=lambda: scene.until_good(place.prod)
    )
    scene.rest()
    back = scene.terminal("local", then=lambda: scene.until_good(place.local))
    for index, what in enumerate(("whole command", "first new answer")):
        found[f"dbswitch prod, {what}"] = there[index]
        found[f"dbswitch local, {what}"] = back[index]
    return found


def started(scene: Scene) -> None:
    done = scene.app.dbswitch("dev", "--detach")
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    scene.settle(scene.place.local)


def by_nodemon(scene: Scene) -> dict[str, float]:
    program = scene.tools / "nodemon/bin/nodemon.js"
    scene.app.popen("node", str(program), "--watch", ".env.local", "--exec", "npm run dev", log="by-hand.log")
    scene.settle(scene.place.local)
    begin = time.perf_counter()
    scene.point(scene.place.prod)
    return {"nodemon --exec 'npm run dev'": scene.until_good(scene.place.prod) - begin}


def the_usual_way(scene: Scene) -> dict[str, float]:
    scene.spawn_npm()
    scene.settle(scene.place.local)
    own = {process.pid for process in scene.app.next_servers()}
    listening = {
        connection.pid
        for connection in psutil.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port == scene.app.port
    }
    if not listening or not listening <= own:  # fuser ends whoever holds the port
        raise RuntimeError(f"port {scene.app.port} is held by {listening}, ours are {own}")
    wait_on = scene.tools / "wait-on/bin/wait-on"
    url = f"http-get://127.0.0.1:{scene.app.port}{ROUTE}"
    begin = time.perf_counter()
    scene.point(scene.place.prod)
    line = f"fuser -k {scene.app.port}/tcp; sleep 1; npm run dev & node '{wait_on}' {url}"
    subprocess.run(
        ["sh", "-c", line],
        cwd=scene.app.root,
        env=scene.app.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=DEADLINE,
        check=True,
        start_new_session=True,
    )
    return {"fuser -k; sleep 1; npm; wait-on": scene.until_good(scene.place.prod) - begin}


def phases(scene: Scene) -> dict[str, float]:
    """Take `dbswitch restart --json` apart: when each line of its output arrives."""
    started(scene)
    begin = last = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "dbswitch", "restart", "--json"],
        cwd=scene.app.root,
        env=scene.app.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    name = "before the first event"
    with process.stdout:
        for line in process.stdout:
            now = time.perf_counter()
            event = json.loads(line)
            if event["event"] not in {"start", "phase", "result"}:
                continue
            scene.phases.setdefault(name, []).append(now - last)
            last = now
            name = f"after {event.get('phase', event['event'])}"
            if event.get("state") == "started":
                name = event["phase"]
    if process.wait() != 0:
        raise RuntimeError("dbswitch restart failed")
    scene.phases.setdefault("to the exit", []).append(time.perf_counter() - last)
    scene.phases.setdefault("whole", []).append(time.perf_counter() - begin)
    return {}


WAYS: dict[str, Callable[[Scene], dict[str, float]]] = {
    "floor": lambda scene: bare(scene, signal.SIGTERM),
    "kill": lambda scene: bare(scene, signal.SIGKILL),
    "restart": dbswitch_restart,
    "switch": dbswitch_switch,
    "npm": through_npm,
    "nodemon": by_nodemon,
    "usual": the_usual_way,
    "phases": phases,
}


def measure(scene: Scene, chosen: Sequence[str], number: int) -> dict[str, float]:
    """Take every way once. The order turns with the rounds, so that nobody always follows the same one."""
    scene.clear()
    one: dict[str, float] = {}
    turn = number % len(chosen)
    for name in (*chosen[turn:], *chosen[:turn]):
        one |= WAYS[name](scene)
        scene.clear()
    return one


def report(rounds: Sequence[dict[str, float]], found: dict[str, list[float]]) -> None:
    print(f"{'':36}{'median':>9}{'best':>9}{'worst':>9}{'x floor':>9}{'range of ratios':>19}")
    names = dict.fromkeys(name for one in rounds for name in one)
    for name in names:
        seconds = [one[name] for one in rounds if name in one]
        ratios = sorted(one[name] / one[FLOOR] for one in rounds if name in one and FLOOR in one)
        row = f"{name:36}{statistics.median(seconds):7.2f} s{min(seconds):7.2f} s{max(seconds):7.2f} s"
        if ratios:
            row += f"{statistics.median(ratios):9.2f}{f'{ratios[0]:.2f} - {ratios[-1]:.2f}':>19}"
        print(row)
    if found:
        print("\nwhere the time of `dbswitch restart` goes, medians")
    for name, seconds in found.items():
        if statistics.median(seconds) >= 0.001:
            print(f"{name:36}{statistics.median(seconds) * 1000:7.0f} ms")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--patience", type=float, default=30.0)
    parser.add_argument("--only", default=",".join(WAYS), help=f"some of {', '.join(WAYS)}")
    arguments = parser.parse_args()
    chosen = arguments.only.split(",")
    if "usual" in chosen and shutil.which("fuser") is None:
        print("left out: the fuser line, since there is no fuser (Debian: psmisc)")
        chosen.remove("usual")
    # Whoever ends it early leaves no server behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    rounds: list[dict[str, float]] = []
    with stage() as place, tempfile.TemporaryDirectory(prefix="dbswitch-bench-") as compiled:
        # Compiled modules, as an installed dbswitch has them, whatever the caller's environment says.
        app = place.app(
            local=place.local.url,
            prod=place.prod.url,
            env={"PYTHONPYCACHEPREFIX": compiled, "PYTHONDONTWRITEBYTECODE": ""},
        )
        app.write("dbswitch.toml", f'[server]\nready_path = "{ROUTE}"\n')
        scene = Scene(place, app, node_modules_for(TOOLS), arguments.patience)
        print(
            f"{arguments.runs} rounds; {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}", flush=True
        )
        try:
            for number in range(arguments.runs + 1):
                one = measure(scene, chosen, number)
                print(f"round {number}: load {os.getloadavg()[0]:.1f}", file=sys.stderr, flush=True)
                if number:  # the first round fills Next's and the system's caches
                    rounds.append(one)
                else:
                    scene.phases.clear()
                    scene.busy.clear()
        finally:  # also when it is ended early
            if rounds:
                print(
                    f"{len(rounds)} rounds; busy before the measurements: {statistics.median(scene.busy):.0f} % (median)"
                )
                report(rounds, scene.phases)
    return 0


if __name__ == "__main__":
    sys.exit(main())
