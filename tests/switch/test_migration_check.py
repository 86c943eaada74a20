"""The five states of migrations, against a real `_prisma_migrations` table, at a switch."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.cli.conftest import Folder
    from tests.support.postgres import FreshPostgres, ShopServer

SCRIPT = b"SELECT 1;\n"
DIGEST = hashlib.sha256(SCRIPT).hexdigest()
CONFIRM = ("--confirm", "prod")
SCHEMA = 'datasource db {\n  provider = "postgresql"\n  url = env("DATABASE_URL")\n}\n'

STATES = {
    "pending": ((), "prod lacks 1 migration of this branch"),
    "failed": (("20990101_one", DIGEST, "NULL", "NULL"), "prod has 1 migration that failed"),
    "rolled back": (
        ("20990101_one", DIGEST, "NULL", "now()"),
        "prod lacks 1 migration of this branch (1 of them rolled back)",
    ),
    "edited": (
        ("20990101_one", "0" * 64, "now()", "NULL"),
        "prod has applied 1 migration that was edited since",
    ),
    "unknown here": (
        ("20990102_other", DIGEST, "now()", "NULL"),
        ("prod lacks 1 migration of this branch and has applied 1 migration that this branch does not have"),
    ),
}


def project(folder: Folder, prod: ShopServer, *, required: bool = False) -> None:
    folder.write(
        "package.json",
        '{"dependencies": {"next": "16.0.7", "prisma": "6.19.0"}, "scripts": {"dev": "next dev"}}',
    )
    folder.write("prisma/schema.prisma", SCHEMA)
    folder.write("prisma/migrations/20990101_one/migration.sql", SCRIPT.decode())
    folder.write("env/prod.env", f'DATABASE_URL="{prod.url}"\n')
    if required:
        text = (folder.root / "dbswitch.toml").read_text()
        folder.write("dbswitch.toml", f"{text}[targets.prod]\nrequire_migrated = true\n")


def table(prod: ShopServer, row: tuple[str, ...]) -> None:
    statements = ["DELETE FROM _prisma_migrations"]
    if row:
        name, checksum, finished, rolled_back = row
        statements.append(
            "INSERT INTO _prisma_migrations (id, migration_name, checksum, finished_at, rolled_back_at)"
            f" VALUES ('1', '{name}', '{checksum}', {finished}, {rolled_back})"
        )
    with prod.server.connect(prod.shop.database) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def notices(events: list[dict[str, object]]) -> list[object]:
    return [event["text"] for event in events if event.get("code") == "migrations"]


def test_each_state_is_one_line_of_the_verdict_and_require_migrated_refuses_it(
    folder: Folder, fresh_postgres: FreshPostgres
) -> None:
    prod = fresh_postgres()
    project(folder, prod)
    for row, line in STATES.values():
        table(prod, row)
        code, events = folder.json("prod", *CONFIRM)
        assert code == 0, events
        assert notices(events) == [line]
    shown = folder.run("prod", *CONFIRM, "--quiet").stderr.splitlines()
    assert shown[-1] == f"warning: {STATES['unknown here'][1]}"
    assert sum("migration" in one for one in shown) == 1

    before = (folder.root / ".env.local").read_bytes()
    project(folder, prod, required=True)
    for row, line in STATES.values():
        table(prod, row)
        code, events = folder.json("prod", *CONFIRM)
        assert (code, events[-1]["error"]["what"]) == (9, line)
        assert (folder.root / ".env.local").read_bytes() == before


def test_a_database_in_step_is_not_mentioned_and_one_without_the_table_lacks_everything(
    folder: Folder, fresh_postgres: FreshPostgres
) -> None:
    prod = fresh_postgres()
    project(folder, prod, required=True)
    table(prod, ("20990101_one", DIGEST, "now()", "NULL"))
    code, events = folder.json("prod", *CONFIRM)
    assert (code, notices(events)) == (0, [])
    with prod.server.connect(prod.shop.database) as connection:
        connection.execute("DROP TABLE _prisma_migrations")
    code, events = folder.json("prod", *CONFIRM)
    assert (code, events[-1]["error"]["facts"]) == (9, ["20990101_one", "nothing was changed"])


def test_migrations_that_cannot_be_read_are_a_warning_and_do_not_satisfy_require_migrated(
    folder: Folder, fresh_postgres: FreshPostgres
) -> None:
    prod = fresh_postgres()
    project(folder, prod)
    with prod.server.connect(prod.shop.database) as connection:
        connection.execute("ALTER TABLE _prisma_migrations OWNER TO postgres")
    code, events = folder.json("prod", *CONFIRM)
    assert code == 0, events
    assert "permission denied" in str(notices(events))
    project(folder, prod, required=True)
    assert folder.json("prod", *CONFIRM)[0] == 9
