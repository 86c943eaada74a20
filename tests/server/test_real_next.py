"""The same on the real Next.js: whatever part of it dies, a stop and a start end with one healthy server."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dbswitch.demo.postgres import free_port
from dbswitch.errors import PortTakenError
from dbswitch.server.command_lines import is_next_dev, is_next_server, is_package_manager
from dbswitch.server.environment import CleanEnvironment, clean
from dbswitch.server.nextjs import dev_command
from dbswitch.server.observation import observe
from dbswitch.server.ports import is_free
from dbswitch.server.processes import identify, is_alive
from dbswitch.server.spec import ServerLimits, ServerSpec
from dbswitch.server.starting import start, wait_ready
from dbswitch.server.state import ServerState
from dbswitch.server.stopping import remove_lock_if_free, require_ports_free, stop
from tests.server.conftest import assert_dead, wait_for
from tests.support.amounts import first_and_sweep
from tests.support.nextapp import APP_MARKER, LEGS
from tests.support.state import private_dir

if TYPE_CHECKING:
    from dbswitch.server.observation import Observation, ServerRecord
    from tests.support.nextapp import AppFolder, NextApp

pytestmark = pytest.mark.real

# A page without a database: these tests are about the server.
PLAIN = """
export const dynamic = 'force-dynamic';
export function GET() {
  return Response.json({ url: process.env.DATABASE_URL ?? null, pid: process.pid });
}
"""
SPAWN = """
import { spawn } from 'node:child_process';
export const dynamic = 'force-dynamic';
export function GET() {
  const program = JSON.parse(process.env.TEST_PROGRAM!) as string[];
  spawn(program[0], program.slice(1), { detached: true, stdio: 'ignore' }).unref();
  return new Response(null, { status: 202 });
}
"""


def spec_for(root: Path, *more_ports: int) -> ServerSpec:
    scripts = json.loads((root / "package.json").read_text())["scripts"]
    command = dev_command(root, scripts)
    assert command.port_flag
    assert command.port is not None
    return ServerSpec(
        argv=command.argv,
        cwd=root,
        port=command.port,
        port_explicit=True,
        ports=more_ports,
        dist_dir=root / ".next",
        state_dir=root / ".dbswitch",
        private_dir=private_dir(root),
        ready_path="/plain",
        limits=ServerLimits(ready=90, request=60, ask=10),
    )


def restart(spec: ServerSpec, seen: Observation | None = None) -> tuple[ServerRecord, tuple[str, ...]]:
    seen = seen or observe(spec, ask=False)
    environment = clean(seen.launch_env(), env_file_keys={"DATABASE_URL"}, target_keys={"DIRECT_URL"})
    stop(spec, seen)
    require_ports_free(spec, spec.port)
    remove_lock_if_free(spec)
    running = start(spec, environment)
    wait_ready(spec, running)
    return running, environment.removed


def make(next_app: NextApp, leg: str, url: str = "postgres://first") -> AppFolder:
    return next_app(leg, files={".env": f'DATABASE_URL="{url}"\n', "app/plain/route.ts": PLAIN})


@pytest.mark.parametrize("leg", first_and_sweep(LEGS))
def test_whatever_part_of_the_chain_is_killed_a_restart_ends_with_one_healthy_server(
    next_app: NextApp, leg: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make(next_app, leg)
    side = free_port()
    spec = spec_for(app.root, side)
    stranger = subprocess.Popen(
        [sys.executable, "-m", "http.server", str(side), "--bind", "127.0.0.1"],
        cwd=app.root.parent,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    # Without its server Next ends altogether; the next one then gets the environment of whoever restarts.
    monkeypatch.setenv(APP_MARKER, app.marker)
    try:
        wait_for(lambda: not is_free(side))
        app.popen("npm", "run", "dev", env={"DATABASE_URL": "postgres://exported"}, log="by-hand.log")
        app.wait_for_answer("/plain")
        assert app.ask("/plain")["url"] == "postgres://exported"
        seen = observe(spec)
        assert (seen.state, seen.by_us, seen.port) == (ServerState.READY, False, app.port)
        assert is_package_manager(seen.processes[0].process.argv)

        exported: list[str] = []
        for victim in (is_package_manager, is_next_dev, is_next_server):
            family = [one.id for one in observe(spec, ask=False).processes]
            [struck] = [one for one in observe(spec).processes if victim(one.process.argv)]
            before = observe(spec, ask=False) if victim is is_package_manager else None
            os.kill(struck.process.pid, signal.SIGKILL)
            wait_for(lambda process=struck: not is_alive(process.id))

            _, removed = restart(spec, before)

            exported += removed
            assert_dead(family)
            [server] = app.next_servers()
            answer = app.ask("/plain")
            assert answer == {"url": "postgres://first", "pid": server.pid}
            app.assert_one_server_tree()
            assert observe(spec).state is ServerState.READY

        assert exported == ["DATABASE_URL"]
        app.assert_clean_log()
        assert stranger.poll() is None
        stop(spec, observe(spec))
        text = require_ports_free(spec, spec.port)
        assert f"port {side}: pid {stranger.pid}" in text
        app.assert_no_process()
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


@pytest.mark.parametrize("leg", first_and_sweep(LEGS))
def test_a_restart_from_inside_a_route_handler_reads_the_changed_file(next_app: NextApp, leg: str) -> None:
    """The one who restarts is a descendant of the server, with its whole poisoned environment."""
    app = make(next_app, leg)
    app.write("app/spawn/route.ts", SPAWN)
    code = "import sys; from tests.server.test_real_next import from_below; from_below(sys.argv[1])"
    program = [sys.executable, "-c", code, str(app.root)]
    report = app.root / "report.json"
    spec = spec_for(app.root)
    environment = app.environment({"TEST_PROGRAM": json.dumps(program)})
    wait_ready(spec, start(spec, CleanEnvironment(environment)))
    old = [one.id for one in observe(spec).processes]
    first = app.ask("/plain")

    assert app.get_route("/spawn").status == 202
    wait_for(report.exists, 120)

    told = json.loads(report.read_text())
    assert told["poisoned"] == "true"
    assert told["inherited"] == "postgres://first"
    assert told["below"]
    assert_dead(old)
    second = app.ask("/plain")
    assert (first["url"], second["url"]) == ("postgres://first", "postgres://second")
    app.assert_one_server_tree()
    stop(spec, observe(spec))
    wait_for(lambda: not app.processes())


def from_below(folder: str) -> None:
    root = Path(folder)
    spec = spec_for(root)
    seen = observe(spec, ask=False)
    me = identify(os.getpid())
    assert me is not None
    told = {
        "poisoned": os.environ.get("__NEXT_PROCESSED_ENV"),
        "inherited": os.environ.get("DATABASE_URL"),
        "below": os.getppid() in {one.process.pid for one in seen.processes},
    }
    (root / ".env").write_text('DATABASE_URL="postgres://second"\n')
    restart(spec, seen)
    assert is_alive(me)
    unfinished = root / "report.unfinished"
    unfinished.write_text(json.dumps(told))
    unfinished.rename(root / "report.json")


def test_next_that_drifted_to_another_port_is_found_there_and_brought_back(next_app: NextApp) -> None:
    app = make(next_app, "base")
    spec = spec_for(app.root)
    other = free_port()
    app.popen("node", "node_modules/next/dist/bin/next", "dev", "-p", str(other), log="by-hand.log")
    wait_for(lambda: observe(spec).state is ServerState.READY, 60)
    assert observe(spec).port == other

    running, _ = restart(spec)

    assert running.port == app.port
    assert is_free(other)
    app.assert_one_server_tree()
    stop(spec, observe(spec))


def test_a_port_taken_between_the_check_and_the_start_is_named_at_once(next_app: NextApp) -> None:
    """What Next itself says about it is recognised, and nothing is waited for."""
    app = make(next_app, "base")
    spec = spec_for(app.root)
    with socket.create_server(("::", app.port), family=socket.AF_INET6, dualstack_ipv6=True):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("dbswitch.server.ports.is_free", lambda _port: True)
            running = start(spec, CleanEnvironment(app.environment()))
        with pytest.raises(PortTakenError) as caught:
            wait_ready(spec, running)
    assert f"port {app.port}" in caught.value.what
    assert any(f"pid {os.getpid()}" in fact for fact in caught.value.facts)
    wait_for(lambda: not app.processes())
