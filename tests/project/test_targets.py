from __future__ import annotations

import json
import sys

import pytest

from dbswitch.errors import ConfigError, UrlError, UsageError
from dbswitch.project.active_target import ActiveKind, active
from dbswitch.project.discovery import discover
from dbswitch.project.target_sources import suffixed_keys, with_references
from dbswitch.project.targets import list_targets, resolve, variable_names

LOCAL = "postgresql://app:local-pw@localhost:5432/shop"
PROD = "postgresql://app:prod-pw@db.example.test:5432/shop"
STAGING = "postgresql://app:stage-pw@stage.example.test:5432/shop"


@pytest.fixture
def suffixed(folder):
    folder.package()
    folder.write(
        ".env.local",
        f"DATABASE_URL={LOCAL}\nDATABASE_URL_LOCAL={LOCAL}\nDATABASE_URL_PRODUCTION={PROD}\n"
        "BLOB_READ_WRITE_TOKEN=l\nBLOB_READ_WRITE_TOKEN_LOCAL=l\nBLOB_READ_WRITE_TOKEN_PRODUCTION=p\n",
    )
    return folder


def project(folder):
    return discover(folder.root)


def names(folder):
    return [ref.name for ref in list_targets(project(folder))]


def test_suffixed_variables_need_no_configuration(suffixed):
    assert names(suffixed) == ["local", "prod"]
    target = resolve(project(suffixed), "prod", ambient={})
    assert dict(target.variables) == {"DATABASE_URL": PROD, "BLOB_READ_WRITE_TOKEN": "p"}
    assert (target.protected, target.primary, target.name) == (True, "DATABASE_URL", "prod")
    assert target.url.masked() != PROD


def test_env_folder_files_need_no_configuration(folder):
    folder.package()
    folder.write("env/local.env", f"DATABASE_URL={LOCAL}\n")
    folder.write("env/prod.env", f"# production\nexport DATABASE_URL='{PROD}'\nDIRECT_URL={PROD}\n")
    folder.write("env/redis.env", "REDIS_URL=redis://x\n")
    folder.write("env/staging.env.example", f"DATABASE_URL={STAGING}\n")
    assert names(folder) == ["local", "prod"]
    assert set(resolve(project(folder), "prod", ambient={}).variables) == {"DATABASE_URL", "DIRECT_URL"}
    assert resolve(project(folder), "local", ambient={}).protected is False


@pytest.mark.parametrize("name", ["prod", "production", "PROD"])
def test_prod_and_production_are_one_target(suffixed, name):
    assert resolve(project(suffixed), name, ambient={}).name == "prod"


@pytest.mark.parametrize("name", ["local", "dev", "development"])
def test_local_dev_and_development_are_one_target(suffixed, name):
    assert resolve(project(suffixed), name, ambient={}).name == "local"


def test_a_project_with_dev_beside_local_keeps_them_apart(folder):
    folder.package()
    folder.write(".env", f"DATABASE_URL_DEV={STAGING}\nDATABASE_URL_LOCAL={LOCAL}\n")
    assert sorted(names(folder)) == ["development", "local"]
    assert resolve(project(folder), "dev", ambient={}).variables["DATABASE_URL"] == STAGING
    assert resolve(project(folder), "local", ambient={}).variables["DATABASE_URL"] == LOCAL


def test_the_first_source_in_the_order_decides_and_the_others_are_named(suffixed):
    suffixed.write("env/production.env", f"DATABASE_URL={STAGING}\n")
    suffixed.write("dbswitch.toml", '[targets.prod]\nurl_from = "X"\n')
    prod = next(ref for ref in list_targets(project(suffixed)) if ref.name == "prod")
    assert prod.source == "env/production.env"
    assert len(prod.shadowed) == 2
    assert resolve(project(suffixed), "prod", ambient={}).variables["DATABASE_URL"] == STAGING


def test_a_suffix_only_makes_a_target_when_a_postgres_url_has_it():
    bound = {
        "DATABASE_URL": LOCAL,
        "DATABASE_URL_UNPOOLED": LOCAL,
        "DATABASE_URL_EU_PROD": PROD,
        "DATABASE_URL_PROD": PROD,
        "DATABASE_URL_NOTE": "see the wiki",
        "REDIS_URL_CACHE": "redis://x",
        "TOKEN_PROD": "p",
        "TOKEN_EU_PROD": "e",
        "NODE_ENV_PROD": "production",
        "NEXT_PUBLIC_SITE": "x",
    }
    assert suffixed_keys(bound, ("DATABASE_URL",)) == {
        "EU_PROD": {"DATABASE_URL_EU_PROD": "DATABASE_URL", "TOKEN_EU_PROD": "TOKEN"},
        "PROD": {"DATABASE_URL_PROD": "DATABASE_URL", "TOKEN_PROD": "TOKEN"},
    }


def test_the_variables_that_prisma_names_are_base_names_too(folder):
    folder.package(dependencies={"next": "15", "prisma": "6"})
    folder.write(
        "prisma/schema.prisma",
        'datasource db {\n url = env("POSTGRES_PRISMA_URL")\n directUrl = env("POSTGRES_URL_NON_POOLING")\n}\n',
    )
    folder.write(
        ".env.local",
        f"POSTGRES_PRISMA_URL={LOCAL}\nPOSTGRES_URL_NON_POOLING={LOCAL}\n"
        f"POSTGRES_PRISMA_URL_STAGING={STAGING}\nPOSTGRES_URL_NON_POOLING_STAGING={STAGING}\n",
    )
    assert names(folder) == ["staging"]
    target = resolve(project(folder), "staging", ambient={})
    assert target.primary == "POSTGRES_PRISMA_URL"
    assert set(target.variables) == {"POSTGRES_PRISMA_URL", "POSTGRES_URL_NON_POOLING"}


def test_a_project_that_binds_database_url_decides_by_it_whatever_the_prisma_cli_uses(folder):
    folder.package(dependencies={"next": "16", "prisma": "7.1.0"})
    folder.write(
        "prisma.config.ts",
        "import 'dotenv/config'\nexport default { datasource: { url: env('DIRECT_URL') } }",
    )
    assert project(folder).url_variables == ("DIRECT_URL", "DATABASE_URL")
    folder.write(".env", f"DATABASE_URL={LOCAL}\nDIRECT_URL={LOCAL}\n")
    assert project(folder).url_variables == ("DATABASE_URL", "DIRECT_URL")
    folder.write(".env", f"DATABASE_URL_LOCAL={LOCAL}\nDIRECT_URL_LOCAL={LOCAL}\nDIRECT_URL={LOCAL}\n")
    assert project(folder).url_variables == ("DATABASE_URL", "DIRECT_URL")
    folder.write(".env", f"DATABASE_URL_OLD={LOCAL}\nDIRECT_URL_LOCAL={LOCAL}\nDIRECT_URL_PROD={PROD}\n")
    assert project(folder).url_variables == ("DIRECT_URL", "DATABASE_URL")


def test_the_file_of_higher_precedence_gives_the_suffixed_value(folder):
    folder.package()
    folder.write(".env", f"DATABASE_URL_PROD={STAGING}\n")
    folder.write(".env.local", f"DATABASE_URL_PROD={PROD}\n")
    assert resolve(project(folder), "prod", ambient={}).variables["DATABASE_URL"] == PROD


def test_a_password_is_written_in_the_form_every_reader_reads_alike(folder):
    folder.package()
    folder.write(".env", "DATABASE_URL_PROD='postgres://app:p@ss$word#1@db.example.test/shop'\n")
    value = resolve(project(folder), "prod", ambient={}).variables["DATABASE_URL"]
    assert "$" not in value
    assert "#" not in value
    assert value.endswith(("@db.example.test/shop", "@db.example.test:5432/shop"))


def test_references_to_bound_names_are_followed_and_others_left():
    bound = {"HOST": "h", "URL": "x@${HOST}", "LOOP": "${LOOP}"}
    assert with_references("a${URL}b", bound) == "ax@hb"
    assert with_references("pa${nothing}$HOST\\${HOST}", bound) == "pa${nothing}$HOST\\${HOST}"
    assert with_references("${LOOP}", bound) == "${LOOP}"


def test_an_unknown_target_is_a_usage_error_with_close_names_and_the_list(suffixed):
    with pytest.raises(UsageError, match="unknown target `prdo`") as caught:
        resolve(project(suffixed), "prdo")
    assert caught.value.fix == "did you mean the target `prod`?"
    assert "targets: local, prod" in caught.value.facts


def test_without_any_target_the_error_says_how_to_make_one(folder):
    folder.package()
    with pytest.raises(UsageError) as caught:
        resolve(project(folder), "prod")
    assert "dbswitch init" in caught.value.fix


def test_an_env_file_that_is_no_target_is_mentioned(folder):
    folder.package()
    folder.write("env/qa.env", "TOKEN=1\n")
    with pytest.raises(UsageError) as caught:
        resolve(project(folder), "qa")
    assert any("env/qa.env exists" in fact for fact in caught.value.facts)


@pytest.mark.parametrize("name", ["status", "check", "doctor", "init", "logs"])
def test_a_target_called_like_a_command_is_a_configuration_error(folder, name):
    folder.package()
    folder.write("dbswitch.toml", f'[targets.{name}]\nurl_from = "X"\n')
    with pytest.raises(ConfigError, match=f"`{name}` has the same name as a command"):
        list_targets(project(folder))


def test_an_alias_of_two_targets_is_a_configuration_error(suffixed):
    suffixed.write("dbswitch.toml", '[targets.prod]\naliases = ["x"]\n[targets.local]\naliases = ["x"]\n')
    with pytest.raises(ConfigError, match="two targets have the name `x`"):
        list_targets(project(suffixed))


def test_settings_apply_to_a_target_found_elsewhere(suffixed):
    suffixed.write(
        "dbswitch.toml",
        '[targets.production]\nprotected = false\naliases = ["live"]\n[targets.local]\nstart = "docker compose up -d"\n',
    )
    live = resolve(project(suffixed), "live", ambient={})
    assert (live.name, live.protected) == ("prod", False)
    assert resolve(project(suffixed), "local", ambient={}).settings.start == ("docker", "compose", "up", "-d")


def test_any_other_target_can_be_protected(folder):
    folder.package()
    folder.write("env/staging.env", f"DATABASE_URL={STAGING}\n")
    assert resolve(project(folder), "staging", ambient={}).protected is False
    folder.write("dbswitch.toml", "[targets.staging]\nprotected = true\n")
    assert resolve(project(folder), "staging", ambient={}).protected is True


def test_variables_and_url_from_come_from_the_shell_before_the_env_files(folder):
    folder.package()
    folder.write(".env", f"PG={STAGING}\nTOK=file\n")
    folder.write(
        "dbswitch.toml",
        '[targets.x]\nurl_from = "PG"\nvariables = { TOKEN = { from = "TOK" }, MODE = "x" }\n',
    )
    assert dict(resolve(project(folder), "x", ambient={"TOK": "shell"}).variables) == {
        "DATABASE_URL": STAGING,
        "TOKEN": "shell",
        "MODE": "x",
    }
    folder.write(".env", f"PG={STAGING}\n")
    with pytest.raises(ConfigError, match="takes TOKEN from TOK, which is not set"):
        resolve(project(folder), "x", ambient={})


def command(folder, code, **more):

    folder.package()
    extra = "".join(f"{key} = {json.dumps(value)}\n" for key, value in more.items())
    folder.write(
        "dbswitch.toml", f"[targets.x]\ncommand = {json.dumps([sys.executable, '-c', code])}\n{extra}"
    )


def test_a_command_prints_dotenv_lines(folder):
    command(folder, f"print('DATABASE_URL={STAGING}'); print('TOKEN=\"a b\"')")
    assert dict(resolve(project(folder), "x").variables) == {"DATABASE_URL": STAGING, "TOKEN": "a b"}


def test_a_command_may_print_the_bare_url(folder):
    command(folder, f"print('{STAGING}')")
    assert dict(resolve(project(folder), "x").variables) == {"DATABASE_URL": STAGING}


def test_a_command_runs_in_the_projects_root_and_not_in_a_shell(folder):
    command(folder, f"import os; assert os.path.exists('dbswitch.toml'); print('{STAGING}')")
    assert resolve(project(folder), "x").url is not None
    folder.write("dbswitch.toml", '[targets.x]\ncommand = "echo $(touch hacked)"\n')
    with pytest.raises(ConfigError):
        resolve(project(folder), "x")
    assert not (folder.root / "hacked").exists()


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (
            "import sys; print('S3CRET'); print('S3CRET', file=sys.stderr); sys.exit(3)",
            "failed with exit code 3",
        ),
        ("import time; time.sleep(60)", "did not finish within 0.5 s"),
        ("print('S3CRET=\"open')", "line 1: not a KEY=value line"),
        ("print('TOKEN=S3CRET')", "has no database URL"),
        ("import os; os.write(1, b'\\xff')", "not UTF-8"),
        ("print('S3CRET ' * 200_000)", "more than 1 MiB"),
    ],
)
def test_a_command_that_fails_is_named_and_its_output_is_not_shown(folder, code, says, capfd):
    command(folder, code, command_timeout=0.5 if "sleep" in code else 30)
    with pytest.raises(ConfigError) as caught:
        resolve(project(folder), "x")
    error = caught.value
    text = repr((error.what, error.facts, error.why, error.fix))
    assert says in text
    assert error.fix
    assert "S3CRET" not in text + "".join(capfd.readouterr())


@pytest.mark.parametrize("word", ["/", "a\0b"])
def test_a_command_that_cannot_be_run_is_named(folder, word):
    folder.package()
    folder.write("dbswitch.toml", f"[targets.x]\ncommand = {json.dumps([word])}\n")
    with pytest.raises(ConfigError, match="cannot be run") as caught:
        resolve(project(folder), "x")
    assert caught.value.fix


def test_a_command_that_does_not_exist_is_named(folder):
    folder.package()
    folder.write("dbswitch.toml", '[targets.x]\ncommand = ["no-such-program-here"]\n')
    with pytest.raises(ConfigError, match="was not found"):
        resolve(project(folder), "x")


def test_a_broken_line_of_a_target_file_is_named_without_its_text(folder, capfd):
    folder.package()
    folder.write("env/prod.env", f'DATABASE_URL={PROD}\nTOKEN="S3CRET\n')
    with pytest.raises(ConfigError, match=r"env/prod.env, line 2") as caught:
        resolve(project(folder), "prod")
    assert "S3CRET" not in str(caught.value) + "".join(capfd.readouterr())


def test_a_url_that_is_no_postgres_url_is_refused_by_name(folder):
    folder.package()
    folder.write("env/prod.env", "DATABASE_URL=mysql://u:S3CRET@h/d\n")
    with pytest.raises(UrlError) as caught:
        resolve(project(folder), "prod")
    assert "S3CRET" not in repr((caught.value.what, caught.value.facts))


def test_no_repr_of_a_target_shows_a_value(suffixed):
    target = resolve(project(suffixed), "prod", ambient={})
    for text in (repr(target), f"{target}", str(target.variables), repr(list_targets(project(suffixed)))):
        assert "prod-pw" not in text
        assert "=p" not in text
    assert "BLOB_READ_WRITE_TOKEN" in repr(target.variables)


def test_the_variables_of_all_targets_are_known_without_running_a_command(suffixed):
    suffixed.write("env/staging.env", f"DATABASE_URL={STAGING}\nSTAGE_ONLY=1\n")
    suffixed.write("env/broken.env", 'DATABASE_URL=x\nA="\n')
    suffixed.write(
        "dbswitch.toml", f'[targets.x]\ncommand = ["{sys.executable}", "-c", "open(\'ran\', \'w\')"]\n'
    )
    assert variable_names(project(suffixed), list_targets(project(suffixed))) == {
        "DATABASE_URL",
        "BLOB_READ_WRITE_TOKEN",
        "STAGE_ONLY",
    }
    assert not (suffixed.root / "ran").exists()


def test_the_active_target_is_the_one_whose_url_is_effective(suffixed):
    state = active(project(suffixed), {})
    assert (state.kind, state.target, state.text) == (ActiveKind.ONE, "local", "local")
    assert state.readers[0].source == ".env.local"
    assert state.readers[0].differing == ()


def test_a_different_spelling_of_the_same_url_is_the_same_target(suffixed):
    text = (
        (suffixed.root / ".env.local")
        .read_text()
        .replace(f"DATABASE_URL={LOCAL}", f'DATABASE_URL="{LOCAL.replace("postgresql:", "postgres:")}"')
    )
    suffixed.write(".env.local", text)
    assert active(project(suffixed), {}).target == "local"


def test_a_companion_that_was_not_switched_is_named(suffixed):
    text = (suffixed.root / ".env.local").read_text().replace("TOKEN=l", "TOKEN=other")
    suffixed.write(".env.local", text)
    state = active(project(suffixed), {})
    assert state.readers[0].differing == ("BLOB_READ_WRITE_TOKEN",)
    assert (state.kind, state.target, state.app_target) == (ActiveKind.PARTIAL, None, "local")


def test_an_exported_url_beats_the_files_and_is_named_as_the_source(suffixed):
    state = active(project(suffixed), {"DATABASE_URL": PROD})
    assert (state.app_target, state.readers[0].source) == ("prod", "process environment")
    # Its companion is still that of local, so prod is not active.
    assert (state.kind, state.target) == (ActiveKind.PARTIAL, None)
    assert state.text == "partly prod (BLOB_READ_WRITE_TOKEN differs from prod's value)"


def test_a_url_of_no_target_is_unknown_and_shown_masked(suffixed):
    state = active(project(suffixed), {"DATABASE_URL": STAGING})
    assert (state.kind, state.target) == (ActiveKind.UNKNOWN, None)
    assert "stage.example.test" in state.text
    assert "stage-pw" not in state.text + repr(state)


def test_no_url_at_all_is_unset(folder):
    folder.package()
    folder.write("env/prod.env", f"DATABASE_URL={PROD}\n")
    state = active(project(folder), {})
    assert (state.kind, state.target) == (ActiveKind.UNSET, None)


def test_readers_on_different_databases_are_mixed(folder):
    folder.package(dependencies={"next": "16", "prisma": "7.1.0"})
    folder.write("prisma.config.ts", "import 'dotenv/config'\nexport default {}")
    folder.write(".env", f"DATABASE_URL={PROD}\nDATABASE_URL_PROD={PROD}\nDATABASE_URL_LOCAL={LOCAL}\n")
    folder.write(".env.local", f"DATABASE_URL={LOCAL}\n")
    state = active(project(folder), {})
    assert (state.kind, state.target) == (ActiveKind.MIXED, None)
    assert state.text == "mixed (Next.js dev: local, Prisma CLI: prod)"


def test_a_prisma_cli_that_loads_no_file_does_not_contradict(folder):
    folder.package(dependencies={"next": "16", "prisma": "7.1.0"})
    folder.write("prisma.config.ts", "export default {}")
    folder.write(".env", f"DATABASE_URL={LOCAL}\nDATABASE_URL_LOCAL={LOCAL}\n")
    assert active(project(folder), {}).target == "local"


def test_looking_at_the_active_target_runs_no_command(suffixed):
    code = f"open('ran', 'w'); print('{STAGING}')"

    suffixed.write("dbswitch.toml", f"[targets.x]\ncommand = {json.dumps([sys.executable, '-c', code])}\n")
    state = active(project(suffixed), {"DATABASE_URL": STAGING})
    assert state.unresolved == (("x", "its command was not run"),)
    assert not (suffixed.root / "ran").exists()


def test_a_broken_target_does_not_hide_the_others(suffixed):
    suffixed.write("env/staging.env", "DATABASE_URL=mysql://x\n")
    state = active(project(suffixed), {})
    assert state.target == "local"
    assert [name for name, _ in state.unresolved] == ["staging"]


def test_references_that_multiply_end_soon_and_leave_the_value_as_it_is():
    bound = {name: f"${{{after}}}" * 300 for name, after in zip("ABCDE", "BCDEF", strict=True)} | {"F": "x"}
    assert with_references("postgresql://u:${A}@h/d", bound) == "postgresql://u:${A}@h/d"


def prisma_config(folder, url):
    folder.package(dependencies={"next": "16", "prisma": "7.1.0"})
    folder.write(
        "prisma.config.ts",
        f"import 'dotenv/config'\nexport default {{ datasource: {{ url: env('{url}') }} }}",
    )


@pytest.mark.parametrize("variable", ["DIRECT_URL", "POSTGRES_URL", "DATABASE_URL_UNPOOLED"])
def test_the_prisma_cli_is_judged_by_the_variable_that_its_config_names(folder, variable):
    prisma_config(folder, variable)
    folder.write(
        ".env",
        f"DATABASE_URL={LOCAL}\n{variable}={PROD}\nDATABASE_URL_LOCAL={LOCAL}\nDATABASE_URL_PROD={PROD}\n",
    )
    state = active(project(folder), {})
    prisma = state.readers[1]
    assert (prisma.reader.value, prisma.variable, prisma.target) == ("Prisma CLI", variable, "prod")
    assert (state.kind, state.target) == (ActiveKind.MIXED, None)


def test_the_prisma_cli_is_judged_by_the_direct_url_of_the_schema(folder):
    folder.package(dependencies={"next": "15", "prisma": "6.1.0"})
    folder.write(
        "prisma/schema.prisma",
        'datasource db {\n url = env("DATABASE_URL")\n directUrl = env("DIRECT_URL")\n shadowDatabaseUrl = env("S")\n}\n',
    )
    folder.write(
        ".env",
        f"DATABASE_URL={LOCAL}\nDIRECT_URL={PROD}?x=1\nS={LOCAL}_shadow\n"
        f"DATABASE_URL_LOCAL={LOCAL}\nDATABASE_URL_PROD={PROD}\n",
    )
    assert project(folder).shadow_variables == ("S",)
    state = active(project(folder), {})
    assert [(one.variable, one.target) for one in state.readers] == [
        ("DATABASE_URL", "local"),
        ("DIRECT_URL", "prod"),
    ]
    assert state.kind is ActiveKind.MIXED


def test_a_direct_url_past_a_local_pooler_is_the_same_target(folder):
    prisma_config(folder, "DIRECT_URL")
    pooled = LOCAL.replace("5432", "6432")
    folder.write(".env", f"DATABASE_URL={pooled}\nDIRECT_URL={LOCAL}\nDATABASE_URL_LOCAL={pooled}\n")
    assert active(project(folder), {}).target == "local"


def test_a_variable_of_another_target_is_named_and_the_target_is_active_in_part(folder):
    folder.package()
    folder.write("env/local.env", f"DATABASE_URL={LOCAL}\n")
    folder.write("env/prod.env", f"DATABASE_URL={PROD}\nSTRIPE_KEY=sk_live_1\n")
    folder.write(".env.local", f"DATABASE_URL={LOCAL}\nSTRIPE_KEY=sk_live_1\nREPORTS_URL={PROD}?x=1\n")
    state = active(project(folder), {})
    assert (state.kind, state.target) == (ActiveKind.PARTIAL, None)
    assert state.readers[0].foreign == (("REPORTS_URL", "prod"), ("STRIPE_KEY", "prod"))
    assert state.text == "partly local (REPORTS_URL has the value of prod, STRIPE_KEY has the value of prod)"


def test_what_next_start_takes_from_the_files_of_production_does_not_count(folder):
    from dbswitch.project.reader_profiles import all_profiles

    folder.package()
    folder.write(".env", f"DATABASE_URL={LOCAL}\nDATABASE_URL_LOCAL={LOCAL}\nDATABASE_URL_PROD={PROD}\n")
    folder.write(".env.production", f"DATABASE_URL={PROD}\n")
    found = project(folder)
    state = active(found, {}, readers=all_profiles(found))
    assert (state.target, [one.target for one in state.readers]) == ("local", ["local", "prod", None])


def test_a_command_target_is_recognised_by_what_its_last_switch_wrote(folder):
    from msgspec import json as msgspec_json

    from dbswitch import state_folder
    from dbswitch.project import written_values

    folder.package()
    folder.write(".env", f"DATABASE_URL={STAGING}\nDIRECT_URL={LOCAL}\n")
    folder.write("dbswitch.toml", '[targets.vault]\ncommand = ["false"]\n')
    found = project(folder)
    assert active(found, {}).kind is ActiveKind.UNKNOWN
    before = written_values.load(found.private_dir).adding(
        "vault", {"DATABASE_URL": STAGING, "DIRECT_URL": STAGING}, ()
    )
    state_folder.ensure(found.private_dir, folder.root)
    path = found.private_dir / written_values.FILE_NAME
    path.write_bytes(msgspec_json.encode(before))
    assert active(found, {}).text == "partly vault (DIRECT_URL differs from vault's value)"
    path.write_bytes(msgspec_json.encode(before.adding("vault", {"DATABASE_URL": STAGING}, ())))
    assert active(found, {}).target == "vault"


def test_a_left_over_direct_url_does_not_displace_the_target_of_dbswitch_toml(folder):
    prisma_config(folder, "DIRECT_URL")
    folder.write(".env", f"DATABASE_URL={PROD}\nDIRECT_URL_LOCAL={STAGING}\n")
    folder.write("dbswitch.toml", f'[targets.local]\ncommand = ["echo", "{LOCAL}"]\n')
    ref = list_targets(project(folder))[0]
    assert (ref.name, ref.source) == ("local", "[targets.local] in dbswitch.toml")
    assert ref.shadowed == ("DIRECT_URL_LOCAL in .env",)
    assert dict(resolve(project(folder), "local", ambient={}).variables) == {"DATABASE_URL": LOCAL}


@pytest.mark.parametrize("app", ["live", "prod"])
def test_a_direct_url_to_the_database_of_two_targets_is_on_the_one_that_the_app_is_on(folder, app):
    prisma_config(folder, "DIRECT_URL")
    live = PROD.replace("prod-pw", "live-pw")
    folder.write(
        ".env",
        f"DATABASE_URL={live if app == 'live' else PROD}\nDIRECT_URL={PROD.replace('prod-pw', 'mine')}\n"
        f"DATABASE_URL_LIVE={live}\nDATABASE_URL_PROD={PROD}\n",
    )
    assert active(project(folder), {}).target == app


@pytest.mark.parametrize("key", ["live", "test"])
def test_of_two_targets_with_one_url_the_active_one_is_that_with_all_variables(folder, key):
    folder.package()
    folder.write("env/billing.env", f"DATABASE_URL={STAGING}\nSTRIPE_KEY=live\n")
    folder.write("env/staging.env", f"DATABASE_URL={STAGING}\nSTRIPE_KEY=test\n")
    folder.write(".env", f"DATABASE_URL={STAGING}\nSTRIPE_KEY={key}\n")
    assert active(project(folder), {}).target == {"live": "billing", "test": "staging"}[key]
