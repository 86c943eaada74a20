"""What goes wrong on the real stack leaves everything as it was, with the documented exit code."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
import time
from typing import TYPE_CHECKING

import pytest

from tests.support.nextapp import wait_until
from tests.support.state import private_dir

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.e2e.conftest import OnLocal
    from tests.support.postgres import FreshPostgres, PostgresServer, ShopServer

pytestmark = pytest.mark.real


def test_a_target_that_is_down_changes_nothing_and_ends_within_its_deadline(
    app_on_local: OnLocal, postgres_local: ShopServer, fresh_postgres: FreshPostgres
) -> None:
    down = fresh_postgres(started=False)
    app = app_on_local(down.url)
    app.write("dbswitch.toml", "[database]\nrestart_deadline = 3600\n")  # `--timeout` ends it, or nothing
    before, server = app.read(".env.local"), app.next_servers()
    code, events = app.events("prod", "--confirm", down.shop.database, "--timeout", "2")
    assert code == 4, events
    assert "P1001" in str(events[-1]["error"])
    assert app.read(".env.local") == before
    assert app.next_servers() == server
    app.assert_answers_from(postgres_local)


def test_a_wrong_password_is_given_up_on_at_once(
    app_on_local: OnLocal, postgres_local: ShopServer, postgres_prod: ShopServer
) -> None:
    wrong = re.sub(r":[^:@/]+@", ":not-the-password@", postgres_prod.url)
    assert wrong != postgres_prod.url
    app = app_on_local(wrong)
    before = app.read(".env.local")
    code, events = app.events("prod", "--confirm", postgres_prod.shop.database)
    assert code == 4, events
    assert "P1000" in str(events[-1]["error"])
    assert not [event for event in events if event["event"] == "waiting" and event["phase"] == "probe"]
    assert app.read(".env.local") == before
    app.assert_answers_from(postgres_local)


def test_a_database_that_comes_up_late_is_waited_for(
    app_on_local: OnLocal, postgres_local: ShopServer, fresh_postgres: FreshPostgres
) -> None:
    late = fresh_postgres(started=False)
    app = app_on_local(late.url)
    process = app.dbswitch_popen("prod", "--confirm", late.shop.database, "--json", "--timeout", "120")
    log = app.root.parent / "dbswitch.log"
    wait_until(lambda: '"event":"waiting","phase":"probe"' in log.read_text() or None, 120, log.read_text)
    late.server.start()
    assert process.wait(240) == 0, log.read_text()
    app.assert_answers_from(late)


@contextlib.contextmanager
def door_of(server: PostgresServer, closes: Callable[[], bool]) -> Iterator[int]:
    """Yield a port that leads to the server; if `closes()` when somebody connects, the server is killed first."""

    def pass_on(source: socket.socket, to: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while part := source.recv(1 << 16):
                to.sendall(part)
        with contextlib.suppress(OSError):
            to.shutdown(socket.SHUT_RDWR)

    def serve() -> None:
        with contextlib.suppress(OSError):  # closed at the end
            while True:
                visitor, _ = listener.accept()
                opened.append(visitor)
                if closes():
                    server.kill()
                    listener.close()
                    visitor.close()
                    return
                inside = socket.create_connection(("127.0.0.1", server.port))
                opened.append(inside)
                for ends in ((visitor, inside), (inside, visitor)):
                    threading.Thread(target=pass_on, args=ends, daemon=True).start()

    opened: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        with contextlib.suppress(OSError):  # closed already
            listener.shutdown(socket.SHUT_RDWR)
        thread.join()
    for one in opened:
        one.close()


def test_postgres_killed_after_the_probe_is_rolled_back_to_the_old_database(
    app_on_local: OnLocal, postgres_local: ShopServer, fresh_postgres: FreshPostgres
) -> None:
    dying = fresh_postgres()
    app = app_on_local(dying.url)
    servers = app.next_servers()
    assert len(servers) == 1
    # The server goes down between the first probe and the second.
    with door_of(dying.server, closes=lambda: servers != app.next_servers()) as port:
        app = app_on_local(dying.url.replace(f":{dying.server.port}/", f":{port}/"))
        assert app.next_servers() == servers
        before = app.read(".env.local")
        code, events = app.events("prod", "--confirm", dying.shop.database, "--timeout", "3")
    assert code == 7, events
    assert ("reprobe", "failed") in [(event.get("phase"), event.get("state")) for event in events]
    assert app.read(".env.local") == before
    app.wait_for_answer()
    app.assert_answers_from(postgres_local)
    app.assert_one_server_tree()


def test_two_switches_at_once_end_on_the_newest_and_everyone_is_told_the_truth(
    app_on_local: OnLocal, postgres_local: ShopServer, postgres_prod: ShopServer
) -> None:
    app = app_on_local(postgres_prod.url)
    first = app.dbswitch_popen("prod", "--confirm", postgres_prod.shop.database)
    lock = private_dir(app.root) / "switch.json"
    until = time.monotonic() + 60
    while not lock.exists():
        assert first.poll() is None
        assert time.monotonic() < until
        time.sleep(0.005)
    code, events = app.events("local")
    assert code == 0, events
    assert first.wait(120) in {0, 5}
    app.assert_answers_from(postgres_local)
    app.assert_one_server_tree()
