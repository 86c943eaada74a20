"""The little of Postgres' wire protocol that is needed to learn why a login failed, or whether one is taken at all.

Source: "Message Formats", protocol 3.0.

Two sources of a server's ErrorResponse: libpq's trace, and, where libpq cannot trace (macOS), a connection of one's own that
goes as far as the first answer. The latter never sends a password, so it sees what the server says before it asks for one.
"""

from __future__ import annotations

import re
import socket
import struct
import time
from typing import TYPE_CHECKING, Final

from msgspec import Struct

if TYPE_CHECKING:
    from dbswitch.database.url import DatabaseUrl

_SSL_REQUEST: Final = struct.pack("!II", 8, 80877103)
_PROTOCOL: Final = 196608
_AUTHENTICATION: Final = b"R"
_LONGEST_ERROR: Final = 30_000  # libpq's own limit for an ErrorResponse in this phase

_TRACED: Final = re.compile(
    rb'^B\t\d+\tErrorResponse\t.*? C "(?P<code>[0-9A-Z]{5})" M "(?P<message>.*?)"(?= [A-Z] "| \\x00|\n)(?P<rest>.*)$',
    re.MULTILINE,
)
_DETAIL: Final = re.compile(rb' D "(.*?)"(?= [A-Z] "| \\x00|$)')


class ServerError(Struct, frozen=True):
    """What of an ErrorResponse is looked at."""

    sqlstate: str
    message: str = ""
    detail: str = ""


def errors_in_trace(trace: bytes) -> tuple[ServerError, ...]:
    """Return the server's errors in a libpq trace, in their order."""
    found = []
    for match in _TRACED.finditer(trace):
        detail = _DETAIL.search(match["rest"])
        found.append(
            ServerError(
                match["code"].decode(),
                match["message"].decode(errors="replace"),
                detail[1].decode(errors="replace") if detail else "",
            )
        )
    return tuple(found)


# Only for servers that speak English; with a trace the SQLSTATE is known.
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


def ask_for_error(
    url: DatabaseUrl, address: str | None, until: float, message: str
) -> tuple[ServerError, ...]:
    """Find the SQLSTATE behind libpq's `message` without a trace.

    Args:
        url: the database.
        address: the host's address, None for a Unix socket.
        until: give up at this time (`time.monotonic()`).
        message: what libpq said.

    Returns:
        Nothing when the message did not come from a server that speaks the protocol, or nothing was learnt.
    """
    known = next((sqlstate for pattern, sqlstate in _ENGLISH if pattern.search(message)), None)
    if known is not None:
        return (ServerError(known, message),)
    if not re.search(r": +\w+: ", message):  # "FATAL:" in any language; libpq's own errors have no severity
        return ()
    try:
        _, error = _first_answer(url, address, until)
    except (OSError, ValueError):
        return ()
    if error is not None:
        return (error,)
    # It asked for a password or let us in: what failed came after that. Names are quoted in every language.
    names_database, names_user = _names(url.database, message), _names(url.user, message)
    if names_database == names_user:
        return ()
    return (ServerError("3D000" if names_database else "28P01", message),)


def takes_logins(url: DatabaseUrl, seconds: float) -> bool:
    """Return whether a server that speaks the protocol would go on with the login of this user to this database.

    It costs two messages and no library; whether the password is right is not asked. `seconds` bounds each step.
    """
    try:
        kind, _ = _first_answer(url, None if url.is_socket else url.host, time.monotonic() + seconds)
    except (OSError, ValueError):
        return False
    return kind == _AUTHENTICATION


def _names(name: str, message: str) -> bool:
    return (
        bool(name) and re.search(rf"(?<!\w){re.escape(name)}(?!\w)", message.rpartition(": ")[2]) is not None
    )


def _first_answer(url: DatabaseUrl, address: str | None, until: float) -> tuple[bytes, ServerError | None]:
    """Say hello; return the kind of the server's first message, and the error where it is one."""
    with _connect(url, address, until) as plain:
        stream = plain
        if not url.is_socket and url.libpq_sslmode != "disable":
            plain.sendall(_SSL_REQUEST)
            if plain.recv(1) == b"S":
                stream = _encrypted(plain, url.host)
        stream.sendall(startup_message({"user": url.user, "database": url.database}))
        stream.settimeout(max(0.001, until - time.monotonic()))
        head = _exactly(stream, 5)
        kind, length = head[:1], struct.unpack("!I", head[1:])[0]
        if kind != b"E" or not 4 <= length <= _LONGEST_ERROR:
            return kind, None
        return kind, error_response(_exactly(stream, length - 4))


def startup_message(parameters: dict[str, str]) -> bytes:
    """Return the StartupMessage with these parameters."""
    pairs = b"".join(f"{key}\0{value}\0".encode() for key, value in parameters.items() if value) + b"\0"
    return struct.pack("!II", len(pairs) + 8, _PROTOCOL) + pairs


def error_response(body: bytes) -> ServerError | None:
    """Read the body of an ErrorResponse; None where it has no SQLSTATE."""
    fields = {part[:1]: part[1:] for part in body.split(b"\0") if part}
    sqlstate = fields.get(b"C", b"").decode(errors="replace")
    if not re.fullmatch(r"[0-9A-Z]{5}", sqlstate):
        return None
    return ServerError(
        sqlstate,
        fields.get(b"M", b"").decode(errors="replace"),
        fields.get(b"D", b"").decode(errors="replace"),
    )


def _connect(url: DatabaseUrl, address: str | None, until: float) -> socket.socket:
    seconds = max(0.001, until - time.monotonic())
    if address is not None:
        return socket.create_connection((address, url.port), timeout=seconds)
    stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    stream.settimeout(seconds)
    try:
        stream.connect(f"{url.host}/.s.PGSQL.{url.port}")
    except OSError:
        stream.close()
        raise
    return stream


def _encrypted(plain: socket.socket, host: str) -> socket.socket:
    import ssl

    context = ssl.create_default_context()
    # Nothing secret is sent here, and whether the certificate is good has been libpq's question already.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(plain, server_hostname=host)


def _exactly(stream: socket.socket, count: int) -> bytes:
    found = b""
    while len(found) < count:
        part = stream.recv(count - len(found))
        if not part:
            raise ValueError("the server closed the connection")
        found += part
    return found
