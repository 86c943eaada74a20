"""What goes wrong during a switch of a pool, and how everything is afterwards."""

from __future__ import annotations

import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from dbswitch.demo import shop
from dbswitch.demo.postgres import free_port
from dbswitch.pools import pooler as pooler_module
from dbswitch.switch import pool_steps
from dbswitch.switch.events import Outcome, PhaseChanged, to_wire
from tests.cli import running
from tests.database.conftest import open_door, pump
from tests.support.fleet import CONSOLE, PASSWORD_VARIABLE, line_to

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.fleet import Fleet

DEADLINE = 100.0  # seconds; generous, for a busy machine


def wait_for(condition: Callable[[], bool], what: str) -> None:
    until = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < until, what
        time.sleep(0.02)


def at(phase: str, state: str, action: Callable[[], None]) -> Callable[[Any], None]:
    """Do `action` once, when the phase reaches the state."""
    done: list[bool] = []

    def emit(event: Any) -> None:
        if isinstance(event, PhaseChanged) and (event.phase, event.state) == (phase, state) and not done:
            done.append(True)
            action()

    return emit


def require_untouched(fleet: Fleet, before: list[bytes]) -> None:
    assert fleet.configs() == before
    assert not any(pooler.paused for pooler in fleet.poolers)
    assert fleet.databases() == {"shop_dev"}
    assert not fleet.left


def test_a_wrong_password_of_the_console_changes_nothing(fleet: Fleet) -> None:
    before = fleet.configs()
    fleet.environment = {PASSWORD_VARIABLE: "wr0ng-console"}
    code, result = fleet.switch("prod")
    assert (code, result["error"]["code"]) == (6, "pooler"), result
    assert "wr0ng-console" not in str(result)
    require_untouched(fleet, before)


def test_a_pool_without_its_password_names_the_variable(fleet: Fleet) -> None:
    fleet.environment = {PASSWORD_VARIABLE: ""}
    code, result = fleet.switch("prod")
    assert (code, result["error"]["code"]) == (2, "config")
    assert PASSWORD_VARIABLE in result["error"]["what"]


def test_a_configuration_that_cannot_be_replaced_is_refused_before_the_pause(fleet: Fleet) -> None:
    [pooler] = fleet.poolers
    os.link(pooler.config, pooler.home / "second")  # it would keep the old content
    before = fleet.configs()
    phases: list[Any] = []
    result = fleet.switch_here("prod", phases.append)
    assert (result.exit, result.error.code) == (2, "config"), result
    assert "hard link" in str(result.error.facts)
    assert not any(getattr(event, "phase", "") == "pause" for event in phases)
    require_untouched(fleet, before)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_configuration_is_refused_before_the_pause(fleet: Fleet) -> None:
    [pooler] = fleet.poolers
    before = fleet.configs()
    for path, mode in ((pooler.config, 0o444), (pooler.home, 0o555)):
        path.chmod(mode)
        code, result = fleet.switch("prod")
        path.chmod(0o755)
        assert (code, result["error"]["code"]) == (2, "config"), result
        require_untouched(fleet, before)


def test_a_target_whose_database_is_down_is_reported_before_the_pause(fleet: Fleet) -> None:
    before = fleet.configs()
    fleet.target("gone", f"postgresql://u:p@127.0.0.1:{free_port()}/shop")
    code, result = fleet.switch("gone", "--timeout", "1")
    assert (code, result["error"]["code"]) == (4, "database_not_ready"), result
    require_untouched(fleet, before)


def test_a_transaction_that_does_not_end_is_named_and_the_pause_is_lifted(fleet: Fleet) -> None:
    [pooler] = fleet.poolers
    fleet.configure(pause_timeout=0.5)
    before = fleet.configs()
    with psycopg.connect(pooler.url(), application_name="nightly report") as connection:
        connection.execute("SELECT 1")  # a transaction is open from here on
        code, result = fleet.switch("prod")
        port = connection.execute("SELECT 1").fetchone()  # it is not disturbed
        assert port == (1,)
    assert (code, result["outcome"], result["error"]["code"]) == (6, "failed", "pooler"), result
    assert any("nightly report" in fact and "user web" in fact for fact in result["error"]["facts"])
    assert "the pause was lifted" in result["error"]["facts"]
    require_untouched(fleet, before)
    assert fleet.switch("prod")[0] == 0


@pytest.mark.sweep
@pytest.mark.slow
def test_a_transaction_that_is_open_for_a_minute_keeps_the_pool_where_it_is_and_ends_well(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    [pooler] = fleet.poolers
    before = fleet.configs()
    begun, found = threading.Event(), []

    def report() -> None:
        with psycopg.connect(pooler.url(), prepare_threshold=None) as connection:
            connection.execute("SELECT 1")
            begun.set()
            found.append(connection.execute("SELECT current_database(), pg_sleep(60)").fetchone())

    client = threading.Thread(target=report)
    client.start()
    assert begun.wait(DEADLINE)
    assert fleet.switch("prod")[0] == 6
    require_untouched(fleet, before)
    # The same while the switch itself hangs: its console waits for longer than the pause may take.
    monkeypatch.setattr(
        pooler_module.Console, "paused_within", lambda _console, _seconds: client.join() or True
    )
    waiting: list[bool] = []
    watch = threading.Thread(
        target=lambda: waiting.append(pooler.asked() == "shop_dev" and client.is_alive())
    )
    result = fleet.switch_here("prod", at("pause", "started", watch.start))
    watch.join(DEADLINE)
    assert waiting == [True]  # the watchdog lifted the pause while the transaction was open
    assert result.exit == 6, result
    assert "longer than allowed" in result.error.what
    monkeypatch.undo()
    assert [row[0] for row in found] == ["shop_dev"]
    require_untouched(fleet, before)
    assert fleet.switch("prod")[0] == 0


def test_a_pool_in_session_mode_says_why_it_cannot_be_paused(fleet_of: Callable[..., Fleet]) -> None:
    fleet = fleet_of(pool_mode="session")
    fleet.configure(pause_timeout=0.3)
    with psycopg.connect(fleet.poolers[0].url(), autocommit=True) as connection:
        connection.execute("SELECT 1")
        code, result = fleet.switch("prod")
    assert code == 6
    assert "session mode" in result["error"]["fix"]


def test_a_pooler_that_cannot_log_in_to_the_target_is_led_back(fleet_of: Callable[..., Fleet]) -> None:
    local = shop.LOCAL
    fleet = fleet_of(lines=())
    [pooler] = fleet.poolers
    with (pooler.home / "users.txt").open("a") as users:
        users.write(f'"{local.role}" "{local.password}"\n')
    port = fleet.local.server.port
    pooler.write(f"app = host=127.0.0.1 port={port} dbname={local.database} user={local.role}")
    with (pooler.home / "users.txt").open("a") as users:
        users.write(f'"{local.role}" "{local.password}"\n')
    pooler.console("RELOAD")
    before = fleet.configs()
    code, result = fleet.switch("prod")  # its role is not in auth_file
    assert (code, result["outcome"]) == (7, "rolled_back"), result
    assert any("on the previous database" in fact for fact in result["error"]["facts"])
    require_untouched(fleet, before)


def test_a_pool_that_is_paused_by_somebody_else_is_left_alone(fleet: Fleet) -> None:
    [pooler] = fleet.poolers
    pooler.console('PAUSE "app"')
    code, result = fleet.switch("prod")
    assert code == 6
    assert "paused" in result["error"]["what"]
    assert pooler.paused
    pooler.console('RESUME "app"')


def test_a_configuration_that_is_not_the_one_in_use_is_refused(fleet: Fleet) -> None:
    [pooler] = fleet.poolers
    copy = pooler.home / "copy.ini"
    copy.write_text(pooler.config.read_text().replace("host=127.0.0.1", "host=127.0.0.2"))
    fleet.configure(config=str(copy))
    text = (fleet.root / "dbswitch.toml").read_text()
    (fleet.root / "dbswitch.toml").write_text(text.replace(f'config = "{pooler.config}"\n', ""))
    code, result = fleet.switch("prod")
    assert (code, result["error"]["code"]) == (6, "pooler"), result
    assert any("127.0.0.2" in fact for fact in result["error"]["facts"])


STEPS = ("pause", "write", "reload", "resume", "verify")


@pytest.mark.parametrize("step", STEPS)
def test_a_step_that_fails_leaves_everything_as_it_was(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    before = fleet.configs()
    carry_out = getattr(pool_steps.PoolApply, step)

    def fail(apply: Any, *arguments: Any) -> None:
        carry_out(apply, *arguments)
        raise pool_steps.errors.PoolerError("it broke")

    monkeypatch.setattr(pool_steps.PoolApply, step, fail)
    result = fleet.switch_here("prod")
    assert result.exit == (6 if step == "pause" else 7), result
    require_untouched(fleet, before)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_everything_as_it_was(fleet: Fleet, step: str, number: signal.Signals) -> None:
    before = fleet.configs()
    result = fleet.switch_here("prod", at(step, "started", lambda: signal.raise_signal(number)))
    assert result.outcome is Outcome.INTERRUPTED, result
    assert result.exit == (130 if number == signal.SIGINT else 143)
    require_untouched(fleet, before)


def test_a_pause_ends_by_its_deadline_while_the_output_blocks(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    [pooler] = fleet.poolers
    fleet.configure(pause_timeout=0.3)
    monkeypatch.setattr(pool_steps, "WORK_LIMIT", 0.3)
    before = fleet.configs()
    go_on, blocked = threading.Event(), threading.Event()

    def block() -> None:  # as a write to a terminal that was stopped with Ctrl-S does
        blocked.set()
        assert go_on.wait(DEADLINE)

    found: list[Any] = []
    run = threading.Thread(
        target=lambda: found.append(fleet.switch_here("prod", at("write", "started", block)))
    )
    run.start()
    try:
        assert blocked.wait(DEADLINE)
        wait_for(lambda: "RESUME 'app' command issued" in pooler.log, "the pause was not lifted")
        assert "PAUSE 'app' command issued" in pooler.log
        assert not pooler.paused
        assert pooler.asked() == "shop_dev"
    finally:
        go_on.set()
        run.join(DEADLINE)
    assert found[0].exit == 6, found
    assert "longer than allowed" in found[0].error.what
    require_untouched(fleet, before)


def test_a_closed_terminal_lifts_the_pause(fleet: Fleet) -> None:
    [pooler] = fleet.poolers
    fleet.configure(pause_timeout=20)
    before = fleet.configs()
    with psycopg.connect(pooler.url()) as connection:
        connection.execute("SELECT 1")
        arguments = ("prod", "--pool", fleet.pool)
        with running.terminal(*arguments, cwd=fleet.root, env=fleet.env()) as terminal:
            wait_for(lambda: pooler.paused, "it was never paused")
            os.kill(terminal.process.pid, signal.SIGHUP)
            os.set_blocking(terminal.master, False)
            assert terminal.process.wait(DEADLINE) == 143
    require_untouched(fleet, before)


def killed(fleet: Fleet, number: int) -> str | None:
    """Kill a switch at its event of this number; return which one it was, None if there were fewer."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.pools.killed_child", str(fleet.root), fleet.pool, "prod", str(number)],
        env=running.environment(**fleet.env()),
        cwd=running.ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )
    if done.returncode == 0:
        return None
    assert done.returncode == -signal.SIGKILL, done.stderr
    return done.stdout.strip()


def require_recovered(fleet: Fleet, event: str) -> None:
    code, [status] = fleet.json("status", "--pool", fleet.pool)
    assert code == 0
    if event in {
        "pause done",
        "write started",
        "write done",
        "reload started",
        "reload done",
        "resume started",
    }:
        assert all(pooler.paused for pooler in fleet.poolers)
        assert "was killed" in status["unfinished"]
    code, result = fleet.switch("local")
    assert code == 0, (event, result)
    assert not any(pooler.paused for pooler in fleet.poolers), event
    assert fleet.databases() == {"shop_dev"}, event
    assert not fleet.left, event


@pytest.mark.parametrize("step", ["pause done", "write done", "reload done"])
def test_the_next_command_finishes_a_killed_switch(fleet: Fleet, step: str) -> None:
    [pooler] = fleet.poolers
    events: list[Any] = []
    fleet.switch_here("prod", events.append)
    fleet.switch_here("local")
    names = [
        f"{getattr(event, 'phase', to_wire(event)['event'])} {getattr(event, 'state', '')}"
        for event in events
    ]
    assert killed(fleet, names.index(step) + 1) == step
    assert pooler.paused
    done = fleet.run("stop")  # a command that has nothing to do with the pool
    assert "did not finish" in done.stderr, done.stderr
    assert not pooler.paused
    assert fleet.databases() == ({"shop_dev"} if step == "pause done" else {"shop"})
    assert not fleet.left


def test_a_killed_switch_that_cannot_be_finished_is_reported_and_blocks_the_pool_only(fleet: Fleet) -> None:
    [pooler] = fleet.poolers
    events: list[Any] = []
    fleet.switch_here("prod", events.append)
    fleet.switch_here("local")
    names = [
        f"{getattr(event, 'phase', to_wire(event)['event'])} {getattr(event, 'state', '')}"
        for event in events
    ]
    killed(fleet, names.index("pause done") + 1)
    fleet.environment = {PASSWORD_VARIABLE: ""}
    done = fleet.run("stop")
    assert done.returncode == 0
    assert f"export {PASSWORD_VARIABLE}" in done.stderr
    assert pooler.paused
    fleet.environment = {}
    require_recovered(fleet, "pause done")


@pytest.mark.sweep
@pytest.mark.slow
@pytest.mark.parametrize("poolers", [1, 2])
def test_a_switch_killed_at_any_event_is_finished_by_the_next_command(
    fleet_of: Callable[..., Fleet], poolers: int
) -> None:
    fleet = fleet_of(poolers)
    number = 1
    while (event := killed(fleet, number)) is not None:
        require_recovered(fleet, event)
        number += 1
    assert number > 20
    assert fleet.databases() == {"shop"}


def test_no_secret_is_shown_or_stored(fleet: Fleet) -> None:
    fleet.environment = {"XDG_STATE_HOME": str(fleet.root / "state")}
    output = []
    for argv in (("prod", "-v"), ("local", "--json"), ("nope",), ("prod", "--dry-run", "--json")):
        done = fleet.run(*argv, "--pool", fleet.pool)
        output += [done.stdout, done.stderr]
    done = fleet.run("status", "--pool", fleet.pool)
    output += [done.stdout, done.stderr]
    output += [path.read_text() for path in (fleet.root / "state").rglob("*") if path.is_file()]
    output += [path.read_text() for path in (fleet.root / ".dbswitch").rglob("*") if path.is_file()]
    for secret in (CONSOLE[1], shop.LOCAL.password, shop.PROD.password):
        assert secret not in "".join(output)
    shutil.rmtree(fleet.root / "state")


@pytest.fixture
def cut_off() -> list[bool | None]:
    """For each login of the fleet `slow_login` to its present server whether the pooler gave it up; None: not known yet."""
    return []


@pytest.fixture
def admitted() -> threading.Event:
    """While it is not set, a login of `slow_login` goes on until the pooler gives it up."""
    event = threading.Event()
    event.set()
    return event


@pytest.fixture
def slow_login(
    fleet_of: Callable[..., Fleet], cut_off: list[bool | None], admitted: threading.Event
) -> Iterator[Fleet]:
    """A fleet whose pooler takes 0.4 s for a login to its present server, and waits 100 s after one that failed."""

    def answer(client: socket.socket, _number: int) -> None:
        number = len(cut_off)
        cut_off.append(None)
        closed = select.poll()
        closed.register(client, select.POLLRDHUP)
        while not admitted.is_set() and not closed.poll(10):
            pass
        time.sleep(0.4)
        cut_off[number] = bool(closed.poll(0))
        client.settimeout(None)
        with socket.create_connection(("127.0.0.1", port)) as server:
            back = threading.Thread(target=pump, args=(server, client))
            back.start()
            pump(client, server)
            back.join()

    fleet = fleet_of(server_login_retry="100")
    port = fleet.local.server.port
    with open_door(answer) as door:
        [pooler] = fleet.poolers
        pooler.write(line_to(fleet.local).replace(f"port={port}", f"port={door}"))
        pooler.console("RELOAD")
        yield fleet
        admitted.set()
        pooler.kill()


def logging_in(fleet: Fleet) -> tuple[threading.Thread, list[str]]:
    """Begin a query for which the pooler has to log in to its server; return its thread and what it will have been told."""
    [pooler] = fleet.poolers
    told: list[str] = []

    def ask() -> None:
        try:
            told.append(pooler.asked())
        except psycopg.Error as error:
            told.append(str(error))

    client = threading.Thread(target=ask)
    client.start()
    wait_for(lambda: any(row["sv_login"] for row in pooler.console("SHOW POOLS")), "there is no login")
    return client, told


def drop_servers(fleet: Fleet) -> None:
    [pooler] = fleet.poolers
    pooler.console('RECONNECT "app"')
    wait_for(lambda: not pooler.console("SHOW SERVERS"), "it keeps its connections")


def test_a_login_to_the_server_is_not_cut_off_by_the_pause(
    slow_login: Fleet, cut_off: list[bool | None], admitted: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A busy machine may take longer for the login than the pause waits.
    monkeypatch.setattr(pooler_module, "_LOGIN_WAIT", DEADLINE)
    clients = []

    def begin() -> None:
        admitted.clear()
        drop_servers(slow_login)
        clients.append(logging_in(slow_login))
        admitted.set()

    result = slow_login.switch_here("prod", at("pause", "started", begin))
    assert result.exit == 0, result
    [(client, told)] = clients
    client.join(DEADLINE)
    assert told in (["shop_dev"], ["shop"])  # the query follows the login, perhaps after the pause
    wait_for(lambda: None not in cut_off, "a login goes on")
    assert True not in cut_off


def test_after_a_login_that_the_pause_cut_off_clients_wait_no_longer(
    slow_login: Fleet, cut_off: list[bool | None], admitted: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    [pooler] = slow_login.poolers
    monkeypatch.setattr(pooler_module, "_LOGIN_WAIT", 0.0)
    clients = []

    def begin() -> None:
        admitted.clear()
        drop_servers(slow_login)
        clients.append(logging_in(slow_login))

    result = slow_login.switch_here("prod", at("pause", "started", begin))
    assert result.exit == 0, result
    assert result.seconds < 60
    [(client, told)] = clients
    client.join(DEADLINE)
    assert told == ["shop"]
    wait_for(lambda: True in cut_off, "the login was not cut off")
    [setting] = [row for row in pooler.console("SHOW CONFIG") if row["key"] == "server_login_retry"]
    assert float(setting["value"]) == 100
