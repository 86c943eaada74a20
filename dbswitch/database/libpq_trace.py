"""The SQLSTATE of a failed login: from libpq's trace, else from the English text of the message.

psycopg has no SQLSTATE for a connection that failed. The trace format is that of libpq's PQtrace ("Control Functions").
"""

from __future__ import annotations

import re
from typing import Final

from msgspec import Struct

_ERROR: Final = re.compile(
    rb'^B\t\d+\tErrorResponse\t.*? C "(?P<code>[0-9A-Z]{5})" M "(?P<message>.*?)"(?= [A-Z] "| \\x00|\n)(?P<rest>.*)$',
    re.MULTILINE,
)
_DETAIL: Final = re.compile(rb' D "(.*?)"(?= [A-Z] "| \\x00|$)')

_ENGLISH: Final = tuple(
    (re.compile(pattern, re.IGNORECASE), sqlstate)
    for pattern, sqlstate in (
        (r"FATAL: .*password authentication failed", "28P01"),
        (r"FATAL: .*database \".*\" does not exist", "3D000"),
        (r"FATAL: .*permission denied for database", "42501"),
        (r"FATAL: .*is not currently accepting connections", "55000"),
        (r"FATAL: .*(no pg_hba\.conf entry|role \".*\" does not exist|is not permitted to log in)", "28000"),
        (r"FATAL: .*the database system is", "57P03"),
        (r"FATAL: .*(unrecognized configuration parameter|invalid value for parameter)", "42704"),
        (r"FATAL: .*(too many clients|remaining connection slots|too many connections)", "53300"),
    )
)


class ErrorResponse(Struct, frozen=True):
    """The fields of a server's ErrorResponse that decide what a failure means."""

    sqlstate: str
    message: str = ""
    detail: str = ""


def errors_in_trace(trace: bytes) -> tuple[ErrorResponse, ...]:
    """Return the server's errors in a libpq trace, in their order."""
    found = []
    for match in _ERROR.finditer(trace):
        detail = _DETAIL.search(match["rest"])
        found.append(
            ErrorResponse(
                match["code"].decode(),
                match["message"].decode(errors="replace"),
                detail[1].decode(errors="replace") if detail else "",
            )
        )
    return tuple(found)


def error_in_message(message: str) -> tuple[ErrorResponse, ...]:
    """Return the error that libpq's English `message` reports; None if it is in another language or libpq's own.

    For macOS, where libpq cannot trace into memory.
    """
    known = next((sqlstate for pattern, sqlstate in _ENGLISH if pattern.search(message)), None)
    return () if known is None else (ErrorResponse(known, message),)
