"""Fake servers that speak just enough of the wire protocol to fail in a chosen way. Named as fake: none is a Postgres."""

from __future__ import annotations

import socket
import struct

SSL_REQUEST = struct.pack("!II", 8, 80877103)


def message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!I", len(body) + 4) + body


def error(sqlstate: str, text: str, *, severity: str = "FATAL", detail: str = "") -> bytes:
    fields = {b"S": severity, b"V": "FATAL", b"C": sqlstate, b"M": text, b"D": detail}
    body = b"".join(key + value.encode() + b"\0" for key, value in fields.items() if value) + b"\0"
    return message(b"E", body)


PASSWORD_WANTED = message(b"R", struct.pack("!I", 3))


def read_startup(connection: socket.socket) -> bytes:
    """Refuse TLS and return the StartupMessage."""
    while True:
        (length,) = struct.unpack("!I", connection.recv(4, socket.MSG_WAITALL))
        packet = connection.recv(length - 4, socket.MSG_WAITALL)
        if struct.pack("!I", length) + packet != SSL_REQUEST:
            return packet
        connection.sendall(b"N")


def failing(
    sqlstate: str, text: str, *, severity: str = "FATAL", detail: str = "", after_password: bool = False
):
    """A fake server that answers every login with one error."""

    def answer(connection: socket.socket, number: int) -> None:
        read_startup(connection)
        if after_password:
            connection.sendall(PASSWORD_WANTED)
            connection.recv(1000)
        connection.sendall(error(sqlstate, text, severity=severity, detail=detail))

    return answer
