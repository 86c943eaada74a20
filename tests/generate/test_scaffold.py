from __future__ import annotations

import json
import re
import stat
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

import dbswitch.generate
from dbswitch.errors import ConfigError
from dbswitch.generate.file_edits import add_scripts
from dbswitch.generate.removal import apply_removal, plan_removal
from dbswitch.generate.scaffold import apply_init, ensure_token, plan_init
from dbswitch.generate.writing import FileAction
from dbswitch.project.config import Config, parse
from dbswitch.project.discovery import discover, load
from dbswitch.project.targets import list_targets

REPOSITORY = Path(__file__).parents[2]
TEMPLATES = Path(dbswitch.generate.__file__).parent / "templates"
LOCAL = "postgresql://app:local-pw@localhost:5432/shop"
PROD = "postgresql://app:prod-pw@db.example.test:5432/shop"


@pytest.fixture
def app(tmp_path):
    root = tmp_path / "app"
    root.mkdir()
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    package = {"name": "app", "scripts": {"dev": "next dev"}, "dependencies": {"next": "16.0.7"}}
    (root / "package.json").write_text(json.dumps(package, indent=2) + "\n")
    return root


def snapshot(root):
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and ".git/" not in path.as_posix()
    }


def actions(plan):
    return {item.name: item.action for item in plan.items}


def test_planning_changes_nothing(app):
    before = snapshot(app)
    plan_init(app, scripts=True)
    assert snapshot(app) == before


def test_an_empty_project_gets_everything_and_nothing_the_second_time(app):
    written = apply_init(plan_init(app, scripts=True))
    assert set(written) == {
        "dbswitch.toml",
        ".gitignore",
        "env/local.env.example",
        "env/prod.env.example",
        ".dbswitch/token",
        "package.json",
    }
    after = snapshot(app)
    again = plan_init(app, scripts=True)
    assert again.changes == ()
    assert apply_init(again) == ()
    assert snapshot(app) == after


def test_the_token_is_private_long_and_never_in_the_plan_a_person_sees(app):
    plan = plan_init(app)
    apply_init(plan)
    token = app / ".dbswitch/token"
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    assert stat.S_IMODE(token.parent.stat().st_mode) == 0o700
    text = token.read_text().strip()
    assert len(text) >= 40
    assert text not in repr(plan)


def test_what_is_written_is_ignored_by_git_and_the_templates_are_not(app):
    (app / ".env").write_text("A=1\n")
    apply_init(plan_init(app))

    def ignored(name):
        return (
            subprocess.run(["git", "-C", str(app), "check-ignore", "-q", name], check=False).returncode == 0
        )

    for name in (
        ".dbswitch/token",
        "env/prod.env",
        "env/local.env",
        ".env.local",
        ".env.development.local",
        ".env",
    ):
        assert ignored(name), name
    for name in ("env/prod.env.example", "dbswitch.toml", ".env.example"):
        assert not ignored(name), name


def test_ignore_entries_are_only_added_where_git_does_not_ignore_already(app):
    (app / ".gitignore").write_bytes(b"node_modules\r\n.env*\r\n/env/*.env")
    plan = plan_init(app)
    assert actions(plan)[".gitignore"] is FileAction.APPEND
    apply_init(plan)
    assert (app / ".gitignore").read_bytes() == (
        b"node_modules\r\n.env*\r\n/env/*.env\r\n\r\n"
        b"# dbswitch: values and state that belong to this machine\r\n.dbswitch/\r\n"
    )


def test_without_git_the_lines_of_the_file_are_compared(tmp_path):
    (tmp_path / "package.json").write_text('{"dependencies": {"next": "16"}}')
    (tmp_path / ".gitignore").write_text(".env*\n.dbswitch/\n")
    plan = plan_init(tmp_path)
    assert next(item.detail for item in plan.items if item.name == ".gitignore") == "env/*.env"


def test_nothing_that_exists_is_overwritten(app):
    for name in ("dbswitch.toml", "env/local.env.example", ".dbswitch/token"):
        path = app / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("# mine\n")
    plan = plan_init(app)
    apply_init(plan)
    for name in ("dbswitch.toml", "env/local.env.example", ".dbswitch/token"):
        assert (app / name).read_text() == "# mine\n"
        assert actions(plan)[name] is FileAction.KEEP


def test_a_file_that_appears_after_the_plan_is_left_alone(app):
    plan = plan_init(app)
    (app / "dbswitch.toml").write_text("# someone was faster\n")
    with pytest.raises(ConfigError, match=r"dbswitch\.toml was not written"):
        apply_init(plan)
    assert (app / "dbswitch.toml").read_text() == "# someone was faster\n"


def test_a_file_that_changed_after_the_plan_is_left_alone(app):
    (app / ".gitignore").write_text("a\n")
    plan = plan_init(app)
    (app / ".gitignore").write_text("b\n")
    with pytest.raises(ConfigError, match=r"\.gitignore was not written") as caught:
        apply_init(plan)
    assert (app / ".gitignore").read_text() == "b\n"
    assert "written before it: dbswitch.toml" in caught.value.facts


def test_a_project_with_targets_gets_no_templates(app):
    (app / ".env.local").write_text(
        f"DATABASE_URL={LOCAL}\nDATABASE_URL_LOCAL={LOCAL}\nDATABASE_URL_PRODUCTION={PROD}\n"
    )
    plan = plan_init(app)
    assert not any(name.startswith("env/") for name in actions(plan))
    assert ("target prod", "DATABASE_URL_PRODUCTION in .env.local (protected)") in plan.found
    assert "prod-pw" not in repr(plan)


def test_the_template_names_the_variables_the_prisma_schema_needs(app):
    (app / "prisma").mkdir()
    (app / "prisma/schema.prisma").write_text('datasource db {\n url = env("PG_URL")\n}\n')
    apply_init(plan_init(app))
    assert '\nPG_URL="postgresql://' in (app / "env/prod.env.example").read_text()


def test_an_env_file_that_git_tracks_is_pointed_out(app):
    (app / ".env").write_text("A=1\n")
    subprocess.run(["git", "-C", str(app), "add", ".env"], check=True)
    assert any(".env" in notice for notice in plan_init(app).notices)


def test_the_files_written_are_accepted_by_dbswitch_itself(app):
    apply_init(plan_init(app))
    config = parse((app / "dbswitch.toml").read_bytes())
    assert config == Config()
    (app / "env/local.env").write_bytes((app / "env/local.env.example").read_bytes())
    assert [ref.name for ref in list_targets(discover(app))] == ["local"]


def test_every_commented_setting_of_the_template_is_valid(app):
    apply_init(plan_init(app))
    lines = (app / "dbswitch.toml").read_text().splitlines()
    live = [re.sub(r"^# (?=\[|[a-z_]+ = |active)", "", line) for line in lines]
    config = parse("\n".join(live).encode())
    assert set(config.targets) == {"local", "prod", "staging"}


@pytest.mark.parametrize("name", ["local", "prod"])
def test_the_templates_of_this_repository_are_those_that_init_writes(name):
    packaged = TEMPLATES / "project" / f"{name}.env.example"
    assert (REPOSITORY / "env" / packaged.name).read_bytes() == packaged.read_bytes()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            '{\n  "scripts": {\n    "dev": "x"\n  }\n}\n',
            '{\n  "scripts": {\n    "dev": "x",\n    "a": "b"\n  }\n}\n',
        ),
        ('{\n\t"scripts": {}\n}', '{\n\t"scripts": {\n\t\t"a": "b"\n\t}\n}'),
        ('{"scripts": {"dev": "x"}, "z": 1}', '{"scripts": {"dev": "x", "a": "b"}, "z": 1}'),
        (
            '{\r\n  "name": "n"\r\n}\r\n',
            '{\r\n  "scripts": {\r\n    "a": "b"\r\n  },\r\n  "name": "n"\r\n}\r\n',
        ),
        ('{ "scripts": { "a": "mine" } }', '{ "scripts": { "a": "mine" } }'),
        (
            '{"x": {"scripts": {}}, "y": "\\"scripts\\": {", "scripts": {"dev": "z"}}',
            '{"x": {"scripts": {}}, "y": "\\"scripts\\": {", "scripts": {"dev": "z", "a": "b"}}',
        ),
        ('{"x": {"scripts": {}}}', None),
        ("[]", None),
        ("{", None),
        ('{"scripts": 3}', None),
    ],
)
def test_scripts_are_added_without_touching_another_byte(before, after):
    got = add_scripts(before, {"a": "b"})
    if after is None and before.startswith('{"x"'):
        assert got is not None
        assert json.loads(got) == {"x": {"scripts": {}}, "scripts": {"a": "b"}}
    else:
        assert got == after


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.dictionaries(st.text(max_size=5), JSON, max_size=3),
    st.none() | st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3),
    st.sampled_from([None, 2, 4, "\t"]),
)
def test_any_package_json_gets_exactly_the_scripts_added(value, scripts, indent):
    if scripts is not None:
        value["scripts"] = scripts
    else:
        value.pop("scripts", None)
    got = add_scripts(json.dumps(value, indent=indent), {"a": "b", "c": "d"})
    assert got is not None
    assert json.loads(got) == {**value, "scripts": {"a": "b", "c": "d", **(scripts or {})}}


def test_init_warns_of_tracked_files_that_a_switch_edits_and_not_of_examples(app):
    for name in (".env", ".env.example", ".env.sample"):
        (app / name).write_text("A=1\n")
    subprocess.run(["git", "-C", str(app), "add", "-f", ".env", ".env.example", ".env.sample"], check=True)
    assert [text for text in plan_init(app).notices if "git tracks" in text] == [
        "git tracks .env: a switch cannot keep its values out of a commit"
    ]


def test_the_templates_of_a_project_with_other_variable_names_use_them(app):
    (app / "prisma.config.ts").write_text(
        "export default { datasource: { url: process.env.DIRECT ?? process.env.POOLED } }\n"
    )
    (app / "lib").mkdir()
    (app / "lib" / "prisma.ts").write_text("new PrismaClient(process.env.POOLED)\n")
    apply_init(plan_init(app))
    text = (app / "env" / "local.env.example").read_text()
    assert "DATABASE_URL" not in text
    assert re.findall(r"^(\w+)=", text, re.MULTILINE) == ["POOLED", "DIRECT"]


def test_the_token_is_private_random_and_kept(tmp_path):
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "package.json").write_text("{}")
    project = load(tmp_path / "one")
    ensure_token(project)
    path = project.state_dir / "token"
    first = path.read_text()
    assert len(first.strip()) >= 40
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert (project.state_dir / ".gitignore").read_text() == "*\n"
    ensure_token(project)
    assert path.read_text() == first
    ensure_token(load(tmp_path / "other"))
    assert (tmp_path / "other" / ".dbswitch" / "token").read_text() != first


def test_a_script_that_destroys_data_is_named_unless_it_has_a_guard(app):
    scripts = {
        "dev": "next dev",
        "reset": "npx prisma migrate reset",
        "again": "npm run reset",
        "safe": "dbswitch guard -- prisma migrate reset",
    }
    (app / "package.json").write_text(json.dumps({"name": "app", "scripts": scripts}))
    [notice] = [text for text in plan_init(app).notices if "destroys data" in text]
    assert notice.startswith("the script reset destroys data: with `dbswitch guard -- `")


def outside_error(app, act):
    before = snapshot(app.parent)
    with pytest.raises(ConfigError) as refused:
        act()
    assert snapshot(app.parent) == before
    error = refused.value
    assert "outside the project" in error.what
    assert error.exit_code == 2
    assert error.facts
    assert error.why
    assert error.fix


@pytest.mark.parametrize("name", [".gitignore", "package.json"])
def test_init_refuses_a_file_whose_symlink_leads_out_of_the_project_and_writes_nothing(app, name):
    outside = app.parent / "bashrc"
    outside.write_bytes((app / "package.json").read_bytes())
    (app / name).unlink(missing_ok=True)
    (app / name).symlink_to(outside)
    outside_error(app, lambda: apply_init(plan_init(app, scripts=True)))


def test_init_creates_nothing_behind_a_dangling_symlink_or_a_linked_folder_outside(app):
    (app / ".gitignore").symlink_to(app.parent / "missing")
    outside_error(app, lambda: apply_init(plan_init(app)))
    (app / ".gitignore").unlink()
    (app.parent / "templates").mkdir()
    (app / "env").symlink_to(app.parent / "templates")
    outside_error(app, lambda: apply_init(plan_init(app)))


def test_a_symlink_made_after_the_plan_is_not_followed_out_of_the_project(app):
    (app / ".gitignore").write_text("x\n")
    plan = plan_init(app)
    (app / ".gitignore").rename(app.parent / "bashrc")
    (app / ".gitignore").symlink_to(app.parent / "bashrc")
    outside_error(app, lambda: apply_init(plan))


def test_init_follows_a_symlink_that_stays_in_the_project(app):
    (app / "ignore").write_text("x\n")
    (app / ".gitignore").symlink_to("ignore")
    apply_init(plan_init(app))
    assert (app / ".gitignore").is_symlink()
    assert b".dbswitch/" in (app / "ignore").read_bytes()


def test_uninstall_changes_and_removes_nothing_outside_the_project(app):
    (app / ".gitignore").write_text("x\n")
    apply_init(plan_init(app))
    (app / ".gitignore").rename(app.parent / "bashrc")
    (app / ".gitignore").symlink_to(app.parent / "bashrc")
    outside_error(app, lambda: apply_removal(plan_removal(load(app))))
    (app / ".gitignore").unlink()
    (app / "env").rename(app.parent / "templates")
    (app / "env").symlink_to(app.parent / "templates")
    outside_error(app, lambda: apply_removal(plan_removal(load(app))))
