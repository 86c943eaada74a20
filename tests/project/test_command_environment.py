"""`exec TARGET`: the command is on the target, also where it reads the env files itself."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from dbswitch.envfiles.precedence import effective
from dbswitch.errors import EnvFileError
from dbswitch.project import command_environment, reader_profiles
from dbswitch.project.discovery import load
from dbswitch.project.reader_profiles import all_profiles
from dbswitch.project.targets import resolve

LOCAL = "postgresql://app:local-pw@localhost:5432/shop"
PROD = "postgresql://app:prod-pw@ep-prod-pooler.example.test:5432/shop"
DIRECT = "postgresql://app:prod-pw@ep-prod.example.test:5432/shop"


def environment(folder, name, ambient=None):
    project = load(folder.root)
    ambient = ambient or {}
    target = resolve(project, name, ambient=ambient)
    values, removed, emptied = command_environment.for_target(project, target, ambient)
    return SimpleNamespace(values=values, removed=tuple(removed), emptied=tuple(emptied))


def seen(folder, key, values):
    project = load(folder.root)
    files = reader_profiles.read_files(project)
    return {effective(key, profile, files, values).value for profile in all_profiles(project)}


@pytest.fixture
def app(folder):
    folder.package(dependencies={"next": "15", "prisma": "6.1.0"})
    folder.write(
        "prisma/schema.prisma",
        'datasource db {\n url = env("DATABASE_URL")\n directUrl = env("DIRECT_URL")\n}\n',
    )
    folder.write("env/local.env", f"DATABASE_URL={LOCAL}\n")
    folder.write("env/prod.env", f"DATABASE_URL={PROD}\nDIRECT_URL={DIRECT}\nSTRIPE_KEY=sk_live_1\n")
    return folder


def test_a_variable_of_another_target_is_not_served_from_a_file(app):
    app.write(".env", f"DATABASE_URL={PROD}\nDIRECT_URL={DIRECT}\nSTRIPE_KEY=sk_live_1\nOTHER=1\n")
    found = environment(app, "local")
    assert found.emptied == ("DIRECT_URL", "STRIPE_KEY")
    assert dict(found.values) == {"DATABASE_URL": LOCAL, "DIRECT_URL": "", "STRIPE_KEY": ""}
    for key in found.emptied:
        assert seen(app, key, found.values) == {""}


def test_any_variable_that_leads_to_production_is_emptied_but_a_definition_is_not(app):
    app.write(".env.local", f"REPORTS_URL={PROD}?x=1\nDATABASE_URL_PROD={PROD}\n")
    assert environment(app, "local").emptied == ("REPORTS_URL",)
    assert environment(app, "prod").emptied == ()


def test_a_direct_url_of_ones_own_stays_on_its_own_database_only(app):
    app.write(".env", f"DATABASE_URL={LOCAL}\nDIRECT_URL={LOCAL}?x=1\n")
    assert environment(app, "local").emptied == ()
    app.write("env/prod.env", f"DATABASE_URL={PROD}\n")
    assert environment(app, "prod").emptied == ("DIRECT_URL",)


def test_what_the_shell_exports_of_another_target_is_not_passed_on(app):
    found = environment(
        app, "local", {"DIRECT_URL": DIRECT, "REPORTS_URL": PROD, "HOME": "/h", "STRIPE_KEY": "x"}
    )
    assert found.removed == ("DIRECT_URL", "REPORTS_URL", "STRIPE_KEY")
    assert dict(found.values) == {"DATABASE_URL": LOCAL, "HOME": "/h"}


def test_a_file_that_beats_the_environment_is_refused(folder):
    folder.package(dependencies={"next": "16", "prisma": "7.1.0"})
    folder.write(
        "prisma.config.ts",
        "import { config } from 'dotenv'\nconfig({ path: '.env', override: true })\n"
        "export default { datasource: { url: process.env.DATABASE_URL } }",
    )
    folder.write(".env", f"DATABASE_URL={LOCAL}\nDATABASE_URL_LOCAL={LOCAL}\nDATABASE_URL_PROD={PROD}\n")
    assert environment(folder, "local").emptied == ()
    with pytest.raises(EnvFileError, match="could use another database because of an env file") as caught:
        environment(folder, "prod")
    assert caught.value.exit_code == 2
    assert any(".env: DATABASE_URL (Prisma CLI)" in fact for fact in caught.value.facts)
    assert "local-pw" not in repr(caught.value.facts)
