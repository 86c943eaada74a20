"""What others wrote, or somebody pasted, is redacted before it is shown or stored."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from dbswitch.database.url import DatabaseUrl

if TYPE_CHECKING:
    from tests.cli.conftest import Folder
    from tests.support.postgres import ShopServer

SAYS = """
import sys
for line in open("says.txt"):
    print(line, end="", flush=True)
sys.exit(1)
"""


@pytest.mark.real
@pytest.mark.parametrize("arguments", [(), ("--json",)])
def test_the_log_tail_of_a_failed_start_holds_no_value_of_any_target(
    served: Folder, postgres_prod: ShopServer, arguments: tuple[str, ...]
) -> None:
    prod = DatabaseUrl.parse(postgres_prod.url)
    env = (served.root / ".env.local").read_text()
    served.write(".env.local", env + "BLOB_LOCAL=blob_local\nBLOB_PRODUCTION=blob_prod\nBLOB=blob_local\n")
    toml = (served.root / "dbswitch.toml").read_text()
    command = f"command = {json.dumps([sys.executable, '-c', SAYS])}\n"
    served.write("dbswitch.toml", "[server]\n" + command + "".join(toml.splitlines(keepends=True)[2:]))
    secrets = [
        prod.password.reveal(),
        postgres_prod.url.split("//")[1].split("@")[0].split(":")[1],
        "blob_prod",
    ]
    served.write(
        "says.txt",
        "\n".join(
            (
                "connecting with blob_prod",
                f"the password is {secrets[0]} or {secrets[1]}",
                f"failed: {postgres_prod.url}",
                "Authorization: Bearer s3cr3tb34r3r",
                '{"user":"x","password":"s3cr3tb34r3r"}',
            )
        )
        + "\n",
    )
    done = served.run("dev", "--detach", *arguments)
    shown = done.stdout + done.stderr
    assert "connecting with ***" in shown, shown
    for secret in (*secrets, "s3cr3tb34r3r"):
        assert secret not in shown
        for file in (served.root / ".dbswitch").rglob("*.jsonl"):
            assert secret not in file.read_text()


@pytest.mark.real
def test_a_pasted_url_is_not_repeated_by_the_refusal(served: Folder, postgres_prod: ShopServer) -> None:
    password = DatabaseUrl.parse(postgres_prod.url).password.reveal()
    for pasted in (postgres_prod.url, password, "postgresql://u:another@h/d"):
        done = served.run("prod", "--confirm", pasted)
        assert done.returncode == 9
        assert "something else is neither its name nor that of its database" in done.stderr
        assert pasted not in done.stdout + done.stderr
    done = served.run("prod", "--confirm", "shpo")
    assert "'shpo' is neither its name" in done.stderr
