"""Which client the app's own code uses, by its imports."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dbswitch.errors import ConfigError
from dbswitch.generate.client import plan_client
from dbswitch.generate.routes import plan_identity_route
from dbswitch.project.client_in_use import asks_elsewhere, client_in_use, follows_env_files, package_env_files
from dbswitch.project.discovery import load
from dbswitch.project.generated import find, header_line

if TYPE_CHECKING:
    from pathlib import Path

OWN = "export const prisma = new PrismaClient();\n"
FOLLOWING = header_line("client", b"").decode()
USE = 'import { prisma } from "%s";\n'
BOTH = {"lib/prisma.ts": OWN, "lib/prisma-client.ts": FOLLOWING}


def write(root: Path, files: dict[str, str]) -> Path:
    (root / "package.json").write_text('{"dependencies": {"next": "16.0.7"}}')
    (root / "tsconfig.json").write_text('{"compilerOptions": {"paths": {"@/*": ["./*"]}}}')
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize(
    ("files", "path", "generated"),
    [
        ({"lib/prisma-client.ts": FOLLOWING}, "lib/prisma-client.ts", True),
        ({**BOTH, "app/page.tsx": USE % "@/lib/prisma"}, "lib/prisma.ts", False),
        ({**BOTH, "app/page.tsx": USE % "@/lib/prisma-client"}, "lib/prisma-client.ts", True),
        (
            {**BOTH, "lib/users.ts": USE % "./prisma", "app/api/x/route.ts": USE % "@/lib/users"},
            "lib/prisma.ts",
            False,
        ),
        (
            {**BOTH, "lib/index.ts": 'export * from "./prisma-client";\n', "pages/x.tsx": USE % "../lib"},
            "lib/prisma-client.ts",
            True,
        ),
        (
            {**BOTH, "lib/old.ts": USE % "./prisma-client", "app/page.tsx": USE % "@/lib/prisma"},
            "lib/prisma.ts",
            False,
        ),
        (
            {
                "lib/prisma.ts": 'import { prisma as following } from "./prisma-client";\nexport const prisma = following;\n',
                "lib/prisma-client.ts": FOLLOWING,
                "app/page.tsx": USE % "@/lib/prisma",
            },
            "lib/prisma-client.ts",
            True,
        ),
        (
            {**BOTH, "scripts/a.ts": USE % "../lib/prisma-client", "src/proxy.ts": USE % "../lib/prisma"},
            "lib/prisma.ts",
            False,
        ),
        (
            {"lib/prisma.ts": OWN, "core/store/sql.ts": OWN, "app/page.tsx": USE % "../core/store/sql"},
            "core/store/sql.ts",
            False,
        ),
        ({"core/store/sql.ts": OWN, "jobs/run.ts": USE % "../core/store/sql"}, "core/store/sql.ts", False),
        ({"app/page.tsx": OWN}, "app/page.tsx", False),
        ({"lib/db.ts": OWN}, "lib/db.ts", False),
    ],
)
def test_the_client_is_the_one_that_pages_and_routes_lead_to(
    tmp_path: Path, files: dict[str, str], path: str, generated: bool
) -> None:
    project = load(write(tmp_path, files))
    used = client_in_use(project, find(project))
    assert used is not None
    assert (used.path, used.generated) == (path, generated)
    assert follows_env_files(project, find(project)) is generated


@pytest.mark.parametrize(
    ("manifest", "entry"),
    [
        ('{"exports": {".": "./src/client.ts"}}', "src/client.ts"),
        ('{"exports": {".": {"types": "./x.d.ts", "import": "./src/client.ts"}}}', "src/client.ts"),
        ('{"main": "src/client.ts"}', "src/client.ts"),
        ("{}", "index.ts"),
    ],
)
def test_a_client_in_a_package_of_the_workspace_is_found_by_its_name(
    tmp_path: Path, manifest: str, entry: str
) -> None:
    database, web = tmp_path / "packages" / "database", tmp_path / "apps" / "web"
    web.mkdir(parents=True)
    write(web, {"lib/users.ts": USE % "@acme/database", "app/page.tsx": USE % "@/lib/users"})
    (web / "package.json").write_text(
        '{"dependencies": {"next": "16.0.7", "@acme/database": "workspace:*", "@acme/ui": "workspace:*"}}'
    )
    (database / entry).parent.mkdir(parents=True)
    (database / "package.json").write_text(manifest)
    (database / entry).write_text(OWN)
    (tmp_path / "packages" / "ui").mkdir()
    (web / "node_modules" / "@acme").mkdir(parents=True)
    for name in ("database", "ui"):
        (web / "node_modules" / "@acme" / name).symlink_to(tmp_path / "packages" / name)
    project = load(web)
    used = client_in_use(project, find(project))
    assert used is not None
    assert (used.path, used.package, used.text) == ("@acme/database", True, OWN)
    assert str(used) == "@acme/database (lib/users.ts:1 imports it)"
    assert asks_elsewhere(project, find(project)) is None
    assert 'import { prisma } from "@acme/database";' in plan_identity_route(project).content.decode()
    with pytest.raises(ConfigError, match="is in the package @acme/database"):
        plan_client(project)


def test_the_env_file_of_a_package_counts_unless_it_is_a_link_to_one_of_the_project(tmp_path: Path) -> None:
    database, web = tmp_path / "packages" / "database", tmp_path / "apps" / "web"
    (database / "prisma").mkdir(parents=True)
    (database / "prisma/schema.prisma").write_text(
        'datasource db {\n  provider = "postgresql"\n  url = env("DB_URL")\n}\n'
    )
    (database / "package.json").write_text('{"dependencies": {"prisma": "6.10.0"}}')
    (web / "node_modules" / "@acme").mkdir(parents=True)
    (web / "node_modules" / "@acme" / "database").symlink_to(database)
    (web / "package.json").write_text('{"dependencies": {"next": "16.0.7", "@acme/database": "workspace:*"}}')
    (web / ".env").write_text("DB_URL=postgresql://a@127.0.0.1/a\n")
    assert list(package_env_files(load(web))) == []
    (database / ".env").write_text("OTHER=1\n")
    assert list(package_env_files(load(web))) == []
    (database / ".env").write_text("DB_URL=postgresql://b@127.0.0.1/b\n")
    assert list(package_env_files(load(web))) == [("../../packages/database/.env", "DB_URL")]
    (database / ".env").unlink()
    (database / ".env").symlink_to(web / ".env")
    assert list(package_env_files(load(web))) == []


def test_no_client_at_all_is_none(tmp_path: Path) -> None:
    project = load(write(tmp_path, {"app/page.tsx": "// new PrismaClient()\n", "scripts/a.ts": OWN}))
    assert client_in_use(project, find(project)) is None
    assert asks_elsewhere(project, find(project)) is None


def test_a_route_that_asks_a_client_that_the_app_does_not_use_is_named(tmp_path: Path) -> None:
    route = "app/api/dbswitch/identity/route.ts"
    asking = header_line("identity", b"").decode() + USE % "@/lib/prisma-client"
    project = load(write(tmp_path, {**BOTH, route: asking, "app/page.tsx": USE % "@/lib/prisma"}))
    said = asks_elsewhere(project, find(project))
    assert (
        said
        == f"{route} does not ask lib/prisma.ts (app/page.tsx:1 imports it), the client that the app uses"
    )
    (tmp_path / route).write_text(asking.replace("prisma-client", "prisma"))
    assert asks_elsewhere(load(tmp_path), find(project)) is None


def test_the_client_that_the_configuration_names_counts_whatever_is_imported(tmp_path: Path) -> None:
    write(tmp_path, {**BOTH, "app/page.tsx": USE % "@/lib/prisma-client"})
    (tmp_path / "dbswitch.toml").write_text('[verify]\nclient = "lib/prisma.ts#default.client"\n')
    project = load(tmp_path)
    used = client_in_use(project, find(project))
    assert used is not None
    assert (used.path, used.export, used.generated, used.package) == (
        "lib/prisma.ts",
        "default.client",
        False,
        False,
    )
