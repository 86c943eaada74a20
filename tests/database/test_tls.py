"""What libpq and node-postgres make of TLS parameters, and the warning where they differ."""

from __future__ import annotations

import pytest

from dbswitch.database.tls import advice, libpq_view, node_view
from dbswitch.database.url import DatabaseUrl


@pytest.mark.parametrize(
    ("query", "libpq", "node", "warned"),
    [
        ("", "encrypted if the server offers it, checks nothing", "not encrypted", "Without sslmode"),
        ("sslmode=disable", "not encrypted", "not encrypted", None),
        ("sslmode=require", "encrypted always, checks nothing", "encrypted always, checks its authority and the host name", "the probe can pass"),
        ("sslmode=require&uselibpqcompat=true", "encrypted always, checks nothing", "encrypted always, checks nothing", None),
        ("sslmode=verify-full", "encrypted always, checks its authority and the host name", "encrypted always, checks its authority and the host name", None),
        ("sslmode=no-verify", "encrypted always, checks nothing", "encrypted always, checks nothing", None),
        ("ssl=false", "not encrypted", "encrypted always, checks its authority and the host name", "ssl=false"),
        ("sslmode=verify-full&sslrootcert=system", "encrypted always, checks its authority and the host name", "encrypted always, checks its authority and the host name", "sslrootcert=system"),
    ],
)  # fmt: skip
def test_each_client_reads_the_parameters_its_own_way(query, libpq, node, warned):
    url = DatabaseUrl.parse(f"postgresql://u:p@db.example.com/db?{query}")
    assert (str(libpq_view(url)), str(node_view(url))) == (libpq, node)
    if warned is None:
        assert advice(url) == ()
    else:
        assert any(warned in line for line in advice(url))
        assert any(warned in line for line in url.warnings())


def test_a_local_database_without_tls_is_no_cause_for_a_warning():
    assert advice(DatabaseUrl.parse("postgresql://u:p@localhost/db")) == ()
    assert str(libpq_view(DatabaseUrl.parse("postgresql://u@localhost/db?host=/run"))) == "not encrypted"
