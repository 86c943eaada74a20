"""SQLSTATEs are found in libpq's trace and in a server's first answer."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from dbswitch.database.url import DatabaseUrl
from dbswitch.database.wire import (
    ServerError,
    error_response,
    errors_in_trace,
    startup_message,
    takes_logins,
)
from dbswitch.demo.postgres import free_port
from tests.database import fakes
from tests.database.conftest import url_for

TRACE = (
    b"F\t8\tSSLRequest\t 1234 5679\nB\t1\tSSLResponse\t N\n"
    b'F\t14\tPasswordMessage\t "B 1 ErrorResponse C \\"00000\\""\n'
    b'B\t103\tErrorResponse\t S "FATAL" V "FATAL" C "57P03" M "the "database" is not accepting" D "Hot standby mode is '
    b'disabled." F "postmaster.c" L "1" R "x" \\x00\n'
)


def test_the_trace_gives_the_sqlstate_the_message_and_the_detail():
    assert errors_in_trace(TRACE) == (
        ServerError("57P03", 'the "database" is not accepting', "Hot standby mode is disabled."),
    )


def test_a_message_cannot_pass_for_another_sqlstate():
    forged = b'B\t9\tErrorResponse\t S "FATAL" V "FATAL" C "57P03" M "x C "28P01" M "y" F "z" \\x00\n'
    assert [error.sqlstate for error in errors_in_trace(forged)] == ["57P03"]


def test_several_errors_keep_their_order():
    assert [error.sqlstate for error in errors_in_trace(TRACE + TRACE.replace(b"57P03", b"28000"))] == [
        "57P03",
        "28000",
    ]


@given(st.binary(max_size=200))
def test_no_trace_and_no_answer_makes_the_reader_fall(noise):
    errors_in_trace(noise)
    errors_in_trace(b"B\t9\tErrorResponse\t" + noise)
    error_response(noise)


def test_an_error_response_is_read():
    body = fakes.error("28P01", "nein", detail="weil")[5:]
    assert error_response(body) == ServerError("28P01", "nein", "weil")
    assert error_response(b"Mno code\0\0") is None


def test_the_startup_message_leaves_out_what_is_empty():
    assert startup_message({"user": "", "database": "d"}) == b"\0\0\0\x14\0\x03\0\0database\0d\0\0"


@pytest.mark.parametrize("query", ["", "?sslmode=disable", "?sslmode=prefer"])
def test_a_server_takes_the_login_of_whoever_may_have_to_give_a_password(server, query):
    assert takes_logins(url_for(server, query=query), 10)
    assert takes_logins(url_for(server, password="wrong", query=query), 10)


@pytest.mark.parametrize(
    "answer",
    [
        fakes.failing("57P03", "the database system is starting up"),
        fakes.failing("no code", "what is this"),
        lambda connection, _number: connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
        lambda connection, _number: connection.close(),
        lambda _connection, _number: None,
    ],
    ids=["starting up", "an error without a code", "http", "closes", "silent and gone"],
)
def test_whoever_does_not_ask_for_the_login_takes_none(door, answer):
    assert not takes_logins(DatabaseUrl.parse(f"postgresql://u:p@127.0.0.1:{door(answer)}/d"), 10)


def test_nobody_at_the_port_takes_no_login():
    assert not takes_logins(DatabaseUrl.parse(f"postgresql://u:p@127.0.0.1:{free_port()}/d"), 10)
