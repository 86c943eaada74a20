"""A failed connection is judged by what is known of it."""

from __future__ import annotations

import re

import pytest

from dbswitch.database.failures import AttemptError, FailureKind as K, classify, explain
from dbswitch.errors import DatabaseNotReadyError, DatabaseRejectedError, ExitCode

AT = 'connection to server at "127.0.0.1", port 5432 failed: '


@pytest.mark.parametrize(
    ("sqlstate", "message", "detail", "kind", "code", "retry"),
    [
        ("28P01", 'password authentication failed for user "u"', "", K.WRONG_PASSWORD, "P1000", False),
        ("28P01", "Passwort-Authentifizierung für Benutzer »u« fehlgeschlagen", "", K.WRONG_PASSWORD, "P1000", False),
        ("28000", 'role "u" does not exist', "", K.NO_SUCH_ROLE, "P1000", False),
        ("28000", 'no pg_hba.conf entry for host "1.2.3.4", user "u", database "d", no encryption', "", K.TLS_REQUIRED, "P1011", False),
        ("28000", 'no pg_hba.conf entry for host "1.2.3.4", user "u", database "d", SSL encryption', "", K.NOT_ALLOWED, "P1010", False),
        ("28000", "kein pg_hba.conf-Eintrag für Host", "", K.NOT_ALLOWED, "P1010", False),
        ("3D000", "Datenbank »d« existiert nicht", "", K.NO_SUCH_DATABASE, "P1003", False),
        ("42501", 'permission denied for database "d"', "", K.NOT_ALLOWED, "P1010", False),
        ("55000", 'database "d" is not currently accepting connections', "", K.DATABASE_CLOSED, "P1010", False),
        ("57P03", "the database system is starting up", "", K.STARTING_UP, "P1001", True),
        ("57P03", "das Datenbanksystem startet", "", K.STARTING_UP, "P1001", True),
        ("57P03", "the database system is shutting down", "", K.SHUTTING_DOWN, "P1001", True),
        ("57P03", "the database system is not yet accepting connections", "Consistent recovery state has not been yet reached.", K.STARTING_UP, "P1001", True),
        ("57P03", "the database system is not yet accepting connections", "Recovery snapshot is not yet ready for hot standby.", K.STARTING_UP, "P1001", True),
        ("57P03", "the database system is not accepting connections", "Hot standby mode is disabled.", K.STANDBY_CLOSED, "P1001", False),
        ("57P01", "terminating connection due to administrator command", "", K.TERMINATED, "P1017", True),
        ("53300", "sorry, too many clients already", "", K.TOO_MANY_CONNECTIONS, "P2037", True),
        ("53200", "out of memory", "", K.OVERLOADED, "P1001", True),
        ("42704", 'unrecognized configuration parameter "x"', "", K.BAD_PARAMETER, "P1013", False),
        ("08006", "connection failure", "", K.CLOSED, "P1017", True),
        ("99999", "never heard of", "", K.UNKNOWN, "P1001", True),
        # PgBouncer before 1.19 has one SQLSTATE for everything; Supavisor and Neon use XX000.
        ("08P01", "no such database: shop", "", K.NO_SUCH_DATABASE, "P1003", False),
        ("08P01", "no such user", "", K.WRONG_PASSWORD, "P1000", False),
        ("08P01", "SASL authentication failed", "", K.WRONG_PASSWORD, "P1000", False),
        ("08P01", "no more connections allowed (max_client_conn)", "", K.TOO_MANY_CONNECTIONS, "P2037", True),
        ("08P01", "unsupported startup parameter: options", "", K.BAD_PARAMETER, "P1013", False),
        ("08P01", "SSL required", "", K.TLS_REQUIRED, "P1011", False),
        ("08P01", "server login has been failing, try again later (server_login_retry)", "", K.POOLER_WAITING, "P1001", True),
        ("08P01", "server login failed: FATAL the database system is starting up", "", K.POOLER_WAITING, "P1001", True),
        ("08P01", "pgbouncer cannot connect to server", "", K.POOLER_WAITING, "P1001", True),
        ("08P01", "query_wait_timeout", "", K.POOLER_WAITING, "P1001", True),
        ("XX000", "Tenant or user not found", "", K.WRONG_PASSWORD, "P1000", False),
        ("XX000", "something internal", "", K.UNKNOWN, "P1001", True),
    ],
)  # fmt: skip
def test_a_servers_error_is_judged_by_its_sqlstate(sqlstate, message, detail, kind, code, retry):
    found = classify(message, sqlstate, detail)
    assert (found, found.prisma_code, found.retry) == (kind, code, retry)


@pytest.mark.parametrize(
    ("message", "kind", "retry"),
    [
        (AT + "Connection refused\n\tIs the server running on that host and accepting TCP/IP connections?", K.REFUSED, True),
        ('connection to server on socket "/run/.s.PGSQL.5432" failed: No such file or directory', K.NO_SOCKET, True),
        ('connection to server on socket "/run/.s.PGSQL.5432" failed: Permission denied', K.SOCKET_DENIED, False),
        (AT + "server closed the connection unexpectedly\n\tThis probably means ...", K.CLOSED, True),
        (AT + "could not receive data from server: Connection reset by peer", K.CLOSED, True),
        (AT + "SSL SYSCALL error: EOF detected", K.CLOSED, True),
        (AT + "server sent an error response during SSL exchange", K.CLOSED, True),
        (AT + "timeout expired", K.TIMED_OUT, True),
        (AT + "Connection timed out", K.TIMED_OUT, True),
        (AT + "No route to host", K.UNREACHABLE, True),
        (AT + "Network is unreachable", K.UNREACHABLE, True),
        (AT + "server does not support SSL, but SSL was required", K.TLS_NOT_OFFERED, False),
        (AT + "SSL error: certificate verify failed", K.BAD_CERTIFICATE, False),
        (AT + 'server certificate for "a" does not match host name "b"', K.BAD_CERTIFICATE, False),
        (AT + 'root certificate file "/home/u/.postgresql/root.crt" does not exist', K.BAD_CERTIFICATE, False),
        (AT + "SSL error: wrong version number", K.TLS_FAILED, False),
        (AT + "received invalid response to SSL negotiation: H", K.NOT_POSTGRES, False),
        (AT + "expected authentication request from server, but received H", K.NOT_POSTGRES, False),
        (AT + "fe_sendauth: no password supplied", K.NO_PASSWORD, False),
        (AT + "authentication method 13 not supported", K.LOGIN_METHOD, False),
        (AT + "channel binding required, but server did not offer an authentication method that supports it", K.LOGIN_METHOD, False),
        ('invalid connection option "schema"', K.BAD_PARAMETER, False),
        ("", K.UNKNOWN, True),
        ("no idea", K.UNKNOWN, True),
    ],
)  # fmt: skip
def test_without_a_server_error_libpqs_own_words_decide(message, kind, retry):
    found = classify(message)
    assert (found, found.retry) == (kind, retry)


@pytest.mark.parametrize("kind", list(K))
def test_every_kind_has_a_verdict_with_a_prisma_code_and_words(kind):
    assert re.fullmatch(r"P[12]\d{3}", kind.prisma_code)
    assert kind.text
    assert kind.fix or kind.retry


def test_a_servers_words_are_shown_short_and_without_control_characters():
    said = AttemptError(K.UNKNOWN, "\n\n" + AT + "\x1b[31mred\x07 " + "x" * 500 + "\nsecond").failure.said
    assert said.startswith("?[31mred? xx")
    assert said.endswith("…")
    assert len(said) == 200


def test_the_error_for_people_says_whether_waiting_was_tried():
    rejected = explain(AttemptError(K.WRONG_PASSWORD, "no").failure, "postgresql://u:***@h/d")
    assert isinstance(rejected, DatabaseRejectedError)
    assert "(P1000)" in rejected.what
    late = explain(AttemptError(K.REFUSED).failure, "postgresql://u:***@h/d", "3 attempts in 1.0 s")
    assert isinstance(late, DatabaseNotReadyError)
    assert late.facts == ("postgresql://u:***@h/d", "3 attempts in 1.0 s")
    assert {rejected.exit_code, late.exit_code} == {ExitCode.DATABASE}
