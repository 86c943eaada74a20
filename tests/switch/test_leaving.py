"""What a switch adds, the next switch removes; and nothing leads to another protected target's database afterwards."""

from __future__ import annotations

import json
import stat
import sys
from typing import TYPE_CHECKING

import pytest

from dbswitch.errors import ConfigError, EnvFileError
from dbswitch.project import written_values
from dbswitch.project.active_target import active
from dbswitch.project.discovery import load
from dbswitch.project.targets import list_targets, resolve
from tests.project.conftest import Folder
from tests.switch.env_only import switch

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LOCAL = "postgresql://app:local-pw@localhost:5432/shop"
PROD = "postgresql://app:prod-pw@ep-prod-pooler.example.test:5432/shop"
DIRECT = "postgresql://app:prod-pw@ep-prod.example.test:5432/shop"
STAGING = "postgresql://app:stage-pw@stage.example.test:5432/shop"


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    root = tmp_path / "home" / "app"
    root.mkdir(parents=True)
    (tmp_path / "home" / ".git").mkdir()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    made = Folder(root)
    made.package()
    return made


def bound(app: Folder, name: str = ".env.local") -> Mapping[str, str]:
    from dbswitch.envfiles.readers import dotenv

    path = app.root / name
    return dotenv(path.read_bytes()) if path.exists() else {}


def prints(*lines: str) -> str:
    return json.dumps([sys.executable, "-c", f"print({chr(10).join(lines)!r})"])


def prisma(app: Folder, *, url: str = "DATABASE_URL", direct: str | None = None) -> None:
    app.package(dependencies={"next": "15", "prisma": "6.1.0"})
    line = f'\n directUrl = env("{direct}")' if direct else ""
    app.write("prisma/schema.prisma", f'datasource db {{\n url = env("{url}"){line}\n}}\n')


def test_variables_that_are_not_exported_any_more_on_the_way_back_are_taken_out(app):
    app.write(".env.local", f"DATABASE_URL={LOCAL}\nDATABASE_URL_LOCAL={LOCAL}\n")
    app.write(
        "dbswitch.toml",
        '[targets.prod]\nurl_from = "P"\nvariables = { DIRECT_URL = { from = "D" }, TOKEN = { from = "T" } }\n',
    )
    switch(app.root, "prod", {"P": PROD, "D": DIRECT, "T": "prod-token"})
    assert {"DIRECT_URL", "TOKEN"} <= set(bound(app))
    switch(app.root, "local", {})
    assert bound(app) == {"DATABASE_URL": LOCAL, "DATABASE_URL_LOCAL": LOCAL}
    assert "prod-token" not in (app.root / ".env.local").read_text()


def test_a_definition_that_is_edited_while_its_target_is_active_changes_nothing_of_that(app):
    app.write(
        ".env.local",
        f"DATABASE_URL={LOCAL}\nDATABASE_URL_LOCAL={LOCAL}\nDATABASE_URL_PRODUCTION={PROD}\n"
        f"DIRECT_URL_PRODUCTION={DIRECT}\n",
    )
    switch(app.root, "prod")
    assert bound(app)["DIRECT_URL"] == DIRECT
    text = (app.root / ".env.local").read_text()
    app.write(".env.local", text.replace(f"N={DIRECT}", f"N={DIRECT}2"))
    switch(app.root, "local")
    assert "DIRECT_URL" not in bound(app)


@pytest.mark.parametrize("left", ["", f"DATABASE_URL={PROD}\n", None])
def test_a_line_or_file_that_is_removed_while_its_target_is_active_changes_nothing_of_that(app, left):
    app.write(".env.local", f"DATABASE_URL={LOCAL}\n")
    app.write("env/local.env", f"DATABASE_URL={LOCAL}\n")
    path = app.write("env/prod.env", f"DATABASE_URL={PROD}\nDIRECT_URL={DIRECT}\nSTRIPE_KEY=sk_live_1\n")
    switch(app.root, "prod")
    if left is None:
        path.unlink()
    else:
        path.write_text(left)
    switch(app.root, "local")
    assert bound(app) == {"DATABASE_URL": LOCAL}


def test_what_a_command_printed_besides_the_url_is_taken_out_and_not_kept_as_a_comment(app):
    app.write(".env.local", f"# mine\nDATABASE_URL={LOCAL}\nDATABASE_URL_LOCAL={LOCAL}\n")
    app.write(
        "dbswitch.toml",
        f"[targets.prod]\ncommand = {prints(f'DATABASE_URL={PROD}', 'STRIPE_KEY=sk_live_1', f'DIRECT_URL={DIRECT}')}\n",
    )
    switch(app.root, "prod")
    assert bound(app)["STRIPE_KEY"] == "sk_live_1"
    switch(app.root, "local")
    assert bound(app) == {"DATABASE_URL": LOCAL, "DATABASE_URL_LOCAL": LOCAL}
    text = (app.root / ".env.local").read_text()
    assert "sk_live_1" not in text
    assert "prod-pw" not in text
    before = dict(bound(app))
    switch(app.root, "prod")
    assert bound(app)["STRIPE_KEY"] == "sk_live_1"
    switch(app.root, "local")
    assert bound(app) == before


def test_a_url_edited_by_hand_after_a_switch_to_a_command_target_is_kept_as_a_comment(app):
    app.write(".env.local", f"DATABASE_URL={LOCAL}\nDATABASE_URL_LOCAL={LOCAL}\n")
    app.write("dbswitch.toml", f"[targets.vault]\ncommand = {prints(STAGING)}\n")
    switch(app.root, "vault")
    text = (app.root / ".env.local").read_text()
    assert "dbswitch:kept" not in text
    app.write(
        ".env.local", text.replace(f"DATABASE_URL={STAGING}", "DATABASE_URL=postgresql://me:x@mine.test/own")
    )
    plan = switch(app.root, "local")
    assert any("kept there as a comment" in notice for notice in plan.notices)
    assert (
        "# dbswitch:kept DATABASE_URL=postgresql://me:x@mine.test/own"
        in (app.root / ".env.local").read_text()
    )


def test_a_companion_edited_by_hand_stays_and_is_named(app):
    app.write(
        ".env.local",
        f"DATABASE_URL={LOCAL}\nDATABASE_URL_LOCAL={LOCAL}\nDATABASE_URL_QA={STAGING}\nMODE_QA=qa\n",
    )
    switch(app.root, "qa")
    app.write(".env.local", (app.root / ".env.local").read_text().replace('MODE="qa"', 'MODE="mine"'))
    plan = switch(app.root, "local")
    assert bound(app)["MODE"] == "mine"
    assert any("MODE was written by a switch and edited since" in notice for notice in plan.notices)


def test_vercels_direct_url_moves_with_the_target(app):
    prisma(app, url="POSTGRES_PRISMA_URL", direct="POSTGRES_PRISMA_URL_NON_POOLING")
    app.write(
        ".env",
        f"POSTGRES_PRISMA_URL={LOCAL}\nPOSTGRES_PRISMA_URL_NON_POOLING={LOCAL}\n"
        f"POSTGRES_PRISMA_URL_LOCAL={LOCAL}\nPOSTGRES_PRISMA_URL_NON_POOLING_LOCAL={LOCAL}\n"
        f"POSTGRES_PRISMA_URL_PRODUCTION={PROD}\nPOSTGRES_PRISMA_URL_NON_POOLING_PRODUCTION={DIRECT}\n",
    )
    switch(app.root, "prod")
    assert bound(app, ".env")["POSTGRES_PRISMA_URL_NON_POOLING"] == DIRECT
    switch(app.root, "local")
    assert bound(app, ".env")["POSTGRES_PRISMA_URL_NON_POOLING"] == LOCAL


def test_a_direct_url_that_no_target_sets_goes_when_it_leads_elsewhere_and_comes_back_with_its_database(app):
    prisma(app, direct="DIRECT_URL")
    text = f"DIRECT_URL={LOCAL}?connection_limit=1\nDATABASE_URL={LOCAL}\nDATABASE_URL_LOCAL={LOCAL}\nDATABASE_URL_PROD={PROD}\n"
    app.write(".env", text)
    plan = switch(app.root, "prod")
    assert "DIRECT_URL" not in bound(app, ".env")
    assert any(
        "DIRECT_URL leads to a different database from the target" in notice for notice in plan.notices
    )
    switch(app.root, "local")
    assert bound(app, ".env") == {
        "DIRECT_URL": f"{LOCAL}?connection_limit=1",
        "DATABASE_URL": LOCAL,
        "DATABASE_URL_LOCAL": LOCAL,
        "DATABASE_URL_PROD": PROD,
    }


def test_a_direct_url_past_a_local_pooler_is_left_alone(app):
    prisma(app, direct="DIRECT_URL")
    pooled = LOCAL.replace("5432", "6432")
    app.write(
        ".env",
        f"DIRECT_URL={LOCAL}\nDATABASE_URL={pooled}\nDATABASE_URL_LOCAL={pooled}\nDATABASE_URL_PROD={PROD}\n",
    )
    assert switch(app.root, "local").edits == ()


def test_split_brain_is_repaired_by_a_switch_to_the_active_target(app):
    prisma(app, direct="DIRECT_URL")
    app.write(
        ".env",
        f"DIRECT_URL={DIRECT}?x=1\nDATABASE_URL={LOCAL}\nDATABASE_URL_LOCAL={LOCAL}\nDATABASE_URL_PROD={PROD}\n",
    )
    plan = switch(app.root, "local")
    assert [edit.keys for edit in plan.edits] == [("DIRECT_URL",)]
    assert "DIRECT_URL" not in bound(app, ".env")


@pytest.mark.parametrize("value", [PROD, f"{DIRECT}?schema=x", DIRECT.replace("app:prod-pw", "other:pw")])
def test_a_switch_that_would_leave_a_variable_on_production_is_refused_with_file_and_line(app, value):
    before = f"# first\nREPORTS_URL={value}\nDATABASE_URL={PROD}\nDATABASE_URL_LOCAL={LOCAL}\nDATABASE_URL_PROD={PROD}\n"
    app.write(".env.local", before)
    with pytest.raises(EnvFileError, match="REPORTS_URL would still lead to the database of prod") as caught:
        switch(app.root, "local")
    assert caught.value.exit_code == 2
    assert any(".env.local, line 2" in fact for fact in caught.value.facts)
    assert "REPORTS_URL_PROD" in caught.value.fix
    assert "pw" not in repr((caught.value.what, caught.value.facts, caught.value.fix))
    assert (app.root / ".env.local").read_text() == before
    switch(app.root, "prod")


def test_a_target_that_is_protected_by_its_place_says_whose_place_it_is(app):
    app.write(".env.local", f"DATABASE_URL_PROD={PROD}\nDATABASE_URL_STAGING={DIRECT}\n")
    text = "staging leads to the database of prod, so it is protected too"
    assert text in switch(app.root, "staging").notices
    assert text not in switch(app.root, "prod").notices


def test_definitions_of_targets_may_lead_to_production(app):
    app.write(
        ".env.local",
        f"DATABASE_URL={LOCAL}\nDATABASE_URL_LOCAL={LOCAL}\nPROD_URL={PROD}\nREPORTS_URL_PROD={PROD}\n"
        f"DATABASE_URL_PROD_UNPOOLED={DIRECT}\n",
    )
    app.write("dbswitch.toml", '[targets.prod]\nurl_from = "PROD_URL"\n')
    assert switch(app.root, "local").edits == ()


def test_a_definition_that_is_left_over_from_a_target_may_lead_to_production(app):
    app.write("env/live.env", f"DATABASE_URL={PROD}\n")
    left = {"DATABASE_URL_UNPOOLED_PROD": DIRECT, "DIRECT_URL_PROD": DIRECT}
    lines = "".join(f"{key}={value}\n" for key, value in left.items())
    app.write(".env.local", f"DATABASE_URL_LOCAL={LOCAL}\n{lines}")
    switch(app.root, "local")
    assert left.items() <= bound(app).items()


def test_a_file_that_only_the_prisma_cli_reads_counts_as_well(app):
    prisma(app)
    app.write(".env", f"DATABASE_URL={LOCAL}\nDATABASE_URL_LOCAL={LOCAL}\nDATABASE_URL_PROD={PROD}\n")
    app.write("prisma/.env", f"\n\nPOSTGRES_URL={DIRECT}\n")
    with pytest.raises(EnvFileError) as caught:
        switch(app.root, "local")
    assert any(
        "prisma/.env, line 3: POSTGRES_URL leads to prod (Prisma CLI)" in fact for fact in caught.value.facts
    )


def test_what_next_start_takes_from_the_files_of_production_is_not_judged(app):
    app.write(".env.local", f"DATABASE_URL={LOCAL}\nDATABASE_URL_LOCAL={LOCAL}\nDATABASE_URL_PROD={PROD}\n")
    app.write(".env.production", f"REPORTS_URL={PROD}\n")
    assert switch(app.root, "local").edits == ()


def test_a_target_whose_direct_url_leads_to_production_is_refused(app):
    app.write(
        ".env.local",
        f"DATABASE_URL_LOCAL={LOCAL}\nDIRECT_URL_LOCAL={DIRECT}\nDATABASE_URL_PROD={PROD}\nDIRECT_URL_PROD={DIRECT}\n",
    )
    with pytest.raises(EnvFileError, match="DIRECT_URL would still lead to the database of prod"):
        switch(app.root, "local")
    switch(app.root, "prod")


def test_the_place_of_a_command_target_is_known_from_the_last_switch_to_it(app):
    app.write(".env.local", f"DATABASE_URL={LOCAL}\nDATABASE_URL_LOCAL={LOCAL}\n")
    app.write("dbswitch.toml", f"[targets.prod]\ncommand = {prints(PROD)}\n")
    switch(app.root, "prod")
    app.write(
        ".env.local",
        (app.root / ".env.local").read_text() + f"REPORTS_URL={DIRECT}\nDATABASE_URL_COPY={DIRECT}\n",
    )
    with pytest.raises(EnvFileError, match="REPORTS_URL would still lead to the database of prod"):
        switch(app.root, "local")
    assert resolve(load(app.root), "copy", ambient={}).protected is True
    assert resolve(load(app.root), "local", ambient={}).protected is False
    listed = {ref.name: ref.protected for ref in list_targets(load(app.root), ambient={})}
    assert listed == {"copy": True, "local": False, "prod": True}


def test_own_values_that_lead_to_the_database_of_a_command_target_are_protected(app):
    from dbswitch.switch.edits import own_values

    app.write(".env.local", f"DATABASE_URL={LOCAL}\n")
    app.write("env/local.env", f"DATABASE_URL={LOCAL}\n")
    app.write("dbswitch.toml", f"[targets.prod]\ncommand = {prints(PROD)}\n")
    switch(app.root, "prod", {})
    app.write(".env.local", f"DATABASE_URL={DIRECT.replace('app', 'owner')}\n")
    switch(app.root, "local", {})
    assert own_values(load(app.root), {}).protected is True


def test_another_user_of_a_command_targets_database_leaves_a_protected_target(app):
    from dbswitch.switch import edits, project_state

    app.write(".env.local", f"DATABASE_URL={LOCAL}\n")
    app.write("env/local.env", f"DATABASE_URL={LOCAL}\n")
    app.write("dbswitch.toml", f"[targets.prod]\ncommand = {prints(PROD)}\n")
    switch(app.root, "prod", {})

    def leaving(url: str, name: str) -> bool:
        app.write(".env.local", f"DATABASE_URL={url}\n")
        project = load(app.root)
        observed, target = project_state.look(project, ask=False), resolve(project, name, ambient={})
        plan = edits.planned(project, target, files=observed.files, written=observed.entered, ambient={})
        return project_state.situation(observed, target, plan, stopped_by_switch=False).leaving_protected

    owner = DIRECT.replace("app", "owner")
    assert [leaving(owner, "local"), leaving(owner, "prod"), leaving(STAGING, "local")] == [
        True,
        False,
        False,
    ]


def test_a_direct_url_to_the_database_of_a_command_target_and_another_is_on_the_one_that_was_entered(app):
    prisma(app, direct="DIRECT_URL")
    app.write(".env", f"DIRECT_URL={DIRECT.replace('prod-pw', 'mine')}\n")
    app.write("env/live.env", f"DATABASE_URL={PROD.replace('prod-pw', 'live-pw')}\n")
    app.write("dbswitch.toml", f"[targets.prod]\ncommand = {prints(f'DATABASE_URL={PROD}')}\n")
    switch(app.root, "prod")
    assert active(load(app.root), {}).text == "prod"


def test_an_own_value_that_a_target_had_displaced_does_not_come_back_where_it_misleads(app):
    app.write(
        ".env.local",
        f"DATABASE_URL={PROD}\nDATABASE_URL_PROD={PROD}\nDIRECT_URL_PROD={DIRECT}\nDIRECT_URL={DIRECT}?by=hand\n"
        f"DATABASE_URL_LOCAL={LOCAL}\nDIRECT_URL_LOCAL={LOCAL}\nDATABASE_URL_QA={STAGING}\n",
    )
    switch(app.root, "local")
    assert "dbswitch:kept DIRECT_URL" in (app.root / ".env.local").read_text()
    switch(app.root, "qa")
    assert "DIRECT_URL" not in bound(app)


def test_an_own_value_that_misleads_does_not_give_way_to_an_older_one(app):
    prisma(app, direct="DIRECT_URL")
    older = f"DIRECT_URL={STAGING}?older=1"
    app.write(
        ".env",
        f"{older}\nDATABASE_URL={LOCAL}\nDATABASE_URL_LOCAL={LOCAL}\nDIRECT_URL_LOCAL={LOCAL}\nDATABASE_URL_QA={STAGING}\n",
    )
    switch(app.root, "local")
    text = (app.root / ".env").read_text()
    assert f"# dbswitch:kept {older}" in text
    newer = "DIRECT_URL=postgresql://me:x@mine.test/own"
    app.write(".env", text.replace(f"\nDIRECT_URL={LOCAL}", f"\n{newer}"))
    switch(app.root, "qa")
    text = (app.root / ".env").read_text()
    assert newer in text
    assert older in text
    assert bound(app, ".env").get("DIRECT_URL") is None


def test_no_value_is_stored_and_the_folder_is_private(app):
    app.write(".env.local", f"DATABASE_URL_LOCAL={LOCAL}\nTOKEN_LOCAL=t0ken-value\n")
    switch(app.root, "local")
    folder = load(app.root).private_dir
    assert not folder.is_relative_to(app.root)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    path = folder / written_values.FILE_NAME
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    text = path.read_text()
    assert "TOKEN" in text
    assert not any(secret in text for secret in ("t0ken", "local-pw", "localhost"))
    before = path.stat().st_ino
    switch(app.root, "local")
    assert path.stat().st_ino == before  # nothing new, nothing written


@pytest.mark.parametrize("content", [b"", b"{", b'{"key": "00"}', b'{"key": 7, "targets": []}', b"\xff"])
def test_a_broken_memory_is_an_empty_one(app, content):
    app.write(".env.local", f"DATABASE_URL_LOCAL={LOCAL}\n")
    switch(app.root, "local")
    folder = load(app.root).private_dir
    (folder / written_values.FILE_NAME).write_bytes(content)
    assert written_values.load(folder).variables == frozenset()
    switch(app.root, "local")
    assert written_values.load(folder).variables == {"DATABASE_URL"}


def test_a_switch_that_cannot_be_remembered_changes_nothing(app, tmp_path):
    app.write(".env.local", f"DATABASE_URL_LOCAL={LOCAL}\n")
    (tmp_path / "state").write_text("a file in the place of the folder")
    with pytest.raises(ConfigError, match="cannot be used"):
        switch(app.root, "local")
    assert bound(app) == {"DATABASE_URL_LOCAL": LOCAL}
