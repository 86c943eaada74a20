"""The real node-postgres reads what dbswitch writes as dbswitch and libpq do."""

from __future__ import annotations

import json
import os
import random
import string
import subprocess
from pathlib import Path

import pytest

from dbswitch.database.tls import node_view
from dbswitch.database.url import DatabaseUrl, Secret
from tests.support.npm import node_modules_for

READER = Path(__file__).parents[1] / "node" / "pgurl"

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def read_in_node():
    modules = node_modules_for(READER)

    def read(texts):
        clean = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
        done = subprocess.run(
            ["node", "--no-warnings", str(READER / "read.cjs"), str(modules)],
            input=json.dumps(texts), env=clean, capture_output=True, text=True, check=True, timeout=60,
        )  # fmt: skip
        return json.loads(done.stdout)

    return read


def test_node_postgres_and_libpq_connect_to_the_same(read_in_node):
    chosen = random.Random(20)
    alphabet = string.printable.strip() + " é漢😀"
    hosts = (
        "localhost",
        "127.0.0.1",
        "::1",
        "2001:db8::17",
        "db.example.com",
        "/var/run/postgresql",
        "/tmp/a b@c",
    )

    def text(least):
        return "".join(chosen.choices(alphabet, k=chosen.randint(least, 16)))

    urls = [
        DatabaseUrl(
            user=text(1), password=Secret(text(1)), host=chosen.choice(hosts), port=chosen.randint(1, 65535),
            database="".join(chosen.choices(string.ascii_letters + string.digits + "_-", k=8)),
            parameters=(("schema", "x"), ("options", text(1))) if chosen.random() < 0.5 else (),
        )
        for _ in range(2000)
    ]  # fmt: skip
    for url, seen in zip(urls, read_in_node([url.env_form() for url in urls]), strict=True):
        libpq = url.libpq()
        assert [seen["user"], seen["password"], seen["host"], seen["port"], seen["database"], seen.get("options")] == [
            libpq["user"], libpq["password"], libpq["host"], int(libpq["port"]), libpq["dbname"], libpq.get("options"),
        ]  # fmt: skip


VIEWS = {
    "plain": "not encrypted",
    "unverified": "encrypted always, checks nothing",
    "authority": "encrypted always, checks its authority",
    "full": "encrypted always, checks its authority and the host name",
}


def test_the_model_of_node_postgres_tls_agrees_with_node_postgres(read_in_node, tmp_path):
    (tmp_path / "ca.pem").write_text("no certificate, but a file\n")
    modes = ("", "disable", "allow", "prefer", "require", "verify-ca", "verify-full", "no-verify")
    urls = [
        DatabaseUrl.parse(f"postgresql://u:p@h/db?sslmode={mode}&uselibpqcompat={compat}{rest}".replace("sslmode=&", ""))
        for mode in modes
        for compat in ("true", "false")
        for rest in (
            "", "&ssl=true", "&ssl=false", "&ssl=0", "&ssl=1", "&ssl=no-verify", "&sslnegotiation=direct",
            f"&sslrootcert={tmp_path}/ca.pem",
        )
    ]  # fmt: skip
    for url, seen in zip(urls, read_in_node([url.env_form() for url in urls]), strict=True):
        if (
            "error" in seen
        ):  # refuses verify-ca without a root certificate, and direct negotiation without TLS
            assert "verify-ca" in seen["error"] or "sslnegotiation=direct" in seen["error"]
        else:
            assert str(node_view(url)) == VIEWS[seen["ssl"]], url
