"""Waiting for what is no Postgres, or is a fake of one; and the pace of waiting, on a clock that does not run."""

from __future__ import annotations

import signal
import socket
import threading
import time

import pytest
from hypothesis import given, strategies as st

from dbswitch.database import probe
from dbswitch.database.failures import AttemptError, FailureKind as K
from dbswitch.database.identity import Identity
from dbswitch.database.login import CAN_TRACE, session
from dbswitch.database.probe import ProbeLimits, wait_until_ready
from dbswitch.database.url import DatabaseUrl
from dbswitch.demo.postgres import free_port
from dbswitch.errors import DatabaseNotReadyError, DatabaseRejectedError
from tests.database import fakes

SHORT = ProbeLimits(deadline=1.0, attempt_timeout=0.3)


def at(port: int, query: str = "") -> DatabaseUrl:
    return DatabaseUrl.parse(f"postgresql://app:s3cret@127.0.0.1:{port}/shop{query}")


def waited_for(url: DatabaseUrl, limits: ProbeLimits = SHORT):
    seen = []
    with pytest.raises(DatabaseNotReadyError) as caught:
        wait_until_ready(url, limits, on_retry=lambda _attempt, found, _wait: seen.append(found.kind))
    assert seen
    return set(seen), caught.value


def deaf(connection: socket.socket, number: int) -> None:
    while connection.recv(1000):
        pass


def http(connection: socket.socket, number: int) -> None:
    connection.recv(1000)
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    connection.shutdown(socket.SHUT_WR)
    connection.recv(1000)


def test_a_port_where_nobody_listens_is_waited_for():
    kinds, error = waited_for(at(free_port()))
    assert kinds == {K.REFUSED}
    assert "P1001" in error.what


def test_the_time_out_of_an_attempt_that_the_deadline_cut_short_does_not_hide_the_reason(door):
    full = fakes.failing("53300", "sorry, too many clients already")
    port = door(lambda connection, number: (full if number < 3 else deaf)(connection, number))
    kinds, error = waited_for(at(port), ProbeLimits(deadline=1.0))
    assert kinds == {K.TOO_MANY_CONNECTIONS}
    assert "P2037" in error.what


def test_a_listener_that_never_answers_takes_no_longer_than_the_deadline(door):
    began = time.monotonic()
    kinds, error = waited_for(at(door(deaf)))
    assert kinds == {K.TIMED_OUT}
    assert "P1002" in error.what
    assert time.monotonic() - began < 30


def test_a_listener_that_closes_every_connection_is_waited_for(door):
    kinds, _ = waited_for(at(door(lambda _connection, _number: None)))
    assert kinds == {K.CLOSED}


@pytest.mark.parametrize("query", ["", "?sslmode=disable", "?sslmode=require"])
@pytest.mark.parametrize("trace", sorted({CAN_TRACE, False}))
def test_a_web_server_on_the_port_is_named_and_given_up(door, query, trace):
    url = at(door(http), query)
    with pytest.raises(AttemptError) as caught, session(url, 5, trace=trace):
        pass
    assert caught.value.failure.kind is K.NOT_POSTGRES
    with pytest.raises(DatabaseRejectedError, match="other than a Postgres server"):
        wait_until_ready(url, SHORT)


FAKES = [
    ("28P01", "Passwort-Authentifizierung für Benutzer »app« fehlgeschlagen", True, K.WRONG_PASSWORD),
    ("3D000", "Datenbank »shop« existiert nicht", True, K.NO_SUCH_DATABASE),
    ("28000", "kein pg_hba.conf-Eintrag für Host »127.0.0.1«, Benutzer »app«", False, K.NOT_ALLOWED),
    ("53300", "tut mir leid, schon zu viele Verbindungen", False, K.TOO_MANY_CONNECTIONS),
    ("57P03", "das Datenbanksystem startet", False, K.STARTING_UP),
    ("57P03", "das Datenbanksystem fährt herunter", False, K.SHUTTING_DOWN),
]


@pytest.mark.skipif(not CAN_TRACE, reason="the SQLSTATE of a translated message is in libpq's trace only")
@pytest.mark.parametrize(("sqlstate", "text", "after_password", "kind"), FAKES)
def test_a_fake_german_server_is_understood(door, sqlstate, text, after_password, kind):
    url = at(door(fakes.failing(sqlstate, text, severity="SCHWERWIEGEND", after_password=after_password)))
    with pytest.raises(AttemptError) as caught, session(url, 5):
        pass
    assert caught.value.failure.kind is kind


def test_a_fake_old_pgbouncer_is_understood(door):
    url = at(door(fakes.failing("08P01", "no such database: shop", severity="ERROR")))
    with pytest.raises(DatabaseRejectedError, match="P1003"):
        wait_until_ready(url, SHORT)


@pytest.mark.parametrize("source", ["PGPASSWORD", "PGPASSFILE", "~/.pgpass"])
def test_a_password_of_the_user_is_not_sent_to_the_host_of_a_url_without_one(
    door, monkeypatch, tmp_path, source
):
    received = []

    def asking(connection: socket.socket, number: int) -> None:
        fakes.read_startup(connection)
        connection.sendall(fakes.PASSWORD_WANTED)
        received.append(connection.recv(1000))

    file = tmp_path / ".pgpass"
    file.write_text("*:*:*:*:s3cret\n")
    file.chmod(0o600)
    value = {"PGPASSWORD": "s3cret", "PGPASSFILE": str(file), "~/.pgpass": str(tmp_path)}[source]
    monkeypatch.setenv("HOME" if source == "~/.pgpass" else source, value)
    url = DatabaseUrl.parse(f"postgresql://app@127.0.0.1:{door(asking)}/shop")
    with pytest.raises(DatabaseRejectedError, match="the URL has none") as caught:
        wait_until_ready(url, SHORT)
    assert not any(received)
    assert "PGPASSWORD" in caught.value.fix


def test_pghostaddr_does_not_lead_the_probe_of_a_socket_to_another_host(door, monkeypatch):
    port = door(fakes.failing("3D000", "no such database"))
    monkeypatch.setenv("PGHOSTADDR", "127.0.0.1")
    url = DatabaseUrl.parse(f"postgresql://app:s3cret@localhost:{port}/shop?host=/no-such-folder")
    with pytest.raises(AttemptError) as caught, session(url, 5):
        pass
    assert caught.value.failure.kind is K.NO_SOCKET


def test_a_fake_server_that_repeats_the_password_cannot_make_us_show_it(door):
    url = at(door(fakes.failing("28P01", "the password s3cret is wrong", after_password=True)))
    with pytest.raises(DatabaseRejectedError) as caught:
        wait_until_ready(url, SHORT)
    assert "s3cret" not in " ".join(caught.value.facts)
    assert "the password *** is wrong" in " ".join(caught.value.facts)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (socket.gaierror(socket.EAI_AGAIN, "Temporary failure"), K.NAME_LOOKUP),
        (socket.gaierror(socket.EAI_NONAME, "unknown"), K.NAME_UNKNOWN),
        (socket.gaierror(socket.EAI_NODATA, "no addresses"), K.NAME_UNKNOWN),
        (UnicodeError("label too long"), K.NAME_UNKNOWN),
    ],
)
def test_a_failed_look_up_is_waited_for(monkeypatch, error, kind):
    def fail(*_arguments, **_more):
        raise error

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    kinds, _ = waited_for(DatabaseUrl.parse("postgresql://u:p@db.example.com/d"))
    assert kinds == {kind}


def test_a_look_up_that_hangs_takes_no_longer_than_the_deadline_and_is_not_piled_up(monkeypatch):
    released, calls = threading.Event(), []

    def hang(*arguments, **_more):
        calls.append(arguments)
        released.wait(110)
        raise socket.gaierror(socket.EAI_AGAIN, "late")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    began = time.monotonic()
    try:
        kinds, _ = waited_for(DatabaseUrl.parse("postgresql://u:p@hanging.example.com/d"))
    finally:
        released.set()
    assert kinds == {K.NAME_LOOKUP}
    assert time.monotonic() - began < 60
    assert len(calls) == 1


class Interrupted(BaseException):
    """As InterruptedSwitchError no Exception: `Thread.start` handles those, and fails if the thread has begun by then."""


@pytest.mark.parametrize("where", ["connecting", "sleeping", "looking up"])
def test_a_signal_handler_that_raises_ends_the_wait_at_once(door, monkeypatch, where):
    released = threading.Event()
    if where == "looking up":
        # Nothing is found in the end; by then nobody waits for it.
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_a, **_k: released.wait(110) and [])
        url = DatabaseUrl.parse("postgresql://u:p@interrupted.example.com/d")
    else:
        url = at(door(deaf) if where == "connecting" else free_port())

    def interrupt(_number, _frame):
        raise Interrupted

    before = signal.signal(signal.SIGALRM, interrupt)
    began = time.monotonic()
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with pytest.raises(Interrupted):
            wait_until_ready(url, ProbeLimits(deadline=110, attempt_timeout=110))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        released.set()
    assert time.monotonic() - began < 60


class Clock:
    """Time that passes only in sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def ready(started: str = "1", uptime: float = 3600) -> probe.Ready:
    identity = Identity("d", "1", started, None, "18.4", in_recovery=False, read_only=False)
    return probe.Ready(identity, 1, (), uptime=uptime)


def on_a_still_clock(monkeypatch, kinds, limits, *, seconds_each=0.001):
    """Run a wait whose attempts end as `kinds` say, the last for ever."""
    clock = Clock()
    sleeps = []
    tried = []

    def ask_once(url, seconds, scripts):
        clock.now += seconds_each
        tried.append(kinds[min(len(tried), len(kinds) - 1)])
        if tried[-1] is None:
            return ready()
        raise AttemptError(tried[-1])

    with monkeypatch.context() as patch:
        patch.setattr(probe, "time", clock)
        patch.setattr(probe, "ask_once", ask_once)
        try:
            ended = wait_until_ready(at(1), limits, on_retry=lambda _a, _f, pause: sleeps.append(pause))
        except DatabaseNotReadyError as error:
            ended = error
    return sleeps, clock.now - 1000.0, ended


RETRIED = [kind for kind in K if kind.retry]


@given(
    kinds=st.lists(st.sampled_from(RETRIED), min_size=1, max_size=40),
    deadline=st.sampled_from((15.0, 30.0)),
)
def test_whatever_happens_there_are_no_more_than_20_attempts_in_15_seconds(kinds, deadline):
    with pytest.MonkeyPatch.context() as patch:
        sleeps, took, error = on_a_still_clock(patch, kinds, ProbeLimits(deadline=deadline))
    assert len(sleeps) + 1 <= 20 * deadline / 15
    assert took <= deadline
    assert isinstance(error, DatabaseNotReadyError)


BASES = (0.05, 0.1, 0.2, 0.4, 0.8, 1.25, 1.25)


def test_the_waits_grow_to_the_cap_and_the_last_attempt_is_just_before_the_deadline(monkeypatch):
    sleeps, took, _ = on_a_still_clock(monkeypatch, [K.CLOSED], ProbeLimits(deadline=15))
    for sleep, base in zip(sleeps, BASES, strict=False):
        assert base * 0.89 < sleep < base * 1.11
    assert max(sleeps) <= 1.25 * 1.1
    assert 14.5 < took <= 15
    assert 12 <= len(sleeps) <= 20


def test_news_starts_the_waits_from_the_beginning(monkeypatch):
    kinds = [K.CLOSED] * 7 + [K.STARTING_UP] * 2 + [None]
    sleeps, _, ended = on_a_still_clock(monkeypatch, kinds, ProbeLimits(deadline=15))
    assert sleeps[6] > 1
    assert sleeps[7] < 0.06
    assert ended.attempts == 10


def test_a_server_that_restarts_between_two_answers_has_to_answer_again(monkeypatch):
    started = iter(("1", "2", "2", "2"))

    monkeypatch.setattr(probe, "ask_once", lambda *_: ready(next(started), uptime=1))
    seen = []
    found = wait_until_ready(at(1), SHORT, on_retry=lambda _a, failure, _w: seen.append(failure.kind))
    assert seen == [K.RESTARTED]
    assert (found.attempts, found.identity.started_at) == (4, "2")
