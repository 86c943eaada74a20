"""The identity route asks a client that the project made itself, and what cannot be asked is no database that is down."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.support.nextapp import AppFolder, NextApp
    from tests.support.postgres import ShopServer

pytestmark = [pytest.mark.real, pytest.mark.slow]

LONG = 240.0

OBJECT = """
import { PrismaPg } from "@prisma/adapter-pg";
import { PrismaClient } from "../generated/prisma/client";

const client = new PrismaClient({ adapter: new PrismaPg({ connectionString: process.env.DATABASE_URL }) });

export default { client, name: "helpers", rawQuery: (sql: string) => client.$queryRawUnsafe(sql) };
"""
HIDDEN = OBJECT.replace("{ client, name", "{ get: () => client, name")


def own_client(app: AppFolder, text: str, access: str) -> None:
    app.write("lib/prisma.ts", text)
    shop = app.read("lib/shop.ts")
    line = shop.splitlines()[0]
    body = shop.removeprefix(line) if line.startswith("import") else shop
    body = body.replace(body[: body.index("export async")], "\n")
    app.write("lib/shop.ts", f'import helpers from "@/lib/prisma";\nconst prisma = helpers.{access};\n{body}')


def test_a_client_inside_an_exported_object_is_found_and_one_that_is_not_cannot_be_asked(
    next_app: NextApp, postgres_local: ShopServer, postgres_prod: ShopServer
) -> None:
    app = next_app(local=postgres_local.url, prod=postgres_prod.url)
    own_client(app, OBJECT, "client")
    for arguments in (("init", "--yes"), ("generate", "route", "--identity-only")):
        done = app.dbswitch(*arguments, timeout=LONG)
        assert done.returncode == 0, done.stderr
    types = subprocess.run(
        ["node_modules/.bin/tsc", "--noEmit", "--skipLibCheck"],
        cwd=app.root,
        capture_output=True,
        text=True,
        timeout=LONG,
    )
    assert "api/dbswitch" not in types.stdout, types.stdout
    done = app.dbswitch("dev", "--detach", timeout=LONG)
    assert done.returncode == 0, done.stderr
    code, events = app.events("prod", "--confirm", postgres_prod.shop.database, timeout=LONG)
    assert (code, events[-1]["verified"], events[-1]["mode"]) == (0, True, "restart"), events
    app.assert_answers_from(postgres_prod)

    own_client(app, HIDDEN, "get()")
    code, events = app.events("local", timeout=LONG)
    assert (code, events[-1]["outcome"], events[-1]["verified"]) == (0, "switched", None), events
    [notice] = [event for event in events if event.get("code") == "not-asked"]
    assert "lib/prisma.ts exports no Prisma client" in notice["text"]
    assert "cannot reach its database" not in str(events)
    app.assert_answers_from(postgres_local)


def test_an_app_that_chooses_its_database_by_itself_is_rolled_back_soon_and_the_lines_are_named(
    next_app: NextApp, postgres_local: ShopServer, postgres_prod: ShopServer
) -> None:
    app = next_app(local=postgres_local.url, prod=postgres_prod.url)
    own_client(app, OBJECT.replace("env.DATABASE_URL", "env.DATABASE_URL_LOCAL"), "client")
    for arguments in (("init", "--yes"), ("generate", "route", "--identity-only"), ("dev", "--detach")):
        done = app.dbswitch(*arguments, timeout=LONG)
        assert done.returncode == 0, done.stderr
    before = app.read(".env.local")
    # The same wrong answer, again and again, ends the asking, and no deadline does.
    app.write("dbswitch.toml", "[verify]\nrestart_deadline = 3600\n")
    code, events = app.events("prod", "--confirm", postgres_prod.shop.database, timeout=LONG)
    error = events[-1]["error"]
    assert code == 7, events
    assert "chooses its database itself" in error["what"]
    assert "lib/prisma.ts:5 reads DATABASE_URL_LOCAL" in error["facts"]
    assert "dbswitch generate client" in error["fix"]
    assert [
        fact for fact in error["facts"] if fact.startswith("everything is as it was: the app answers from")
    ]
    assert app.read(".env.local") == before
    app.assert_answers_from(postgres_local)
