"""Which targets are protected, and which variables belong to which target."""

from __future__ import annotations

import json
import sys

import pytest

from dbswitch.project import environment_mark
from dbswitch.project.active_target import active
from dbswitch.project.discovery import discover
from dbswitch.project.targets import list_targets, resolve

LOCAL = "postgresql://app:local-pw@localhost:5432/shop"
PROD = "postgresql://app:prod-pw@ep-prod-pooler.example.test:5432/shop"
UNPOOLED = "postgresql://app:prod-pw@ep-prod.example.test/shop"
STAGING = "postgresql://app:stage-pw@stage.example.test:5432/shop"


def protected(folder) -> dict[str, bool]:
    return {ref.name: ref.protected for ref in list_targets(discover(folder.root), ambient={})}


@pytest.mark.parametrize("name", ["prod", "production", "live", "prod-eu", "eu_production", "LIVE-2"])
def test_a_target_with_a_word_for_production_in_its_name_is_protected(folder, name):
    folder.package()
    folder.write(f"env/{name}.env", f"DATABASE_URL={STAGING}\n")
    assert set(protected(folder).values()) == {True}


@pytest.mark.parametrize("name", ["product", "delivery", "reproduce", "staging", "alive"])
def test_a_word_for_production_inside_another_word_protects_nothing(folder, name):
    folder.package()
    folder.write(f"env/{name}.env", f"DATABASE_URL={STAGING}\n")
    assert protected(folder) == {name: False}


@pytest.mark.parametrize("suffix", ["STAGING", "LIVE", "PROD_EU", "COPY"])
def test_a_target_that_leads_to_productions_database_is_protected_whatever_its_name(folder, suffix):
    folder.package()
    folder.write(
        ".env.local",
        f"DATABASE_URL_LOCAL={LOCAL}\nDATABASE_URL_PROD={PROD}\nDATABASE_URL_{suffix}={UNPOOLED}?schema=x\n",
    )
    found = protected(folder)
    assert found.pop("local") is False
    assert len(found) == 2
    assert all(found.values())
    assert all(resolve(discover(folder.root), name, ambient={}).protected for name in found)


def test_a_target_whose_direct_url_leads_to_productions_database_is_protected(folder):
    folder.package()
    folder.write("env/prod.env", f"DATABASE_URL={PROD}\n")
    folder.write("env/qa.env", f"DATABASE_URL={STAGING}\nDIRECT_URL={UNPOOLED}\n")
    assert protected(folder) == {"prod": True, "qa": True}


def test_what_leads_to_the_database_of_a_target_protected_by_place_is_protected_too(folder):
    folder.package()
    other = STAGING.replace("stage.", "other.")
    folder.write("env/a-copy.env", f"DATABASE_URL={other}\n")
    folder.write("env/prod.env", f"DATABASE_URL={PROD}\n")
    folder.write("env/preview.env", f"DATABASE_URL={STAGING}\nDIRECT_URL={other}\n")
    folder.write("env/qa.env", f"DATABASE_URL={STAGING}\nDIRECT_URL={UNPOOLED}\n")
    folder.write("env/scratch.env", f"DATABASE_URL={LOCAL}\n")
    found = protected(folder)
    assert found == {"a-copy": True, "preview": True, "prod": True, "qa": True, "scratch": False}
    for name, shown in found.items():
        assert resolve(discover(folder.root), name, ambient={}).protected is shown


def test_a_shared_companion_database_protects_nothing(folder):
    folder.package()
    folder.write("env/prod.env", f"DATABASE_URL={PROD}\nAUDIT_URL={STAGING}\nSHADOW_DATABASE_URL={LOCAL}2\n")
    folder.write("env/qa.env", f"DATABASE_URL={LOCAL}\nAUDIT_URL={STAGING}\n")
    folder.write("env/scratch.env", f"DATABASE_URL={LOCAL}2\n")
    assert protected(folder) == {"prod": True, "qa": False, "scratch": False}


def test_an_explicit_false_is_obeyed_unless_the_place_is_that_of_an_explicitly_protected_target(folder):
    folder.package()
    folder.write(
        ".env", f"DATABASE_URL_PROD={PROD}\nDATABASE_URL_COPY={UNPOOLED}\nDATABASE_URL_LIVE={STAGING}\n"
    )
    folder.write("dbswitch.toml", "[targets.copy]\nprotected = false\n[targets.live]\nprotected = false\n")
    assert protected(folder) == {"copy": False, "live": False, "prod": True}
    folder.write("dbswitch.toml", "[targets.copy]\nprotected = false\n[targets.prod]\nprotected = true\n")
    assert protected(folder) == {"copy": True, "live": True, "prod": True}


def test_production_that_is_not_protected_protects_nobody_else(folder):
    folder.package()
    folder.write(".env", f"DATABASE_URL_PROD={PROD}\nDATABASE_URL_COPY={UNPOOLED}\n")
    folder.write("dbswitch.toml", "[targets.prod]\nprotected = false\n")
    assert protected(folder) == {"copy": False, "prod": False}


def test_a_command_is_protected_by_the_place_of_what_it_prints(folder):
    folder.package()
    folder.write(".env", f"DATABASE_URL_PROD={PROD}\n")
    code = json.dumps([sys.executable, "-c", f"print('{UNPOOLED}')"])
    folder.write("dbswitch.toml", f"[targets.copy]\ncommand = {code}\n")
    assert protected(folder) == {"copy": False, "prod": True}
    assert resolve(discover(folder.root), "copy", ambient={}).protected is True


def test_a_command_that_prints_the_place_of_a_database_marked_as_production_is_protected(folder):
    folder.package()
    folder.write(".env", f"DATABASE_URL_COPY={UNPOOLED}\n")
    code = json.dumps([sys.executable, "-c", f"print('{PROD}')"])
    folder.write("dbswitch.toml", f"[targets.copy]\nprotected = false\n[targets.vault]\ncommand = {code}\n")
    project = discover(folder.root)
    assert resolve(project, "vault", ambient={}).protected is False
    environment_mark.remember(project, resolve(project, "copy", ambient={}).url, "prod")
    assert resolve(project, "vault", ambient={}).protected is True
    assert resolve(project, "copy", ambient={}).protected is False


@pytest.mark.parametrize(
    ("active_url", "settings", "owner"),
    [
        (PROD, "", "prod"),
        (UNPOOLED.replace("app", "owner"), "", "prod"),
        (f"{UNPOOLED}?sslmode=require", "[targets.copy]\nprotected = false\n", "prod"),
        (UNPOOLED, "[targets.copy]\nprotected = false\n", None),
        (UNPOOLED, "[targets.copy]\nprotected = false\n[targets.prod]\nprotected = true\n", "copy"),
        (UNPOOLED.replace("app", "owner"), "[targets.prod]\nprotected = false\n", None),
        (UNPOOLED.replace("/shop", "/other"), "", None),
    ],
)
def test_a_reader_counts_as_the_protected_target_to_whose_database_its_url_leads(
    folder, active_url, settings, owner
):
    folder.package()
    folder.write(
        ".env", f"DATABASE_URL={active_url}\nDATABASE_URL_COPY={UNPOOLED}\nDATABASE_URL_PROD={PROD}\n"
    )
    folder.write("dbswitch.toml", settings)
    assert {state.owner for state in active(discover(folder.root), {}).readers} == {owner}


def vercel(folder, suffixes=("LOCAL", "PRODUCTION")):
    folder.package(dependencies={"next": "15", "prisma": "6"})
    folder.write(
        "prisma/schema.prisma",
        'datasource db {\n url = env("POSTGRES_PRISMA_URL")\n directUrl = env("POSTGRES_PRISMA_URL_NON_POOLING")\n}\n',
    )
    values = {"LOCAL": (LOCAL, LOCAL), "PRODUCTION": (PROD, UNPOOLED)}
    lines = [
        f"POSTGRES_PRISMA_URL_{suffix}={values[suffix][0]}\nPOSTGRES_PRISMA_URL_NON_POOLING_{suffix}={values[suffix][1]}\n"
        for suffix in suffixes
    ]
    folder.write(".env.local", "".join(lines))


def test_the_longest_known_variable_decides_where_the_suffix_begins(folder):
    vercel(folder)
    assert protected(folder) == {"local": False, "prod": True}
    target = resolve(discover(folder.root), "prod", ambient={})
    assert dict(target.variables) == {
        "POSTGRES_PRISMA_URL": PROD,
        "POSTGRES_PRISMA_URL_NON_POOLING": UNPOOLED,
    }


@pytest.mark.parametrize("key", ["DATABASE_URL_PRODUCTION_UNPOOLED", "DATABASE_URL_UNPOOLED_PRODUCTION"])
def test_an_unpooled_url_of_any_suffix_is_a_second_way_to_that_target(folder, key):
    folder.package()
    folder.write(
        ".env.local", f"DATABASE_URL_LOCAL={LOCAL}\nDATABASE_URL_PRODUCTION={PROD}\n{key}={UNPOOLED}\n"
    )
    assert protected(folder) == {"local": False, "prod": True}
    assert dict(resolve(discover(folder.root), "prod", ambient={}).variables) == {
        "DATABASE_URL": PROD,
        "DATABASE_URL_UNPOOLED": UNPOOLED,
    }


def test_a_read_only_role_of_production_is_a_protected_target_of_its_own(folder):
    folder.package()
    folder.write(".env", f"DATABASE_URL_PROD={PROD}\nDATABASE_URL_PROD_READONLY={UNPOOLED}\n")
    assert protected(folder) == {"prod": True, "prod-readonly": True}
