"""What is written where, and what is left alone."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, strategies as st

from dbswitch.errors import ConfigError
from dbswitch.generate import client, removal, routes, source_layout, writing
from dbswitch.generate.client import Adapter, ClientFacts
from dbswitch.generate.source_layout import SourceLayout
from dbswitch.generate.writing import sign, state_of
from dbswitch.project import source_imports
from dbswitch.project.client_in_use import ClientInUse
from dbswitch.project.discovery import load
from dbswitch.project.generated import GeneratedState, find, generated_state

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA = 'generator client {\n  provider = "prisma-client"\n  output = "../generated/prisma"\n}\ndatasource db {\n  provider = "postgresql"\n}\n'
OLD_ENGINE = (
    'generator client {\n  provider = "prisma-client-js"\n}\ndatasource db {\n  provider = "postgresql"\n}\n'
)
RUST_FREE = OLD_ENGINE.replace("-js", '-js"\n  engineType = "client')
SINGLETON = 'import { PrismaClient } from "@prisma/client";\nexport const db = globalThis.prisma ?? new PrismaClient();\n'


@pytest.fixture
def app(tmp_path: Path) -> Path:
    return make_app(tmp_path)


def make_app(
    root: Path, *, prisma: str = "7.1.0", adapters: tuple[str, ...] = ("pg",), schema: str = SCHEMA
) -> Path:
    versions = {
        "next": "16.0.7",
        "prisma": prisma,
        **{f"@prisma/adapter-{name}": prisma for name in adapters},
    }
    (root / "package.json").write_text(json.dumps({"dependencies": versions}))
    for name, version in versions.items():
        folder = root / "node_modules" / name
        folder.mkdir(parents=True)
        (folder / "package.json").write_text(json.dumps({"version": version}))
    (root / "prisma").mkdir()
    (root / "prisma" / "schema.prisma").write_text(schema)
    (root / "tsconfig.json").write_text(
        '{ "compilerOptions": { "paths": { "@/*": ["./*"] } } } // what Next writes'
    )
    return root


def generate(root: Path, *, force: bool = False) -> GeneratedState:
    file = client.plan_client(load(root))
    [(_, state)] = writing.write(root, [file], force=force)
    return state


# The header


@given(st.text())
def test_what_was_signed_is_pristine_until_one_character_changes(body: str) -> None:
    file = sign("client", "lib/prisma.ts", body.replace("\r", ""))
    assert generated_state(file.content) is GeneratedState.CURRENT
    assert generated_state(file.content.replace(b"\n", b"\r\n")) is GeneratedState.CURRENT
    assert generated_state(file.content + b"x") is GeneratedState.EDITED
    assert state_of(file.content, file) is GeneratedState.CURRENT


def test_a_damaged_header_is_an_edit_and_no_header_is_a_persons_own_file() -> None:
    file = sign("client", "lib/prisma.ts", "text\n")
    assert generated_state(file.content.replace(b"sha256=", b"sha256=0")) is GeneratedState.EDITED
    assert generated_state(b"text\n") is GeneratedState.FOREIGN
    assert state_of(None, file) is GeneratedState.MISSING
    assert state_of(sign("client", "x", "older\n").content, file) is GeneratedState.OUTDATED


# Writing


def test_a_second_run_changes_nothing_and_an_older_file_is_brought_up_to_date(app: Path) -> None:
    assert generate(app) is GeneratedState.MISSING
    assert generate(app) is GeneratedState.CURRENT
    path = app / "lib" / "prisma.ts"
    path.write_bytes(sign("client", "lib/prisma.ts", "an earlier version\n").content)
    assert generate(app) is GeneratedState.OUTDATED
    assert generate(app) is GeneratedState.CURRENT


def test_a_persons_edit_is_kept_unless_forced_and_then_a_copy_is(app: Path) -> None:
    generate(app)
    path = app / "lib" / "prisma.ts"
    edited = path.read_bytes() + b"export const mine = 1;\n"
    path.write_bytes(edited)
    path.chmod(0o640)
    with pytest.raises(ConfigError) as refused:
        generate(app)
    assert "lib/prisma.ts was edited after it was generated" in refused.value.facts
    assert path.read_bytes() == edited
    assert generate(app, force=True) is GeneratedState.EDITED
    assert (app / "dbswitch-replaced" / "lib" / "prisma.ts.original").read_bytes() == edited
    assert "*" in (app / "dbswitch-replaced" / ".gitignore").read_text().splitlines()
    assert path.stat().st_mode & 0o777 == 0o640
    assert generate(app) is GeneratedState.CURRENT


def test_a_kept_original_is_never_overwritten_and_uninstall_restores_it(app: Path) -> None:
    path = app / "lib" / "prisma.ts"
    path.parent.mkdir()
    path.write_text(SINGLETON)
    generate(app, force=True)
    for edit in (b"// first\n", b"// second\n"):
        path.write_bytes(path.read_bytes() + edit)
        assert generate(app, force=True) is GeneratedState.EDITED
    copies = app / "dbswitch-replaced" / "lib"
    assert (copies / "prisma.ts.original").read_text() == SINGLETON
    assert (copies / "prisma.ts.replaced-2").read_bytes().endswith(b"// first\n")
    assert (copies / "prisma.ts.replaced-3").read_bytes().endswith(b"// second\n")
    removal.apply_removal(removal.plan_removal(load(app)))
    assert path.read_text() == SINGLETON
    assert (copies / "prisma.ts.replaced-3").exists(), "uninstall keeps copies that it does not restore"


def test_a_file_that_is_kept_already_is_not_kept_twice_and_uninstall_removes_the_folder(app: Path) -> None:
    path = app / "lib" / "prisma.ts"
    path.parent.mkdir()
    for _ in range(2):
        path.write_text(SINGLETON)
        generate(app, force=True)
    assert [one.name for one in (app / "dbswitch-replaced" / "lib").iterdir()] == ["prisma.ts.original"]
    removal.apply_removal(removal.plan_removal(load(app)))
    assert not (app / "dbswitch-replaced").exists()


@pytest.mark.parametrize("link", ["lib/prisma.ts", "lib", "dbswitch-replaced", "dbswitch-replaced/lib"])
@pytest.mark.parametrize("target_exists", [True, False])
def test_generate_writes_nothing_through_a_symlink_out_of_the_project(
    tmp_path: Path, link: str, target_exists: bool
) -> None:
    root, outside = tmp_path / "app", tmp_path / "outside"
    root.mkdir()
    make_app(root)
    if link.startswith("dbswitch-replaced"):
        (root / "lib").mkdir()
        (root / "lib" / "prisma.ts").write_text(SINGLETON)
    (root / link).parent.mkdir(exist_ok=True)
    (root / link).symlink_to(outside)
    if target_exists and link.endswith(".ts"):
        outside.write_text(SINGLETON)
    elif target_exists:
        outside.mkdir()
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ConfigError, match="outside the project") as refused:
        generate(root, force=True)
    assert refused.value.exit_code == 2
    assert refused.value.facts
    assert refused.value.why
    assert refused.value.fix
    assert sorted(tmp_path.rglob("*")) == before
    if outside.is_file():
        assert outside.read_text() == SINGLETON


def test_the_usual_singleton_is_found_where_it_is_and_its_name_lives_on(app: Path) -> None:
    (app / "src" / "server").mkdir(parents=True)
    (app / "src" / "server" / "db.ts").write_text(SINGLETON)
    with pytest.raises(ConfigError, match="a file of your own"):
        generate(app)
    assert generate(app, force=True) is GeneratedState.FOREIGN
    text = (app / "src" / "server" / "db.ts").read_text()
    assert "export { prisma as db };" in text
    assert 'from "../../generated/prisma/client";' in text
    assert generate(app) is GeneratedState.CURRENT, "the name survives the next run"
    assert find(load(app)).client == "src/server/db.ts"


def test_hooks_beside_the_client_are_imported(app: Path) -> None:
    generate(app)
    (app / "lib" / "prisma.extend.ts").write_text("export const retry = { budget: 1 };\n")
    assert generate(app) is GeneratedState.OUTDATED
    assert 'import * as project from "./prisma.extend";' in (app / "lib" / "prisma.ts").read_text()


def test_the_identity_route_asks_a_client_the_project_made_itself(app: Path) -> None:
    with pytest.raises(ConfigError, match="none was found"):
        routes.plan_identity_route(load(app))
    (app / "lib").mkdir(exist_ok=True)
    (app / "lib" / "db.ts").write_text("export const db = new PrismaClient();\n")
    text = routes.plan_identity_route(load(app)).content.decode()
    assert "import { db as prisma } from" in text
    assert "const databaseIdentity = async (): Promise<unknown> =>" in text


@pytest.mark.parametrize(
    ("text", "imports"),
    [
        (
            "const client = new PrismaClient();\nexport default { client, find };\n",
            "import * as exported from",
        ),
        (
            "const prisma = { client: new PrismaClient() };\nexport default prisma;\n",
            "import * as exported from",
        ),
        ("const prisma = new PrismaClient();\nexport default prisma;\n", "import prisma from"),
        ("const prisma = new PrismaClient();\nexport { prisma as default };\n", "import prisma from"),
        (
            "export const getPrisma = () => new PrismaClient();\nexport const db = new PrismaClient();\n",
            "import { db as prisma } from",
        ),
        ("export async function connect() { return new PrismaClient(); }\n", "import * as exported from"),
    ],
)
def test_a_client_is_imported_by_name_only_where_the_export_surely_is_one(
    app: Path, text: str, imports: str
) -> None:
    (app / "lib").mkdir(exist_ok=True)
    (app / "lib" / "prisma.ts").write_text(text)
    assert imports in routes.plan_identity_route(load(app)).content.decode()


def test_the_identity_route_goes_where_the_app_is(app: Path) -> None:
    (app / "src" / "app").mkdir(parents=True)
    generate(app)
    route = routes.plan_identity_route(load(app))
    assert route.path == "src/app/api/dbswitch/identity/route.ts"
    assert 'from "@/src/lib/prisma";' in route.content.decode()
    writing.write(app, [route])
    assert find(load(app)).identity_path == "/api/dbswitch/identity"


def test_the_route_asks_the_client_that_the_app_imports_and_not_an_unused_generated_one(app: Path) -> None:
    generate(app)
    (app / "src" / "server").mkdir(parents=True)
    (app / "src" / "server" / "db.ts").write_text(SINGLETON)
    (app / "app").mkdir()
    (app / "app" / "page.tsx").write_text('import { db } from "../src/server/db";\n')
    text = routes.plan_identity_route(load(app)).content.decode()
    assert 'import { db as prisma } from "@/src/server/db";' in text
    assert "lib/prisma" not in text


@pytest.mark.parametrize("folder", ["pages", "src/pages"])
def test_a_project_with_the_pages_router_only_gets_a_pages_route_and_no_app_folder(
    app: Path, folder: str
) -> None:
    (app / folder).mkdir(parents=True)
    (app / "db.ts").write_text("export const prisma = new PrismaClient();\n")
    (app / folder / "index.tsx").write_text(
        f'import {{ prisma }} from "{"../" * (folder.count("/") + 1)}db";\n'
    )
    route = routes.plan_identity_route(load(app))
    assert route.path == f"{folder}/api/dbswitch/identity.ts"
    text = route.content.decode()
    assert "export default async function handler(" in text
    assert "GET" not in text
    writing.write(app, [route])
    assert find(load(app)).identity_path == "/api/dbswitch/identity"
    assert routes.plan_identity_route(load(app)) == route
    with pytest.raises(ConfigError, match="need the App Router") as refused:
        routes.plan_admin_route(load(app))
    assert "--identity-only" in refused.value.fix
    (app / "app").mkdir()
    assert source_layout.read_layout(app).pages is None


@pytest.mark.parametrize(
    ("client", "lines"),
    [
        (
            "src/orm.ts#default.client",
            ('import exported from "@/src/orm";', "const prisma = exported.client;"),
        ),
        (
            "src/orm.ts#db.of.app",
            ('import { db as exported } from "@/src/orm";', "const prisma = exported.of.app;"),
        ),
        ("src/orm.ts#orm", ('import { orm as prisma } from "@/src/orm";',)),
        ("src/orm.ts", ("import * as exported from",)),
        ("@acme/db#prisma", ('import { prisma } from "@acme/db";',)),
        ("@acme/db", ('import * as exported from "@acme/db";',)),
    ],
)
def test_the_configuration_can_name_the_client_by_file_or_package_and_export(
    app: Path, client: str, lines: tuple[str, ...]
) -> None:
    (app / "src").mkdir()
    (app / "src" / "orm.ts").write_text("export default make();\n")
    (app / "node_modules" / "@acme" / "db").mkdir(parents=True)
    (app / "dbswitch.toml").write_text(f'[verify]\nclient = "{client}"\n')
    text = routes.plan_identity_route(load(app)).content.decode()
    for line in lines:
        assert line in text


def test_a_client_in_the_configuration_that_is_nowhere_is_refused(app: Path) -> None:
    (app / "dbswitch.toml").write_text('[verify]\nclient = "src/orm.ts#default"\n')
    with pytest.raises(ConfigError, match="neither a file of the project nor an installed package"):
        routes.plan_identity_route(load(app))
    (app / "dbswitch.toml").write_text('[verify]\nclient = "../orm.ts"\n')
    with pytest.raises(ConfigError, match=r"verify\.client"):
        load(app)


# What it refuses, and why


@pytest.mark.parametrize(
    ("prisma", "schema", "adapters", "words"),
    [
        ("8.0.0", SCHEMA, ("pg",), "rewrite"),
        ("6.15.0", RUST_FREE, ("pg",), "its own engine"),
        ("6.19.0", OLD_ENGINE, ("pg",), "its own engine"),
        ("5.22.0", OLD_ENGINE, ("pg",), "its own engine"),
        ("7.1.0", SCHEMA, (), "no driver adapter"),
        ("7.1.0", SCHEMA.replace("postgresql", "mysql"), ("pg",), "for mysql"),
        ("7.1.0", SCHEMA.replace('  output = "../generated/prisma"\n', ""), ("pg",), "no output"),
    ],
)
def test_a_project_that_cannot_have_it_hears_why(
    tmp_path: Path, prisma: str, schema: str, adapters: tuple[str, ...], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        client.plan_client(load(make_app(tmp_path, prisma=prisma, schema=schema, adapters=adapters)))


@pytest.mark.parametrize(
    ("prisma", "schema", "adapter"),
    [("5.22.0", OLD_ENGINE, False), ("6.10.0", RUST_FREE, False), ("6.19.2", OLD_ENGINE, True)],
)
def test_with_an_engine_of_its_own_the_restart_and_the_route_are_named_and_no_package_of_another_version(
    tmp_path: Path, prisma: str, schema: str, adapter: bool
) -> None:
    app = make_app(tmp_path, prisma=prisma, schema=schema, adapters=())
    with pytest.raises(ConfigError) as refused:
        client.plan_client(load(app))
    said = " ".join((refused.value.what, *refused.value.facts, refused.value.why, refused.value.fix))
    assert f"Prisma {prisma} runs its queries in its own engine" in said
    assert "`dbswitch TARGET` restarts the dev server" in refused.value.fix
    assert "dbswitch generate route" in refused.value.fix
    assert "Prisma 7" not in said
    assert ("@prisma/adapter-pg@6.19.2" in said) is adapter
    assert ("@prisma/" in said) is adapter


def test_the_adapter_that_is_missing_is_named_in_the_version_of_the_projects_prisma(tmp_path: Path) -> None:
    app = make_app(tmp_path, prisma="6.19.2", schema=RUST_FREE, adapters=())
    (app / "pnpm-lock.yaml").write_text("")
    with pytest.raises(ConfigError) as refused:
        client.plan_client(load(app))
    assert refused.value.fix == "pnpm add @prisma/adapter-pg@6.19.2"
    assert "Prisma 7" not in refused.value.why


@pytest.mark.parametrize(
    ("prisma", "schema", "adapters", "imports"),
    [
        ("7.10.1", SCHEMA, ("pg",), 'import { PrismaPg } from "@prisma/adapter-pg";'),
        ("7.1.0", SCHEMA, ("neon",), 'import { PrismaNeon } from "@prisma/adapter-neon";'),
        ("7.1.0", SCHEMA, ("pg",), "adapters = { neon: PrismaPg, other: PrismaPg };"),
        ("7.1.0", SCHEMA, ("neon",), "adapters = { neon: PrismaNeon, other: PrismaNeon };"),
        ("7.1.0", SCHEMA, ("neon", "pg"), "adapters = { neon: PrismaNeon, other: PrismaPg };"),
        ("6.16.0", RUST_FREE, ("pg",), 'PrismaClient } from "@prisma/client"'),
        (
            "7.1.0",
            SCHEMA.replace('client"', 'client-js"', 1),
            ("pg",),
            'PrismaClient } from "../generated/prisma"',
        ),
    ],
)
def test_the_imports_fit_what_is_installed(
    tmp_path: Path, prisma: str, schema: str, adapters: tuple[str, ...], imports: str
) -> None:
    file = client.plan_client(load(make_app(tmp_path, prisma=prisma, schema=schema, adapters=adapters)))
    assert imports in file.content.decode()


# SourceLayout


@pytest.mark.parametrize(
    ("options", "target", "wanted"),
    [
        ({"paths": {"@/*": ["./*"]}}, "lib/prisma.ts", "@/lib/prisma"),
        ({"paths": {"@/*": ["./src/*"]}}, "src/lib/prisma.ts", "@/lib/prisma"),
        ({"paths": {"~/*": ["*"]}, "baseUrl": "src"}, "src/db.ts", "~/db"),
        ({"paths": {"@/*": ["./src/*"]}}, "lib/prisma.ts", "../../lib/prisma"),
        ({"paths": {"@/*": ["../shared/*"]}}, "lib/prisma.ts", "../../lib/prisma"),
        ({}, "app/api/prisma.ts", "./prisma"),
        ({"moduleResolution": "NodeNext"}, "lib/prisma.ts", "../../lib/prisma.js"),
    ],
)
def test_imports_use_the_projects_alias_where_it_leads_there(
    tmp_path: Path, options: dict[str, object], target: str, wanted: str
) -> None:
    (tmp_path / "tsconfig.json").write_text(json.dumps({"compilerOptions": options}))
    assert source_layout.read_layout(tmp_path).aliased("app/api/route.ts", target) == wanted


def test_a_tsconfig_is_read_with_comments_commas_and_what_it_extends(tmp_path: Path) -> None:
    (tmp_path / "base.json").write_text('{"compilerOptions": {"paths": {"#/*": ["./*"]}}}')
    (tmp_path / "tsconfig.json").write_text(
        '\ufeff{ // "paths": {}\n "extends": "./base.json", "compilerOptions": { "strict": true, }, }'
    )
    assert source_layout.read_layout(tmp_path).aliases == (("#/", ""),)
    (tmp_path / "tsconfig.json").write_text("{ nonsense")
    assert source_layout.read_layout(tmp_path).aliases == ()


@given(st.text())
def test_any_text_for_a_tsconfig_gives_a_value(text: str) -> None:
    assert isinstance(source_imports.parse_jsonc(text), dict)


# Templates


def test_a_template_with_a_place_too_many_or_too_few_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="places"):
        writing.fill("a // {one}\n", {})
    with pytest.raises(ValueError, match="places"):
        writing.fill("a\n", {"one": "b"})
    assert writing.fill("x\na // {one}\ny // {two}\nz\n", {"one": "b", "two": ""}) == "x\nb\nz\n"


@pytest.mark.parametrize("typescript", [True, False])
def test_no_place_is_left_in_what_is_generated(typescript: bool) -> None:
    facts = ClientFacts(
        "lib/prisma.ts", SourceLayout(typescript), (Adapter.PG,), "generated/prisma/client", names=("db",)
    )
    for file in (
        client.render(facts),
        routes.identity_route(SourceLayout(typescript), ClientInUse("lib/prisma.ts", "", generated=True)),
    ):
        text = file.content.decode()
        assert "// {" not in text
        assert file.content.count(b"\n// dbswitch:generated") == 0
