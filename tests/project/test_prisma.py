from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from dbswitch.project.packages import read_manifest
from dbswitch.project.prisma import PrismaInfo, parse_schema, read_prisma
from dbswitch.project.prisma_config import read_config

NEXT_DEV = (".env.development.local", ".env.local", ".env.development", ".env")
NEXT_START = (".env.production.local", ".env.local", ".env.production", ".env")


@pytest.mark.parametrize(
    ("source", "files"),
    [
        ("import 'dotenv/config'\nexport default {}", (".env",)),
        ('import "dotenv/config";', (".env",)),
        ("require('dotenv/config')", (".env",)),
        ("export default defineConfig({})", ()),
        ("// import 'dotenv/config'\nexport default {}", ()),
        ("/* import 'dotenv/config' */", ()),
        ("import { config } from 'dotenv'\nconfig()", (".env",)),
        ("import { config } from 'dotenv'\nconfig({ path: '.env.local' })", (".env.local",)),
        ("import { config } from 'dotenv'\nconfig({ path: ['.env.local', '.env'] })", (".env.local", ".env")),
        (
            "import dotenv from 'dotenv'\ndotenv.config({ path: '.env.local' }); dotenv.config()",
            (".env.local", ".env"),
        ),
        (
            "import * as dotenv from 'dotenv'\ndotenv.config({ quiet: true, path: `.env.local` })",
            (".env.local",),
        ),
        ("import { config as load } from 'dotenv'\nload({ path: './.env.local' })", (".env.local",)),
        ("const { config } = require('dotenv')\nconfig({ path: '.env.local' })", (".env.local",)),
        ("require('dotenv').config({ path: '.env.local' })", (".env.local",)),
        (
            "import { config } from 'dotenv'\nconfig()\nconfig({ path: '.env.local', override: true })",
            (".env.local", ".env"),
        ),
        (
            "import dotenv from 'dotenv'\nimport path from 'path'\ndotenv.config({ path: path.resolve(cwd(), '.env.local') })",
            (".env.local",),
        ),
        (
            "import dotenv from 'dotenv'\ndotenv.config({ path: path.join(__dirname, '..', '..', '.env') })",
            ("../../.env",),
        ),
        ("import { loadEnvConfig } from '@next/env'\nloadEnvConfig(process.cwd(), true)", NEXT_DEV),
        ("import { loadEnvConfig } from '@next/env'\nloadEnvConfig(process.cwd())", NEXT_START),
        (
            "import nextEnv from '@next/env'\nnextEnv.loadEnvConfig(process.cwd(), process.env.NODE_ENV !== 'production')",
            NEXT_DEV,
        ),
        (
            "import pkg from '@next/env'\nconst { loadEnvConfig } = pkg\nloadEnvConfig(process.cwd(), true)",
            NEXT_DEV,
        ),
        ("process.loadEnvFile()", (".env",)),
        ("process.loadEnvFile('.env.local')", (".env.local",)),
        (
            "try { process.loadEnvFile('.env.local') } catch {}\nprocess.loadEnvFile('.env')",
            (".env.local", ".env"),
        ),
        ("import { loadEnvFile } from 'node:process'\nloadEnvFile('.env.local')", (".env.local",)),
        ("import 'dotenv/config'\nprocess.loadEnvFile('.env.local')", (".env", ".env.local")),
        # imports run first, wherever they stand
        ("process.loadEnvFile('.env.local')\nimport 'dotenv/config'", (".env", ".env.local")),
    ],
)
def test_the_env_files_a_prisma_config_loads_are_read_in_their_order(source, files):
    facts = read_config(source, "prisma.config.ts")
    assert facts.env_files == files
    assert bool(facts.notices) == any(file.startswith("..") for file in files)


@pytest.mark.parametrize(
    "source",
    [
        "import { config } from 'dotenv'\nconfig({ path: name })",
        "import { config } from 'dotenv'\nconfig({ path: prod ? '.env.production' : '.env' })",
        "import { config } from 'dotenv'\nconfig({ path: `.env.${stage}` })",
        "import { config } from 'dotenv'\nconfig(options); config({ ...options })",
        "import { loadEnv } from './scripts/loadEnv'\nloadEnv()",
        "process.loadEnvFile(file)",
    ],
)
def test_what_is_not_understood_is_taken_for_dot_env_and_said(source):
    facts = read_config(source, "prisma.config.ts")
    assert ".env" in facts.env_files
    assert facts.notices == (
        "prisma.config.ts loads env files in a way dbswitch does not follow: assuming .env",
    )


def test_the_variables_and_the_schema_of_a_prisma_config_are_read():
    facts = read_config(
        """
        import { defineConfig, env } from 'prisma/config'
        export default defineConfig({
          schema: 'db/schema.prisma',
          datasource: { url: env<Env>('DIRECT_URL'), shadowDatabaseUrl: process.env['SHADOW'] ?? process.env.OTHER },
        })
        """,
        "prisma.config.ts",
    )
    assert [variable for _, variable in facts.urls] == ["DIRECT_URL", "SHADOW", "OTHER"]
    assert facts.schema == "db/schema.prisma"


def test_a_url_that_is_computed_is_reported():
    facts = read_config("export default { datasource: { url: databaseUrl(stage) } }", "prisma.config.ts")
    assert facts.urls == ()
    assert facts.notices == (
        "url is computed in prisma.config.ts: dbswitch does not know which variable the Prisma CLI uses",
    )


@pytest.mark.parametrize(
    "value", ["A ??\n    process.env.B", "A\n    || process.env.B", "A ?? process.env.B"]
)
def test_a_url_with_a_fallback_may_go_on_in_the_next_line(value):
    source = f"export default {{ datasource: {{ url: process.env.{value} }}, migrations: {{ seed: process.env.C }} }}"
    assert read_config(source, "prisma.config.ts").urls == (("url", "A"), ("url", "B"))


def test_a_schema_gives_provider_variables_generator_and_output():
    datasource, generator = parse_schema("""
        // url = env("OLD")
        datasource db {
          provider          = "postgresql"
          url               = env("POSTGRES_PRISMA_URL") // env("NO")
          directUrl         = env("POSTGRES_URL_NON_POOLING")
          shadowDatabaseUrl = env("SHADOW")
        }
        generator erd { provider = "prisma-erd-generator" }
        generator client {
          provider = "prisma-client"
          output   = "../src/generated/prisma"
        }
    """)
    assert datasource == {
        "provider": "postgresql",
        "url": "POSTGRES_PRISMA_URL",
        "directUrl": "POSTGRES_URL_NON_POOLING",
        "shadowDatabaseUrl": "SHADOW",
    }
    assert generator == {"provider": "prisma-client", "output": "../src/generated/prisma"}


def prisma_of(folder):
    info = read_prisma(folder.root, read_manifest(folder.root))
    assert info is not None
    return info


def test_prisma_6_without_a_config_loads_dot_env_and_that_beside_the_schema(folder):
    folder.package(dependencies={"next": "15", "prisma": "^6.2.0"})
    folder.write("prisma/schema.prisma", 'datasource db {\n url = env("DATABASE_URL")\n}\n')
    assert prisma_of(folder).env_files == (".env",)
    folder.write("prisma/.env", "A=1\n")
    assert prisma_of(folder).env_files == (".env", "prisma/.env")


def test_prisma_7_without_a_config_loads_nothing(folder):
    folder.package(dependencies={"next": "16", "@prisma/client": "7.1.0"})
    folder.write("prisma/schema.prisma", "")
    info = prisma_of(folder)
    assert (info.env_files, info.version) == ((), "7.1.0")


def test_a_schema_folder_is_read_whole_and_the_output_is_relative_to_the_project(folder):
    folder.package(dependencies={"next": "16", "prisma": "7.1.0"})
    folder.write(
        "db/models/a.prisma", 'generator client {\n provider = "prisma-client"\n output = "../client"\n}\n'
    )
    folder.write("db/models/b.prisma", 'datasource db {\n provider = "postgresql"\n}\n')
    folder.write("prisma.config.ts", "import 'dotenv/config'\nexport default { schema: 'db/models' }")
    info = prisma_of(folder)
    assert (info.schema, info.provider, info.output) == ("db/models", "postgresql", "db/client")
    assert info.config_file == "prisma.config.ts"


def test_the_schema_named_in_package_json_is_used(folder):
    folder.package(prisma={"schema": "./db/my.prisma"}, dependencies={"next": "16", "prisma": "6"})
    folder.write("db/my.prisma", 'datasource db {\n url = env("PG")\n}\n')
    assert prisma_of(folder).url_variables == ("PG",)


def test_a_project_without_prisma_has_none(folder):
    folder.package()
    assert read_prisma(folder.root, read_manifest(folder.root)) == PrismaInfo()


@given(st.text(alphabet="importcnfg({path:'.env`\"}) \n/*$[],dotenv/=rqu", max_size=120))
def test_no_source_text_makes_the_reader_fail(source):
    read_config("import { config } from 'dotenv'\nconfig(" + source, "prisma.config.ts")
    read_config(source, "prisma.config.ts")
    parse_schema(source)
