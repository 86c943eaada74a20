"""Every command says the same about a healthy server, whether it is seconds, minutes or days old."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from dbswitch.server.spec import ServerLimits
from tests.generate.admin import LONG, generate, serve

if TYPE_CHECKING:
    from tests.e2e.conftest import GeneratedOnLocal
    from tests.support.nextapp import AppFolder, NextApp
    from tests.support.postgres import ShopServer

pytestmark = [pytest.mark.real, pytest.mark.slow]

# dbswitch with every process that much older than it is.
OLDER = """
import sys
from dbswitch.__main__ import main
from dbswitch.server import observation
real, seconds = observation.age, float(sys.argv.pop(1))
observation.age = lambda process: real(process) + seconds
sys.exit(main(sys.argv[1:]))
"""
PAST_EVERY_LIMIT = ServerLimits().ready + 10


def dbswitch(app: AppFolder, added_age: float, *arguments: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-c", OLDER, str(added_age), *arguments],
        cwd=app.root,
        env=app.environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LONG,
    )
    assert done.returncode == 0, done.stderr
    return done


def assert_hot_everywhere(app: AppFolder, added_age: float, prod: ShopServer, local: ShopServer) -> None:
    """`status`, a dry run, a switch and `--hot` agree that the server is well, and it is kept."""
    before = [process.pid for process in app.next_servers()]
    confirm = ("--confirm", prod.shop.database)
    assert json.loads(dbswitch(app, added_age, "status", "--json").stdout)["server"]["state"] == "ready"
    assert "keep the dev server" in dbswitch(app, added_age, "prod", "--dry-run", "-v").stderr
    for arguments, server in (
        (("prod", *confirm), prod),
        (("local", "--hot"), local),
    ):
        done = dbswitch(app, added_age, *arguments, "--json")
        result = json.loads(done.stdout.splitlines()[-1])
        assert (result["mode"], result["verified"]) == ("hot", True), done.stdout
        app.assert_answers_from(server)
    assert [process.pid for process in app.next_servers()] == before


def test_a_healthy_server_is_switched_hot_at_any_age(
    generated_on_local: GeneratedOnLocal, postgres_local: ShopServer, postgres_prod: ShopServer
) -> None:
    app = generated_on_local(postgres_prod.url)
    for added_age in (0, 10 * 86400):
        assert_hot_everywhere(app, added_age, postgres_prod, postgres_local)


@pytest.mark.sweep
def test_a_healthy_server_is_switched_hot_after_every_limit_has_passed_in_real_time(
    next_app: NextApp, postgres_local: ShopServer, postgres_prod: ShopServer
) -> None:
    app = generate(next_app(local=postgres_local.url, prod=postgres_prod.url), "client", "page")
    admin = serve(app)
    began = time.monotonic()
    before = [process.pid for process in app.next_servers()]
    while time.monotonic() - began < PAST_EVERY_LIMIT:
        time.sleep(0.5)
    assert_hot_everywhere(app, 0, postgres_prod, postgres_local)
    for target, server in (("prod", postgres_prod), ("local", postgres_local)):
        said = admin.post(target, confirm=server.shop.database if target == "prod" else None, mode="hot")
        assert said.status == 202, said
        result = admin.finish(said.body["id"])
        assert (result["mode"], result["verified"]) == ("hot", True)
        app.assert_answers_from(server)
    assert [process.pid for process in app.next_servers()] == before
