"""SQLSTATEs are found in libpq's trace."""

from __future__ import annotations

from hypothesis import given, strategies as st

from dbswitch.database.login import ErrorResponse, errors_in_message, errors_in_trace

TRACE = (
    b"F\t8\tSSLRequest\t 1234 5679\nB\t1\tSSLResponse\t N\n"
    b'F\t14\tPasswordMessage\t "B 1 ErrorResponse C \\"00000\\""\n'
    b'B\t103\tErrorResponse\t S "FATAL" V "FATAL" C "57P03" M "the "database" is not accepting" D "Hot standby mode is '
    b'disabled." F "postmaster.c" L "1" R "x" \\x00\n'
)


def test_the_trace_gives_the_sqlstate_the_message_and_the_detail():
    assert errors_in_trace(TRACE) == [
        ErrorResponse("57P03", 'the "database" is not accepting', "Hot standby mode is disabled.")
    ]


def test_a_message_cannot_pass_for_another_sqlstate():
    forged = b'B\t9\tErrorResponse\t S "FATAL" V "FATAL" C "57P03" M "x C "28P01" M "y" F "z" \\x00\n'
    assert [error.sqlstate for error in errors_in_trace(forged)] == ["57P03"]


def test_several_errors_keep_their_order():
    assert [error.sqlstate for error in errors_in_trace(TRACE + TRACE.replace(b"57P03", b"28000"))] == [
        "57P03",
        "28000",
    ]


@given(st.binary(max_size=200))
def test_any_bytes_can_be_read_without_an_exception(noise):
    errors_in_trace(noise)
    errors_in_trace(b"B\t9\tErrorResponse\t" + noise)
    errors_in_message(noise.decode(errors="replace"))
