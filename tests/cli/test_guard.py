"""`exec` and `guard` on real databases: what destroys protected data needs the name a second time."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Folder
    from tests.support.postgres import FreshPostgres, ShopServer

# A stand-in for the Prisma CLI: what it was asked to do is printed.
PRISMA = "#!/bin/sh\necho ran prisma $*\n"
RESET = ("npm", "run", "db:reset")


def asked(folder: Folder, *argv: str) -> tuple[int, dict[str, Any]]:
    done = folder.run(*argv)
    return done.returncode, json.loads(done.stdout)


def project(folder: Folder) -> Folder:
    folder.write("bin/prisma", PRISMA)
    (folder.root / "bin/prisma").chmod(0o755)
    manifest = json.loads((folder.root / "package.json").read_text())
    manifest["scripts"] |= {
        "db:reset": "./bin/prisma migrate reset",
        "db:status": "./bin/prisma migrate status",
    }
    folder.write("package.json", json.dumps(manifest))
    return folder


@pytest.mark.parametrize(
    "command", [RESET, ("./bin/prisma", "migrate", "reset"), ("sh", "-c", "bin/prisma migrate reset")]
)
def test_exec_refuses_a_destructive_command_and_says_what_would_be_lost(
    served: Folder, postgres_prod: ShopServer, command: tuple[str, ...]
) -> None:
    project(served)
    code, answer = asked(served, "exec", "prod", "--confirm", "prod", "--json", "--", *command)
    error = answer["error"]
    assert (code, error["code"]) == (9, "protected")
    assert error["what"] == "the command would destroy data on prod"
    assert "drops every table" in error["facts"][0]
    assert "2 tables, about " in error["facts"][2]
    assert "Item (~" in error["facts"][2]
    assert "--allow-destructive prod" in error["fix"]
    assert postgres_prod.url.rpartition("@")[0] not in str(answer)

    done = served.run("exec", "prod", "--confirm", "prod", "--allow-destructive", "prod", "--", *command)
    assert done.returncode == 0, done.stderr
    assert "ran prisma migrate reset" in done.stdout


def test_harmless_commands_run_with_the_confirmation_as_before_and_local_asks_for_nothing(
    served: Folder,
) -> None:
    project(served)
    done = served.run("exec", "prod", "--confirm", "prod", "--", "npm", "run", "db:status")
    assert "ran prisma migrate status" in done.stdout
    assert "ran prisma migrate reset" in served.run("exec", "local", "--", *RESET).stdout
    done = served.run(
        "exec", "prod", "--confirm", "prod", "--", "sh", "-c", "echo DROP | cat; ./run.sh || true"
    )
    assert "run.sh is not known, so its effect on the database cannot be determined" in done.stderr


def test_guard_judges_by_the_active_target(served: Folder) -> None:
    project(served)
    assert "ran prisma migrate reset" in served.run("guard", "--", *RESET).stdout
    assert served.run("prod", "--confirm", "prod").returncode == 0
    assert served.run("guard", "--", *RESET).returncode == 9
    assert served.run("guard", "--confirm", "prod", "--", *RESET).returncode == 9
    assert served.run("guard", "--allow-destructive", "prod", "--", *RESET).returncode == 9
    assert "ran prisma migrate status" in served.run("guard", "--", "npm", "run", "db:status").stdout
    both = served.run("guard", "--confirm", "prod", "--allow-destructive", "prod", "--", *RESET)
    assert "ran prisma migrate reset" in both.stdout


@pytest.mark.parametrize("other", ["user", "parameters"])
def test_guard_judges_a_url_that_leads_to_productions_database_as_production_whatever_its_user_and_parameters(
    served: Folder, postgres_prod: ShopServer, other: str
) -> None:
    project(served)
    url = postgres_prod.url
    url = (
        f"{url}?application_name=x"
        if other == "parameters"
        else f"postgresql://owner:own-pw@{url.rpartition('@')[2]}"
    )
    text = (served.root / ".env.local").read_text()
    served.write(".env.local", "\n".join([f'DATABASE_URL="{url}"', *text.splitlines()[1:]]) + "\n")
    code, answer = asked(served, "guard", "--json", "--", *RESET)
    assert (code, answer["error"]["code"]) == (9, "protected"), answer
    assert "prod" in answer["error"]["what"]
    assert "ran prisma migrate status" in served.run("guard", "--", "npm", "run", "db:status").stdout
    both = served.run("guard", "--confirm", "prod", "--allow-destructive", "prod", "--", *RESET)
    assert "ran prisma migrate reset" in both.stdout


def test_guard_judges_a_pooler_of_production_as_production(folder: Folder) -> None:
    project(folder)
    folder.write(".env.local", "DATABASE_URL=postgresql://me:pw@ep-prod-pooler.example.test/shop\n")
    folder.write(
        "env/prod.env", "DATABASE_URL=postgresql://app:pw@ep-prod.example.test/shop?sslmode=require\n"
    )
    assert folder.run("guard", "--", *RESET).returncode == 9


def test_a_destructive_command_on_local_is_refused_if_the_database_says_prod(
    folder: Folder, fresh_postgres: FreshPostgres
) -> None:
    project(folder)
    server = fresh_postgres()
    folder.write("env/local.env", f'DATABASE_URL="{server.url}"\n')
    server.server.execute(f"COMMENT ON DATABASE {server.shop.database} IS 'dbswitch.environment=prod'")
    code, answer = asked(folder, "exec", "local", "--json", "--", *RESET)
    assert (code, answer["error"]["what"]) == (9, "the database of local is marked as prod")
    assert "ran prisma migrate status" in folder.run("exec", "local", "--", "npm", "run", "db:status").stdout
