from __future__ import annotations

import os
import sys
from pathlib import Path

import psycopg
import pytest

from dbswitch.demo import postgres
from tests.support.postgres import PostgresServer


def answers(url: str) -> str | None:
    try:
        with psycopg.connect(url, connect_timeout=3) as connection:
            row = connection.execute('SELECT name FROM "Shop"').fetchone()
            return row[0] if row else None
    except psycopg.OperationalError:
        return None


@pytest.mark.real
def test_the_two_servers_hold_different_rows_and_are_different_servers(postgres_local, postgres_prod):
    assert answers(postgres_local.url) == "Local test shop"
    assert answers(postgres_prod.url) == "Production shop"
    statement = "SELECT system_identifier FROM pg_control_system()"
    assert postgres_local.server.execute(statement) != postgres_prod.server.execute(statement)


@pytest.mark.real
def test_a_killed_server_comes_back_on_its_port_with_its_rows(fresh_postgres):
    fresh = fresh_postgres()
    port = fresh.server.port
    fresh.server.kill()
    assert answers(fresh.url) is None
    fresh.server.start()
    assert (fresh.server.port, answers(fresh.url)) == (port, fresh.shop.name)


@pytest.mark.real
def test_a_server_can_be_made_ready_and_started_later(fresh_postgres):
    fresh = fresh_postgres(started=False)
    assert answers(fresh.url) is None
    fresh.server.start()
    assert answers(fresh.url) == fresh.shop.name


@pytest.mark.real
def test_a_wrong_password_is_refused(fresh_postgres):
    fresh = fresh_postgres()
    fresh.server.create_role(fresh.shop.role, "changed")
    assert answers(fresh.url) is None


@pytest.mark.real
def test_programs_that_the_servers_user_cannot_read_are_copied_and_run(monkeypatch, postgres_home):
    if os.geteuid() == 0:  # others run the server themselves and can read what they installed
        monkeypatch.setattr(postgres, "open_to_all", lambda folder: False)
    server = PostgresServer(postgres_home / "copied")
    try:
        server.start()
        assert (postgres_home / "copied" / "programs").exists() == (os.geteuid() == 0)
        assert server.execute("SELECT 1") == [(1,)]
    finally:
        server.remove()


@pytest.mark.real
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/sysvipc")
def test_a_killed_and_removed_server_gives_its_shared_memory_back(fresh_postgres):
    fresh = fresh_postgres()
    segment = (fresh.server.data / "postmaster.pid").read_text().splitlines()[6].split()[1]

    def segments() -> set[str]:
        return {line.split()[1] for line in Path("/proc/sysvipc/shm").read_text().splitlines()[1:]}

    assert segment in segments()
    fresh.server.kill()
    assert segment in segments()
    fresh.server.remove()
    assert segment not in segments()
