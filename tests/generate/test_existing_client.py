"""`generate client` in a project whose own client file exports more than a client."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from dbswitch.errors import ConfigError
from dbswitch.generate import client, writing
from dbswitch.generate.existing_client import exported_clients
from dbswitch.project.discovery import load
from dbswitch.project.generated import GeneratedState
from dbswitch.project.source_imports import SourceImports
from tests.generate.test_files import OLD_ENGINE, make_app

if TYPE_CHECKING:
    from pathlib import Path

OWN = """import { PrismaClient } from "@prisma/client";
import { PrismaPg } from "@prisma/adapter-pg";

export function initializePrisma() {}
export const getPrismaClient = () => prisma;
export type Client = PrismaClient;
export const prisma = globalThis.prisma ?? new PrismaClient({ adapter: new PrismaPg({}) });
export { prisma as db };
export default prisma;
"""
SINGLETON = """const prismaClientSingleton = () => {
  return new PrismaClient()
}
const prisma = globalThis.prismaGlobal ?? prismaClientSingleton()
export default prisma
"""
LATER = """import { PrismaClient } from "@prisma/client";
%s
if (process.env.NODE_ENV === "production") {
  prisma = new PrismaClient();
} else {
  if (!global.prisma) global.prisma = new PrismaClient();
  prisma = global.prisma;
}
export default prisma;
"""


@pytest.fixture
def app(tmp_path: Path) -> Path:
    return make_app(tmp_path)


def add(root: Path, **files: str) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (OWN, ("prisma", "db", "default")),
        ("const prisma = make()\nconst p = new PrismaClient()\nexport default p\n", ("default",)),
        (SINGLETON, ("default",)),
        ("const prisma = { client: new PrismaClient() };\nexport default prisma;\n", ()),
        ("export const db: PrismaClient = global.prisma || new PrismaClient();\n", ("db",)),
        ("const a = new PrismaClient();\nexport { a as orm, helper };\n", ("orm",)),
        ("const client = new PrismaClient();\nexport default { client, log };\n", ()),
        ("export const get = async () => new PrismaClient();\n", ()),
        ("export const kept = globalThis as unknown as { prisma: PrismaClient };\n", ()),
        ("export const make = function () { return new PrismaClient(); };\n", ()),
        ("const p = new PrismaClient();\nexport const user = p.user;\n", ()),
        (LATER % "let prisma: PrismaClient;", ("default",)),
        (LATER % "export let prisma: PrismaClient", ("prisma", "default")),
        (LATER % "let prisma;", ("default",)),
        (
            "let orm;\nif (live) orm = new PrismaClient();\nelse orm = global.orm;\nexport { orm };\n",
            ("orm",),
        ),
        ("let make: () => PrismaClient;\nmake = () => new PrismaClient();\nexport { make };\n", ()),
        ("let made: boolean;\nmade = true;\nconst p = new PrismaClient();\nexport { made };\n", ()),
    ],
)
def test_the_exports_that_are_the_client_are_told_from_others(text: str, names: tuple[str, ...]) -> None:
    assert exported_clients(text) == names


def test_imports_are_found_with_file_line_and_names(app: Path) -> None:
    add(
        app,
        **{
            "lib/prisma.ts": OWN,
            "app/a.ts": '// import { x } from "@/lib/prisma";\nimport { db, type Client as C } from "@/lib/prisma";\n',
            "app/b.tsx": 'import orm, {\n  initializePrisma,\n} from "../lib/prisma";\n',
            "app/c.js": 'const { getPrismaClient } = require("../lib/prisma");\n',
            "app/d.ts": 'import * as all from "../lib/prisma.js";\nall.initializePrisma();\n',
            "app/e.ts": 'export * from "../lib/prisma";\n',
            "app/f.ts": 'import { db } from "./prisma";\n',
            "lib/g.ts": 'export const p = async () => (await import("./prisma")).prisma;\n',
        },
    )
    found = SourceImports(app).of("lib/prisma.ts")
    assert sorted((one.file, one.line, one.names) for one in found) == [
        ("app/a.ts", 2, ("db", "Client")),
        ("app/b.tsx", 1, ("default", "initializePrisma")),
        ("app/c.js", 1, ("getPrismaClient",)),
        ("app/d.ts", 1, ("initializePrisma",)),
        ("app/e.ts", 1, ("*",)),
        ("lib/g.ts", 1, ("*",)),
    ]


def test_a_file_that_is_more_than_a_client_stays_and_the_client_goes_beside_it(app: Path) -> None:
    add(app, **{"lib/prisma.ts": OWN, "app/a.ts": 'import { initializePrisma } from "@/lib/prisma";\n'})
    project = load(app)
    file = client.plan_client(project)
    assert file.path == "lib/prisma-client.ts"
    advice = "\n".join(client.replacement_advice(project, file))
    assert "app/a.ts:1 imports initializePrisma" in advice
    assert "change lib/prisma.ts:7" in advice
    assert 'import { prisma as followingClient } from "./prisma-client";' in advice
    [(_, state)] = writing.write(app, [file], force=True)
    assert state is GeneratedState.MISSING
    assert (app / "lib" / "prisma.ts").read_text() == OWN
    assert client.plan_client(load(app)).path == "lib/prisma-client.ts"


def test_the_place_can_be_chosen_even_over_the_file_and_each_lost_import_is_named(app: Path) -> None:
    add(app, **{"lib/prisma.ts": OWN, "app/a.ts": 'import { initializePrisma } from "@/lib/prisma";\n'})
    project = load(app)
    assert client.plan_client(project, "lib/hot.ts").path == "lib/hot.ts"
    file = client.plan_client(project, "lib/prisma.ts")
    [advice] = client.replacement_advice(project, file)
    assert advice.startswith("app/a.ts:1 imports initializePrisma, which the new file lacks: move it from ")
    assert "dbswitch-replaced/lib/prisma.ts.original" in advice
    writing.write(app, [client.plan_client(project, "lib/hot.ts")])
    assert client.replacement_advice(load(app), file) == (advice,)
    for refused in ("../outside.ts", "lib/prisma.json"):
        with pytest.raises(ConfigError, match="is not a valid path for it"):
            client.plan_client(project, refused)


def test_a_client_under_other_names_and_re_exports_are_kept_for_good(app: Path) -> None:
    own = 'export * from "@prisma/client";\nimport { PrismaClient } from "@prisma/client";\nexport const orm = new PrismaClient();\nexport default orm;\n'
    add(
        app,
        **{
            "lib/prisma.ts": own,
            "app/a.ts": 'import orm, { orm as o, type User } from "@/lib/prisma";\n',
        },
    )
    for _ in range(2):
        file = client.plan_client(load(app))
        assert file.path == "lib/prisma.ts"
        text = file.content.decode()
        assert "export { prisma as orm };" in text
        assert 'export * from "@prisma/client";' in text
        writing.write(app, [file], force=True)


def test_options_and_extensions_of_the_old_file_are_named(app: Path) -> None:
    own = 'export const prisma = new PrismaClient({ log: ["query"] })\n  .$extends(withAccelerate());\n'
    add(app, **{"lib/prisma.ts": own})
    project = load(app)
    advice = client.replacement_advice(project, client.plan_client(project))
    assert "lib/prisma.ts:2 has its extension: move it to lib/prisma.extend.ts" in advice
    assert "lib/prisma.ts:1 has its options: move them to lib/prisma.extend.ts" in advice


@pytest.mark.parametrize(
    ("output", "wanted"),
    [
        ("../node_modules/.prisma/client", "@prisma/client"),
        ("../node_modules/@acme/db", "@acme/db"),
        ("../generated/prisma", "../generated/prisma"),
    ],
)
def test_a_package_is_imported_by_its_name(tmp_path: Path, output: str, wanted: str) -> None:
    schema = OLD_ENGINE.replace("-js", f'-js"\n  output = "{output}', 1)
    text = client.plan_client(load(make_app(tmp_path, schema=schema))).content.decode()
    assert f"PrismaClient }} from {json.dumps(wanted)};" in text
