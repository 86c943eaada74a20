"""The name of the environment that a database carries."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from dbswitch.project.environment_mark import contradicts

if TYPE_CHECKING:
    from tests.cli.conftest import Folder
    from tests.support.postgres import FreshPostgres, ShopServer


@pytest.fixture
def project(folder: Folder, fresh_postgres: FreshPostgres) -> tuple[Folder, ShopServer]:
    server = fresh_postgres()
    folder.write("env/prod.env", f'DATABASE_URL="{server.url}"\n')
    return folder, server


def local_on(folder: Folder, url: str) -> None:
    folder.write("env/local.env", f'DATABASE_URL="{url}"\n')


def protected(folder: Folder) -> dict[str, bool]:
    _, [found] = folder.json("targets")
    return {one["name"]: one["protected"] for one in found["targets"]}


def marks(server: ShopServer) -> tuple[object, object]:
    """The setting and the comment of the database."""
    settings = server.server.execute("SELECT setconfig FROM pg_db_role_setting WHERE setrole = 0")
    comment = server.server.execute(
        "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s",
        (server.shop.database,),
    )
    return settings[0][0] if settings else None, comment[0][0]


@pytest.mark.parametrize(
    ("environment", "target", "aliases", "expected"),
    [
        (None, "local", (), False),
        ("prod", "prod", (), False),
        ("production", "prod", (), False),
        ("PROD", "production", (), False),
        ("live", "prod", ("live",), False),
        ("prod", "local", (), True),
        ("local", "prod", (), True),
        ("staging", "prod", (), True),
    ],
)
def test_a_mark_fits_the_names_of_its_target_only(environment, target, aliases, expected):
    assert contradicts(environment, target, aliases) is expected


def test_a_target_called_local_whose_database_says_prod_is_refused_with_both_facts(
    project: tuple[Folder, ShopServer],
) -> None:
    folder, server = project
    assert folder.json("mark", "prod")[0] == 9
    assert marks(server) == (None, None)
    code, [answer] = folder.json("mark", "prod", "--confirm", "prod")
    assert (code, answer["environment"], answer["before"]) == (0, "prod", None)
    assert marks(server) == (None, "dbswitch.environment=prod")  # the owner is no superuser
    assert folder.json("prod", "--confirm", "prod")[0] == 0

    local_on(folder, server.url)
    before = (folder.root / ".env.local").read_bytes()
    code, events = folder.json("local", "--confirm", "local")
    error = events[-1]["error"]
    assert (code, error["what"]) == (9, "the database of local is marked as prod"), events
    assert error["facts"][0].startswith("the target: local is postgresql://")
    assert error["facts"][1] == "the database: dbswitch.environment = 'prod'"
    assert (folder.root / ".env.local").read_bytes() == before
    code, report = folder.json("doctor")
    ids = {finding["id"] for finding in report[-1]["findings"]}
    assert "marker-contradicts" in ids


def test_a_database_that_said_it_is_production_protects_every_target_that_leads_to_it(
    folder: Folder, fresh_postgres: FreshPostgres
) -> None:
    server = fresh_postgres()
    folder.write("env/stage.env", f'DATABASE_URL="{server.url}"\n')
    local_on(folder, server.url)
    assert protected(folder)["stage"] is False
    server.server.execute(
        "ALTER DATABASE shop_2 SET dbswitch.environment = 'live'".replace("shop_2", server.shop.database)
    )
    assert folder.json("stage")[0] == 9  # the probe read the mark
    assert protected(folder)["stage"] is False  # a refused switch stores nothing
    folder.write("dbswitch.toml", '[targets.stage]\naliases = ["live"]\n')
    assert folder.json("stage")[0] == 0
    assert protected(folder)["stage"] is True
    assert protected(folder)["local"] is True
    subprocess.run(["git", "init", "--quiet"], cwd=folder.root, check=True)
    assert "active-protected" in folder.run("check", "--all").stdout


def test_the_mark_of_another_environment_is_replaced_with_its_name_only(
    project: tuple[Folder, ShopServer],
) -> None:
    folder, server = project
    folder.json("mark", "prod", "--confirm", "prod")
    folder.write("env/preview.env", f'DATABASE_URL="{server.url}"\n')
    folder.write("dbswitch.toml", "[targets.preview]\nprotected = false\n")
    for given in ((), ("--confirm", "preview")):
        code, events = folder.json("mark", "preview", *given)
        assert (code, events[-1]["error"]["fix"]) == (9, "dbswitch mark preview --confirm prod")
    assert folder.json("mark", "preview", "--confirm", "prod")[0] == 0
    assert folder.json("preview")[0] == 0
    assert folder.json("mark", "preview", "--remove")[0] == 0
    assert marks(server) == (None, None)


def test_a_superuser_stores_a_setting_and_the_owners_comment_stays(
    folder: Folder, fresh_postgres: FreshPostgres
) -> None:
    server = fresh_postgres()
    local_on(folder, server.url)
    server.server.execute(f"COMMENT ON DATABASE {server.shop.database} IS 'the shop'")
    assert folder.json("mark", "local")[0] == 0
    assert marks(server) == (None, "the shop\ndbswitch.environment=local")
    local_on(folder, server.server.url(server.shop.database))
    assert folder.json("mark", "local")[0] == 0
    assert marks(server) == (["dbswitch.environment=local"], "the shop")
    assert folder.json("local")[0] == 0


def test_a_role_that_does_not_own_the_database_is_told_so(
    folder: Folder, fresh_postgres: FreshPostgres
) -> None:
    server = fresh_postgres()
    server.server.create_role("guest", "guest")
    guest = server.server.url(server.shop.database, user="guest", password="guest")
    local_on(folder, guest)
    code, events = folder.json("mark", "local")
    assert code == 4
    assert events[-1]["error"]["what"] == f"the role guest may not mark {server.shop.database}"
