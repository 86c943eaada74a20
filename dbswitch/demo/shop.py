"""The demo's two databases: the same tables, different rows, so that an answer shows where it came from."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from dbswitch.demo.postgres import EmbeddedPostgres

# What `prisma migrate deploy` would have made; its schema engine is a download that a machine without internet lacks.
_MIGRATIONS_TABLE: Final = """
CREATE TABLE "_prisma_migrations" (
    id VARCHAR(36) PRIMARY KEY NOT NULL,
    checksum VARCHAR(64) NOT NULL,
    finished_at TIMESTAMPTZ,
    migration_name VARCHAR(255) NOT NULL,
    logs TEXT,
    rolled_back_at TIMESTAMPTZ,
    started_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    applied_steps_count INTEGER NOT NULL DEFAULT 0
)
"""


@dataclass(frozen=True, slots=True)
class Shop:
    """One database and what is in it; the role and its password exist on this server only."""

    name: str
    database: str
    role: str
    password: str
    items: tuple[tuple[str, int], ...]  # name, price in cents

    def url(self, server: EmbeddedPostgres) -> str:
        """Return the connection URL of this shop on `server`, secret included."""
        return server.url(self.database, user=self.role, password=self.password)


LOCAL: Final = Shop(
    name="Local test shop",
    database="shop_dev",
    role="shop_dev_app",
    password="local-demo",  # noqa: S106 (a throw-away server that listens on 127.0.0.1)
    items=(("Test teapot", 100), ("Test cup", 50)),
)
PROD: Final = Shop(
    name="Production shop",
    database="shop",
    role="shop_app",
    # Characters that env files and shells treat in different ways: the demo is a test as well.
    password="pr@d $demo#1",  # noqa: S106 (a throw-away server that listens on 127.0.0.1)
    items=(("Teapot", 3900), ("Cup", 1250), ("Saucer", 800)),
)


def fill(server: EmbeddedPostgres, shop: Shop) -> str:
    """Make the shop's role, database, tables and rows on a running server; return its URL. Raises psycopg.Error."""
    import psycopg
    from psycopg.sql import SQL, Identifier, Literal

    role, database = Identifier(shop.role), Identifier(shop.database)
    with server.connect() as admin:
        admin.execute(SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(role, Literal(shop.password)))
        admin.execute(SQL("CREATE DATABASE {} OWNER {}").format(database, role))
    with psycopg.connect(shop.url(server), autocommit=True) as connection:
        connection.execute(_MIGRATIONS_TABLE)
        scripts = Path(__file__).parent.glob("app/prisma/migrations/*/migration.sql")
        for script in sorted(scripts):
            connection.execute(script.read_bytes())
            connection.execute(
                'INSERT INTO "_prisma_migrations" (id, checksum, finished_at, migration_name, applied_steps_count)'
                " VALUES (gen_random_uuid()::text, %s, now(), %s, 1)",
                (sha256(script.read_bytes()).hexdigest(), script.parent.name),
            )
        connection.execute('INSERT INTO "Shop" (name) VALUES (%s)', (shop.name,))
        for name, cents in shop.items:
            connection.execute('INSERT INTO "Item" (name, cents, "shopId") VALUES (%s, %s, 1)', (name, cents))
    return shop.url(server)
