"""What `dbswitch generate route` and `page` write, and where, without running it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dbswitch.errors import ConfigError
from dbswitch.generate import routes, writing
from dbswitch.generate.writing import GeneratedFile, sign
from dbswitch.project.discovery import load
from dbswitch.project.generated import GeneratedState, find, generated_state

if TYPE_CHECKING:
    from dbswitch.project.discovery import Project

TEMPLATES = Path(routes.__file__).parent / "templates"
CLIENT = sign("client", "x", "export const prisma = 1;\n").content.decode()
CLASSIC = "const kept = globalThis;\nexport const db = kept.prisma ?? new PrismaClient();\n"


def project(root: Path, files: dict[str, str]) -> Project:
    found = {"package.json": '{"dependencies": {"next": "16.0.7"}}'} | files
    for name, text in found.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return load(root)


def texts(files: tuple[GeneratedFile, ...]) -> dict[str, str]:
    return {file.path: file.content.decode() for file in files}


def test_a_typescript_project_with_an_alias_gets_its_files_where_next_expects_them(tmp_path: Path) -> None:
    config = json.dumps({"compilerOptions": {"paths": {"@/*": ["./*"]}}})
    found = project(tmp_path, {"tsconfig.json": config, "lib/prisma.ts": CLIENT, "app/layout.tsx": ""})
    files = texts(routes.plan_admin_page(found))
    assert list(files) == [
        "app/api/admin/database/route.ts",
        "app/api/admin/database/server.ts",
        "app/api/admin/database/command.ts",
        "app/api/admin/database/authorize.ts",
        "app/admin/configuration/page.tsx",
        "app/admin/configuration/database-switch.tsx",
        "app/admin/configuration/database-run.tsx",
        "app/admin/configuration/database-view.tsx",
        "app/admin/configuration/database-api.ts",
        "app/admin/configuration/database-style.ts",
        "components/database-banner.tsx",
    ]
    server = files["app/api/admin/database/server.ts"]
    assert 'import { databaseIdentity as ask, prisma } from "@/lib/prisma";' in server
    page = files["app/admin/configuration/page.tsx"]
    assert 'import { authorize } from "@/app/api/admin/database/authorize";' in page
    assert 'const ROUTE = "/api/admin/database";' in page
    for text in files.values():
        assert "// {" not in text
        assert generated_state(text.encode()) is GeneratedState.CURRENT


def test_a_javascript_project_in_src_without_an_alias_gets_javascript_with_relative_imports(
    tmp_path: Path,
) -> None:
    found = project(tmp_path, {"src/lib/prisma.js": CLIENT, "src/app/layout.js": ""})
    files = texts(routes.plan_admin_page(found))
    assert "src/app/api/admin/database/route.js" in files
    assert "src/components/database-banner.js" in files
    server = files["src/app/api/admin/database/server.js"]
    assert 'import { databaseIdentity as ask, prisma } from "../../../../lib/prisma";' in server
    page = files["src/app/admin/configuration/page.js"]
    assert 'from "../../api/admin/database/server";' in page
    assert "interface " not in "".join(files.values())


@pytest.mark.parametrize(
    ("name", "text", "imported"),
    [
        ("lib/db.ts", CLASSIC, 'import { db as prisma } from "../../../../lib/db";'),
        (
            "lib/prisma.ts",
            "const client = new PrismaClient();\nexport default client;\n",
            'import prisma from "../../../../lib/prisma";',
        ),
    ],
)
def test_a_project_with_a_client_of_its_own_is_asked_with_the_same_statement(
    tmp_path: Path, name: str, text: str, imported: str
) -> None:
    found = project(tmp_path, {"tsconfig.json": "{}", name: text, "app/layout.tsx": ""})
    server = texts(routes.plan_admin_route(found))["app/api/admin/database/server.ts"]
    assert imported in server
    assert re.search(r'ask = async .*\$queryRawUnsafe\("SELECT .*systemIdentifier', server)


def test_without_any_client_nothing_is_generated_and_the_way_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        routes.plan_admin_route(project(tmp_path, {"app/layout.tsx": ""}))
    assert "dbswitch generate client" in caught.value.fix


def test_the_projects_own_authorize_is_never_touched_and_keeps_nothing_else_from_being_updated(
    tmp_path: Path,
) -> None:
    found = project(tmp_path, {"tsconfig.json": "{}", "lib/prisma.ts": CLIENT, "app/layout.tsx": ""})
    writing.write(tmp_path, routes.plan_admin_page(found))
    own = tmp_path / "app/api/admin/database/authorize.ts"
    own.write_text(own.read_text().replace("return tokenMatches", "return false && tokenMatches"))
    mine = own.read_text()
    outdated = sign("route", "app/api/admin/database/route.ts", "// an older version\n")
    (tmp_path / outdated.path).write_bytes(outdated.content)

    states = writing.write(tmp_path, routes.plan_admin_page(load(tmp_path)), force=True)
    assert {file.kind: state for file, state in states}["route"] is GeneratedState.OUTDATED
    assert own.read_text() == mine
    states = writing.look(tmp_path, routes.plan_admin_page(load(tmp_path)))
    assert {state for _, state in states} == {GeneratedState.CURRENT}


def test_a_route_that_was_moved_stays_where_it_is_and_is_found_for_verifying(tmp_path: Path) -> None:
    found = project(tmp_path, {"tsconfig.json": "{}", "lib/prisma.ts": CLIENT, "app/layout.tsx": ""})
    writing.write(tmp_path, routes.plan_admin_route(found))
    assert find(load(tmp_path)).identity_path == "/api/admin/database"
    (tmp_path / "app/(dev)/api").mkdir(parents=True)
    (tmp_path / "app/api/admin").rename(tmp_path / "app/(dev)/api/db")
    files = texts(routes.plan_admin_page(load(tmp_path)))
    assert "app/(dev)/api/db/database/route.ts" in files
    assert 'const ROUTE = "/api/db/database";' in files["app/admin/configuration/page.tsx"]
