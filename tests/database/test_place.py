"""Which URLs lead to one database."""

from __future__ import annotations

import socket
import threading
import time
from typing import TYPE_CHECKING

import pytest

from dbswitch.database import place
from dbswitch.database.place import place_in

if TYPE_CHECKING:
    from collections.abc import Iterator

NEON = "postgresql://u:p@ep-cool-1-pooler.eu-central-1.aws.neon.tech/app?sslmode=require"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("postgresql://u:p@localhost/app", "postgres://x:y@127.0.0.1:5432/app?schema=public"),
        ("postgresql://u:p@[::1]/app", "postgresql://u:p@db.localhost/app"),
        ("postgresql://u:p@localhost/app", "postgresql://u:p@localhost./app"),
        ("postgresql://u:p@localhost/app", "postgresql://u:p@0.0.0.0/app"),
        ("postgresql://u:p@localhost/app", "postgresql://u:p@[::]/app"),
        ("postgresql://u:p@localhost/app", "postgresql://u:p@[::ffff:127.0.0.1]/app"),
        ("postgresql://u:p@DB.example.test/app", "postgresql://u:p@db.example.test.:5432/app"),
        (NEON, NEON.replace("-pooler", "")),
        (
            "postgresql://postgres.abcd:p@aws-0-eu-central-1.pooler.supabase.com:6543/postgres?pgbouncer=true",
            "postgresql://postgres:p@db.abcd.supabase.co:5432/postgres",
        ),
        (
            "postgresql://postgres.abcd:p@aws-0-eu-central-1.pooler.supabase.com:5432/postgres",
            "postgresql://postgres.abcd:p@aws-0-eu-central-1.pooler.supabase.com:6543/postgres",
        ),
        ("postgresql://tenant:p@db.prisma.io/postgres", "postgresql://tenant:p@pooled.db.prisma.io/postgres"),
    ],
)
def test_two_ways_to_one_database_are_one_place(one: str, other: str) -> None:
    assert place_in(one) == place_in(other) is not None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("postgresql://u:p@localhost/app", "postgresql://u:p@localhost/App"),
        ("postgresql://u:p@localhost/app", "postgresql://u:p@localhost:5433/app"),
        ("postgresql://u:p@localhost/app", "postgresql://u:p@db.example.test/app"),
        (NEON, NEON.replace("cool-1", "cool-2")),
        (
            "postgresql://postgres.abcd:p@aws-0-eu.pooler.supabase.com:6543/postgres",
            "postgresql://postgres.efgh:p@aws-0-eu.pooler.supabase.com:6543/postgres",
        ),
        ("postgresql://one:p@db.prisma.io/postgres", "postgresql://two:p@db.prisma.io/postgres"),
    ],
)
def test_two_databases_are_two_places(one: str, other: str) -> None:
    assert place_in(one) != place_in(other)


@pytest.mark.parametrize(
    "value", ["", "app", "mysql://u:p@h/d", "postgresql://h1,h2/app", "https://example.test"]
)
def test_what_is_not_a_usable_postgres_url_has_no_place(value: str) -> None:
    assert place_in(value) is None


def test_only_the_port_may_differ_beside_each_other() -> None:
    pooled, direct = place_in("postgresql://h:6432/app"), place_in("postgresql://h:5432/app")
    other = place_in("postgresql://h:5432/other")
    assert pooled is not None
    assert direct is not None
    assert other is not None
    assert pooled.beside(direct)
    assert not pooled.beside(other)


@pytest.fixture
def own_name(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    # What one test has looked up, or still does, is no answer for the next.
    monkeypatch.setattr(place, "_under_way", {})
    monkeypatch.setattr(socket, "gethostname", lambda: "Workstation")
    place._is_own_name.cache_clear()
    yield monkeypatch
    place._is_own_name.cache_clear()


@pytest.mark.parametrize(("address", "same"), [("127.0.1.1", True), ("::1", True), ("192.0.2.7", False)])
def test_this_machines_own_name_is_the_same_place_as_localhost_if_it_leads_to_this_machine(
    own_name: pytest.MonkeyPatch, address: str, same: bool
) -> None:
    own_name.setattr(socket, "getaddrinfo", lambda *_a, **_k: [(0, 0, 0, "", (address, 0))])
    local = place_in("postgresql://u:p@localhost/app")
    assert (place_in("postgresql://u:p@workstation/app") == local) is same
    assert place_in("postgresql://u:p@workstation.example/app") != local


def test_a_slow_name_server_is_not_waited_for(own_name: pytest.MonkeyPatch) -> None:
    released = threading.Event()
    own_name.setattr(socket, "getaddrinfo", lambda *_a, **_k: released.wait(110) and [])
    began = time.monotonic()
    assert place_in("postgresql://u:p@workstation/app") != place_in("postgresql://u:p@localhost/app")
    assert time.monotonic() - began < 60
    released.set()
