"""A server behind TLS is used as the URL says. The TLS is a relay's, so that any Postgres will do."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading

import pytest

from dbswitch.database.failures import AttemptError, FailureKind as K
from dbswitch.database.login import CAN_TRACE, session
from dbswitch.database.url import DatabaseUrl
from tests.database import fakes
from tests.database.conftest import open_door

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make a certificate")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=db.example.com",
         "-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")],
        check=True, capture_output=True,
    )  # fmt: skip
    return folder


@pytest.fixture
def port(server, certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")

    def terminate(connection: socket.socket, number: int) -> None:
        hello = connection.recv(8, socket.MSG_WAITALL)
        if hello != fakes.SSL_REQUEST:
            connection.recv(4096)
            connection.sendall(
                fakes.error("28000", 'no pg_hba.conf entry for host "127.0.0.1", no encryption')
            )
            return
        connection.sendall(b"S")
        with (
            context.wrap_socket(connection, server_side=True) as inside,
            socket.create_connection(("127.0.0.1", server.port)) as behind,
        ):
            back = threading.Thread(target=copy, args=(behind, inside))
            back.start()
            copy(inside, behind)
            behind.shutdown(socket.SHUT_RDWR)
            back.join()

    with open_door(terminate) as number:
        yield number


def copy(source: socket.socket, sink: socket.socket) -> None:
    try:
        while part := source.recv(65536):
            sink.sendall(part)
    except OSError:
        pass


@pytest.mark.parametrize("trace", sorted({CAN_TRACE, False}))
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", True),
        ("?sslmode=require", True),
        ("?ssl=true", True),
        ("?sslmode=disable", K.TLS_REQUIRED),
        ("?sslmode=verify-ca&sslrootcert=CERTIFICATE", True),
        ("?sslmode=verify-full&sslrootcert=CERTIFICATE", K.BAD_CERTIFICATE),
        ("?sslmode=verify-full&sslrootcert=/nowhere.pem", K.BAD_CERTIFICATE),
        ("?sslmode=verify-full&sslrootcert=system", K.BAD_CERTIFICATE),
    ],
)
def test_tls_is_used_and_checked_as_the_url_says(port, certificate, query, expected, trace):
    query = query.replace("CERTIFICATE", str(certificate / "cert.pem"))
    url = DatabaseUrl.parse(f"postgresql://app:s3cret@127.0.0.1:{port}/shop{query}")
    try:
        with session(url, 10, trace=trace) as asked:
            found = asked.encrypted
    except AttemptError as error:
        found = error.failure.kind
    assert found == expected


@pytest.mark.parametrize("trace", sorted({CAN_TRACE, False}))
def test_a_wrong_password_behind_tls_is_a_wrong_password(port, trace):
    # sslmode=prefer tries again without TLS, and the answer to that must not hide the first.
    url = DatabaseUrl.parse(f"postgresql://app:wrong@127.0.0.1:{port}/shop")
    with pytest.raises(AttemptError) as caught, session(url, 10, trace=trace):
        pass
    assert caught.value.failure.kind is K.WRONG_PASSWORD
