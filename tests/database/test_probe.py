"""Waiting for real Postgres servers."""

from __future__ import annotations

import os
import socket
import threading

import pytest

from dbswitch.database.failures import AttemptError, FailureKind as K
from dbswitch.database.login import session
from dbswitch.database.probe import ProbeLimits, wait_until_ready
from dbswitch.database.url import DatabaseUrl
from dbswitch.errors import DatabaseNotReadyError, DatabaseRejectedError
from tests.database.conftest import open_door, pump, url_for

pytestmark = pytest.mark.real
PATIENT = ProbeLimits(deadline=20)


class Seen(list):
    """What `on_retry` was told."""

    def __call__(self, attempt, failure, wait):
        self.append((attempt, failure, wait))

    @property
    def kinds(self):
        return [failure.kind for _, failure, _ in self]


def test_a_ready_database_is_identified_with_its_state(server):
    ready = wait_until_ready(url_for(server), PATIENT)
    assert ready.identity.database == "shop"
    assert ready.identity.server_version[:2].isdigit()
    assert (ready.identity.in_recovery, ready.identity.read_only, ready.notices) == (False, False, ())
    assert ready.latency > 0


def test_a_server_that_just_started_answers_twice_and_an_older_one_once(server):
    url = url_for(server)
    assert wait_until_ready(url, ProbeLimits(young=100_000)).attempts == 2
    assert wait_until_ready(url, ProbeLimits(young=0)).attempts == 1
    assert wait_until_ready(url, ProbeLimits(young=100_000, successes=3)).attempts == 3


REFUSALS = [
    ("shop", "app", "wrong", "", K.WRONG_PASSWORD, "P1000"),
    ("shop", "nobody_here", "x", "", K.WRONG_PASSWORD, "P1000"),  # under SCRAM the server does not tell
    ("shop", "app", "", "", K.NO_PASSWORD, "P1000"),
    ("no_such", "app", "s3cret", "", K.NO_SUCH_DATABASE, "P1003"),
    ("private", "app", "s3cret", "", K.NOT_ALLOWED, "P1010"),
    ("shop", "barred", "s3cret", "", K.NOT_ALLOWED, "P1010"),
    ("closed", "app", "s3cret", "", K.DATABASE_CLOSED, "P1010"),
    ("shop", "app", "s3cret", "?sslmode=require", K.TLS_NOT_OFFERED, "P1011"),
    ("shop", "app", "s3cret", "?options=-c%20no_such_setting=1", K.BAD_PARAMETER, "P1013"),
    ("shop", "app", "s3cret", "?channel_binding=invented", K.BAD_PARAMETER, "P1013"),
]


def test_the_identity_names_role_and_schema(server):
    identity = wait_until_ready(url_for(server), PATIENT).identity
    assert (identity.role, identity.schema, identity.model_schema) == ("app", "public", None)
    server.execute('CREATE SCHEMA IF NOT EXISTS "it\'s" AUTHORIZATION app', database="shop")
    identity = wait_until_ready(url_for(server, query="?schema=it%27s"), PATIENT).identity
    assert (identity.schema, identity.model_schema) == ("public", "it's")


def test_a_schema_of_the_url_that_does_not_exist_or_may_not_be_used_is_refused(server):
    with pytest.raises(DatabaseRejectedError) as caught:
        wait_until_ready(url_for(server, query="?schema=staging"), PATIENT)
    assert "does not exist" in caught.value.what
    assert "schema=staging" in caught.value.facts[0]
    server.execute("CREATE SCHEMA IF NOT EXISTS closed_schema", database="shop")
    with pytest.raises(DatabaseRejectedError) as caught:
        wait_until_ready(url_for(server, query="?schema=closed_schema"), PATIENT)
    assert "may not use the schema" in caught.value.what


@pytest.mark.parametrize(("database", "user", "password", "query", "kind", "code"), REFUSALS)
def test_what_waiting_cannot_cure_is_given_up_at_once(server, database, user, password, query, kind, code):
    seen = Seen()
    with pytest.raises(DatabaseRejectedError) as caught:
        wait_until_ready(url_for(server, database, user, password, query), PATIENT, on_retry=seen)
    assert f"({code})" in caught.value.what
    assert seen == []
    assert "s3cret" not in " ".join(
        (caught.value.what, *caught.value.facts, caught.value.why, caught.value.fix)
    )
    with (
        pytest.raises(AttemptError) as attempt,
        one_attempt(url_for(server, database, user, password, query)),
    ):
        pass
    assert attempt.value.failure.kind is kind


def one_attempt(url, **more):
    return session(url, 5, **more)


@pytest.mark.parametrize(("database", "user", "password", "query", "kind", "code"), REFUSALS)
def test_without_libpqs_trace_the_same_is_found(server, database, user, password, query, kind, code):
    with (
        pytest.raises(AttemptError) as caught,
        one_attempt(url_for(server, database, user, password, query), trace=False),
    ):
        pass
    assert caught.value.failure.kind is kind


def test_too_many_connections_are_waited_for(server):
    seen = Seen()
    with pytest.raises(DatabaseNotReadyError, match="P2037"):
        wait_until_ready(url_for(server, user="full"), ProbeLimits(deadline=1), on_retry=seen)
    assert set(seen.kinds) == {K.TOO_MANY_CONNECTIONS}
    assert len(seen) > 1


def test_a_read_only_session_is_a_notice_and_no_failure(server):
    ready = wait_until_ready(url_for(server, query="?options=-c%20default_transaction_read_only=on"), PATIENT)
    assert ready.identity.read_only
    assert "read-only" in ready.notices[0]


def test_prismas_own_parameters_do_not_disturb_libpq(server):
    query = (
        "?schema=public&connection_limit=3&pgbouncer=true&pool_timeout=9&sslaccept=strict&connect_timeout=1"
    )
    assert wait_until_ready(url_for(server, query=query), PATIENT).identity.database == "shop"


def test_a_localhost_with_a_closed_address_in_front_is_reached(server, monkeypatch):
    found = [(socket.AF_INET, 1, 6, "", (host, 0)) for host in ("127.0.0.77", "127.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_a, **_k: found)
    url = DatabaseUrl.parse(f"postgresql://app:s3cret@db.example.com:{server.port}/shop")
    assert wait_until_ready(url, PATIENT).identity.database == "shop"


def test_the_environments_pg_variables_do_not_lead_the_probe_elsewhere(server, monkeypatch):
    for name, value in (
        ("PGHOSTADDR", "127.0.0.99"), ("PGSSLMODE", "verify-full"), ("PGTARGETSESSIONATTRS", "standby"), ("PGDATABASE", "closed"),
    ):  # fmt: skip
        monkeypatch.setenv(name, value)
    assert wait_until_ready(url_for(server), PATIENT).identity.database == "shop"


def test_a_server_that_comes_up_late_is_noticed_without_many_attempts(fresh_postgres):
    fresh = fresh_postgres()
    fresh.server.stop()
    timer = threading.Timer(2.0, fresh.server.spawn)
    timer.start()
    seen = Seen()
    ready = wait_until_ready(DatabaseUrl.parse(fresh.url), PATIENT, on_retry=seen)
    timer.join()
    assert seen.kinds[0] is K.REFUSED
    assert ready.attempts <= 20
    assert ready.identity.database == fresh.shop.database


def test_a_container_proxy_that_closes_until_the_server_is_there_is_waited_for(server):
    def relay(connection: socket.socket, number: int) -> None:
        if number <= 3:
            return  # docker-proxy accepts, finds nobody behind it and closes
        with socket.create_connection(("127.0.0.1", server.port)) as behind:
            other = threading.Thread(target=pump, args=(behind, connection))
            other.start()
            pump(connection, behind)
            other.join()

    with open_door(relay) as port:
        seen = Seen()
        url = DatabaseUrl.parse(f"postgresql://app:s3cret@127.0.0.1:{port}/shop")
        assert wait_until_ready(url, PATIENT, on_retry=seen).identity.database == "shop"
        assert seen.kinds == [K.CLOSED] * 3


def configure(fresh, settings: str, signal_file: str) -> None:
    """Let the stopped server come up in recovery."""
    with (fresh.server.data / "postgresql.auto.conf").open("a") as config:
        config.write(settings)
    made = fresh.server.data / signal_file
    made.touch()
    owner = fresh.server.data.stat()
    os.chown(made, owner.st_uid, owner.st_gid)


def gate(fresh):
    """Recovery that asks for an archive waits until the file exists that this returns."""
    go = fresh.server.home / "go"
    configure(
        fresh,
        f"restore_command = 'while ! test -e \"{go}\"; do sleep 0.05; done; false'\n",
        "recovery.signal",
    )
    return go


def test_a_server_that_is_starting_up_is_waited_for(fresh_postgres):
    fresh = fresh_postgres()
    fresh.server.stop()
    go = gate(fresh)
    fresh.server.spawn()
    seen = Seen()
    timer = threading.Timer(1.5, go.touch)

    def tell(attempt, failure, wait):
        if failure.kind is K.STARTING_UP and K.STARTING_UP not in seen.kinds:
            timer.start()
        seen(attempt, failure, wait)

    try:
        ready = wait_until_ready(DatabaseUrl.parse(fresh.url), PATIENT, on_retry=tell)
    finally:
        go.touch()
    timer.join()
    assert K.STARTING_UP in seen.kinds
    assert set(seen.kinds) <= {K.REFUSED, K.STARTING_UP}
    assert ready.attempts <= 20


def test_a_hot_standby_is_a_notice_and_no_failure(fresh_postgres):
    fresh = fresh_postgres()
    fresh.server.stop()
    configure(fresh, "hot_standby = on\n", "standby.signal")
    fresh.server.spawn()
    ready = wait_until_ready(DatabaseUrl.parse(fresh.url), PATIENT)
    assert ready.identity.in_recovery
    assert "in recovery" in ready.notices[0]


def test_a_standby_that_takes_no_connections_is_given_up(fresh_postgres):
    fresh = fresh_postgres()
    fresh.server.stop()
    configure(fresh, "hot_standby = off\n", "standby.signal")
    fresh.server.spawn()
    with pytest.raises(DatabaseRejectedError, match="standby"):
        wait_until_ready(DatabaseUrl.parse(fresh.url), PATIENT)


def test_a_server_that_goes_away_while_it_is_asked_is_asked_again(server):
    url = url_for(server)
    with one_attempt(url) as asked:
        (row,) = asked.query("SELECT pg_backend_pid()::text AS pid")
        server.execute("SELECT pg_terminate_backend(%s::int, 10000)", (row["pid"],))
        with pytest.raises(AttemptError) as caught:
            asked.query("SELECT 1")
    assert caught.value.failure.kind in {K.TERMINATED, K.CLOSED}
    assert caught.value.failure.kind.retry


def test_a_statement_has_the_attempts_time_limit(server):
    url = url_for(server)
    with pytest.raises(AttemptError) as caught, session(url, 0.5) as asked:
        asked.query("SELECT pg_sleep(30)")
    assert caught.value.failure.kind is K.TIMED_OUT
