"""After a hot switch no process of the server may hold a connection to the old database."""

from __future__ import annotations

import os
import socket
import threading
from typing import TYPE_CHECKING

import psycopg
import pytest

from dbswitch.database.url import DatabaseUrl
from dbswitch.server.ownership import Owned, Proof
from dbswitch.server.ports import canonical, established
from dbswitch.server.processes import look_at
from dbswitch.switch.old_connections import remaining
from tests.database.conftest import open_door

if TYPE_CHECKING:
    from tests.support.postgres import ShopServer

GRACE = 0.4
NEW = DatabaseUrl.parse("postgresql://app:x@192.0.2.7:5432/shop_new")


def this_process() -> list[Owned]:
    process = look_at(os.getpid())
    assert process is not None
    return [Owned(process, Proof.SESSION)]


def url(port: int, database: str = "shop_old") -> DatabaseUrl:
    return DatabaseUrl.parse(f"postgresql://app:x@127.0.0.1:{port}/{database}")


def wait_for_the_end(connection: socket.socket, _number: int) -> None:
    connection.recv(1)


def test_a_connection_that_stays_is_named_with_process_and_place() -> None:
    with open_door(wait_for_the_end) as port, socket.create_connection(("127.0.0.1", port)):
        found = remaining(this_process, [url(port)], [NEW], grace=GRACE)
    assert found is not None
    assert f"pid {os.getpid()}" in found
    assert f"shop_old at 127.0.0.1:{port}" in found
    assert "1 connection" in found


def test_a_connection_that_ends_within_the_grace_period_is_waited_for() -> None:
    with open_door(wait_for_the_end) as port:
        held = socket.create_connection(("127.0.0.1", port))
        threading.Timer(0.3, held.close).start()
        assert remaining(this_process, [url(port)], [NEW], grace=20) is None


def test_connections_elsewhere_and_a_database_that_stays_do_not_count() -> None:
    with open_door(wait_for_the_end) as port, socket.create_connection(("127.0.0.1", port)):
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            other = unused.getsockname()[1]
        assert remaining(this_process, [url(other)], [NEW], grace=GRACE) is None
        assert remaining(this_process, [url(port)], [url(port), NEW], grace=GRACE) is None
        assert remaining(list, [url(port)], [NEW], grace=GRACE) is None


def test_an_old_host_that_cannot_be_looked_up_is_not_taken_for_left() -> None:
    old = DatabaseUrl.parse("postgresql://app:x@no-such-host.invalid/shop_old")
    found = remaining(this_process, [old], [NEW], grace=GRACE)
    assert found is not None
    assert "cannot be looked up" in found


def test_a_listening_socket_and_the_servers_own_visitors_are_no_connections_to_a_database() -> None:
    with open_door(wait_for_the_end) as port:
        assert all(one.port != port for one in established(this_process()))


@pytest.mark.parametrize(
    ("address", "spelled"),
    [("::ffff:127.0.0.1", "127.0.0.1"), ("0:0:0:0:0:0:0:1", "::1"), ("fe80::1%lo", "fe80::1"), ("x", "x")],
)
def test_an_address_has_one_spelling(address: str, spelled: str) -> None:
    assert canonical(address) == spelled


@pytest.mark.real
class TestOneServerTwoDatabases:
    """Old and new have the same address, so Postgres is asked."""

    @pytest.fixture
    def pair(self, postgres_local: ShopServer) -> tuple[DatabaseUrl, DatabaseUrl]:
        server = postgres_local.server
        for name in ("pair_old", "pair_new"):
            if not server.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)):
                server.create_database(name)
        return DatabaseUrl.parse(server.url("pair_old")), DatabaseUrl.parse(server.url("pair_new"))

    def test_a_session_of_the_app_on_the_old_database_is_found(
        self, pair: tuple[DatabaseUrl, DatabaseUrl]
    ) -> None:
        old, new = pair
        with psycopg.connect(old.env_form()), psycopg.connect(new.env_form()):
            found = remaining(this_process, [old], [new], grace=GRACE)
        assert found is not None
        assert f"pid {os.getpid()}" in found
        assert "pair_old at" in found

    def test_sessions_on_the_new_database_are_no_reason(self, pair: tuple[DatabaseUrl, DatabaseUrl]) -> None:
        old, new = pair
        with psycopg.connect(new.env_form()):
            assert remaining(this_process, [old], [new], grace=GRACE) is None

    def test_another_programs_session_on_the_old_database_is_no_reason(
        self, pair: tuple[DatabaseUrl, DatabaseUrl], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        old, new = pair
        with psycopg.connect(new.env_form()) as mine, psycopg.connect(old.env_form()):
            with socket.socket(fileno=os.dup(mine.fileno())) as wire:
                port = wire.getsockname()[1]
            ours = tuple(one for one in established(this_process()) if one.local_port == port)
            assert len(ours) == 1
            monkeypatch.setattr("dbswitch.server.ports.established", lambda _processes: ours)
            assert remaining(this_process, [old], [new], grace=GRACE) is None

    def test_an_old_server_that_does_not_tell_is_not_taken_for_left(
        self, pair: tuple[DatabaseUrl, DatabaseUrl]
    ) -> None:
        old, new = pair
        barred = DatabaseUrl.parse(old.env_form().replace(":" + old.password.reveal() + "@", ":wrong@"))
        with psycopg.connect(new.env_form()):
            found = remaining(this_process, [barred], [new], grace=GRACE)
        assert found is not None
        assert "does not report" in found
