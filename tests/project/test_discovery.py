from __future__ import annotations

import os

import pytest

from dbswitch.errors import ConfigError
from dbswitch.project.discovery import discover
from dbswitch.project.generated import find, url_path
from dbswitch.project.packages import PackageManager


def test_the_project_is_found_from_a_folder_inside_it(folder):
    folder.package()
    folder.write("src/app/api/x/route.ts")
    project = discover(folder.root / "src/app/api")
    assert project.root == folder.root
    assert project.next is not None
    assert (project.next.version, project.next.installed) == ("16.0.7", False)
    assert project.packages.dev_script == "next dev"


def test_a_folder_reached_through_a_symlink_gives_its_real_root(folder, tmp_path):
    folder.package()
    (tmp_path / "link").symlink_to(folder.root)
    assert discover(tmp_path / "link").root == folder.root


def test_in_a_monorepo_the_app_is_nearer_than_the_workspace_root(folder):
    folder.write("package.json", '{"name": "root", "workspaces": ["apps/*"], "packageManager": "pnpm@9.1.0"}')
    folder.package("apps/web")
    project = discover(folder.root / "apps/web")
    assert project.root == folder.root / "apps/web"
    assert project.packages.manager is PackageManager.PNPM


def test_at_the_workspace_root_the_apps_below_are_named(folder):
    folder.write("package.json", '{"name": "root", "workspaces": ["apps/*"]}')
    folder.package("apps/web")
    folder.package("node_modules/next")
    with pytest.raises(ConfigError, match=r"^no project here$") as caught:
        discover(folder.root)
    assert any(str(folder.root / "apps/web") in fact for fact in caught.value.facts)
    assert "--project" in caught.value.fix
    assert not any("node_modules" in fact for fact in caught.value.facts)


def test_an_app_that_takes_next_from_the_workspace_root_is_found_and_the_root_is_not(folder):
    folder.package(workspaces=["apps/*"], scripts={"dev": "turbo dev"})
    folder.write("node_modules/next/package.json", '{"version": "13.5.1"}')
    folder.write("apps/web/package.json", '{"name": "web", "scripts": {"dev": "next dev"}}')
    folder.write("apps/web/next.config.js", "module.exports = {};")
    folder.write("apps/mobile/package.json", '{"name": "mobile"}')
    folder.write("apps/mobile/app/index.tsx", "")
    project = discover(folder.root / "apps/web")
    assert project.root == folder.root / "apps/web"
    assert project.next is not None
    assert (project.next.version, project.next.installed) == ("13.5.1", True)
    for other in (folder.root / "apps/mobile", folder.root):
        with pytest.raises(ConfigError, match=r"^no project here$") as caught:
            discover(other)
    assert f"there is an app in {folder.root / 'apps/web'}" in caught.value.facts


@pytest.mark.parametrize("own", ["next.config.mjs", "app/page.tsx", "src/pages/index.tsx", "dbswitch.toml"])
def test_a_workspace_root_that_is_an_app_itself_is_the_project(folder, own):
    folder.package(workspaces=["docs"])
    folder.package("docs")
    folder.write(own, "")
    assert discover(folder.root).root == folder.root


def test_a_dbswitch_toml_makes_a_project_of_any_framework(folder):
    folder.write("dbswitch.toml", "[server]\ncommand = 'vite'\n")
    project = discover(folder.root)
    assert project.next is None
    assert project.config.server.command == ("vite",)


def test_without_a_project_the_error_says_what_was_looked_for_and_where_it_stopped(folder):
    folder.root.parent.parent.joinpath("package.json").write_text('{"dependencies": {"next": "16"}}')
    with pytest.raises(ConfigError) as caught:
        discover(folder.root)
    facts = " ".join(caught.value.facts)
    assert "package.json with `next`" in facts
    assert str(folder.root.parent) in facts  # the top of the git work tree; the app outside it is not taken


def test_a_broken_package_json_is_named_with_its_line(folder):
    folder.write("package.json", '{\n  "name": oops\n}')
    with pytest.raises(ConfigError, match=r"package\.json, line 2, column 11"):
        discover(folder.root)


@pytest.mark.parametrize(
    ("lock", "manager"),
    [
        ("pnpm-lock.yaml", "pnpm"),
        ("yarn.lock", "yarn"),
        ("bun.lock", "bun"),
        ("bun.lockb", "bun"),
        ("package-lock.json", "npm"),
    ],
)
def test_the_package_manager_is_the_one_whose_lock_file_is_nearest(folder, lock, manager):
    folder.package()
    folder.write("../" + lock)
    assert discover(folder.root).packages.manager == manager


def test_the_package_manager_field_beats_a_lock_file(folder):
    folder.package(packageManager="yarn@4.1.0")
    folder.write("package-lock.json", "{}")
    assert discover(folder.root).packages.manager == "yarn"


def test_the_installed_version_of_next_is_found_where_the_workspace_hoists_it(folder):
    folder.package("apps/web", dependencies={"next": "^16.0.0"})
    folder.write("node_modules/next/package.json", '{"version": "16.4.6"}')
    info = discover(folder.root / "apps/web").next
    assert info is not None
    assert (info.version, info.installed) == ("16.4.6", True)


@pytest.mark.parametrize(
    ("name", "text", "expected", "noticed"),
    [
        ("next.config.js", "module.exports = { distDir: 'build/x' }", "build/x", False),
        ("next.config.ts", 'export default { "distDir": "./out/" } satisfies C', "out", False),
        (
            "next.config.mjs",
            "// distDir: 'no'\n/* distDir: 'no' */ const u = 'https://x'; export default {}",
            ".next",
            False,
        ),
        ("next.config.mjs", "export default { distDir: process.env.DIST || 'x' }", ".next", True),
        ("next.config.js", "module.exports = { distDir: `a${b}` }", ".next", True),
    ],
)
def test_the_dist_dir_is_a_literal_of_the_next_config_or_said_to_be_unknown(
    folder, name, text, expected, noticed
):
    folder.package()
    folder.write(name, text)
    project = discover(folder.root)
    assert project.next is not None
    assert project.next.dist_dir == expected
    assert bool(project.notices) == noticed


def test_a_configured_dist_dir_needs_no_reading(folder):
    folder.package()
    folder.write("next.config.js", "module.exports = { distDir: process.env.DIST }")
    folder.write("dbswitch.toml", "[server]\ndist_dir = 'x'\n")
    project = discover(folder.root)
    assert project.next is not None
    assert (project.next.dist_dir, project.notices) == ("x", ())


def test_env_files_that_git_tracks_are_known(folder):
    folder.git("init", "-q")
    folder.package()
    folder.write(".env", "A=1\n")
    folder.write(".env.local", "A=1\n")
    folder.write("env/prod.env", "A=1\n")
    folder.git("add", ".env", "env/prod.env")
    assert discover(folder.root).tracked == {".env", "env/prod.env"}


def test_without_git_no_env_file_is_tracked(folder, monkeypatch):
    folder.package()
    folder.write(".env", "A=1\n")
    assert discover(folder.root).tracked == frozenset()
    monkeypatch.setenv("PATH", "")
    assert discover(folder.root).tracked == frozenset()


def test_a_git_hooks_own_variables_do_not_turn_the_look_up_to_another_repository(
    folder, monkeypatch, tmp_path
):
    folder.git("init", "-q")
    folder.package()
    folder.write(".env", "A=1\n")
    folder.git("add", ".env")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "elsewhere/index"))
    assert discover(folder.root).tracked == {".env"}


def test_generated_files_are_found_by_their_first_line(folder):
    folder.package()
    folder.write("src/lib/db.ts", "// dbswitch:generated client v1 sha256=00\nexport {}\n")
    folder.write("src/app/(admin)/api/admin/database/route.ts", "// dbswitch:generated route v1 sha256=00\n")
    folder.write("node_modules/x/db.ts", "// dbswitch:generated client v1 sha256=00\n")
    folder.write("src/other.ts", "// nothing\n")
    found = find(discover(folder.root))
    assert found.client == "src/lib/db.ts"
    assert found.identity_path == "/api/admin/database"
    assert len(found.files) == 2


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("app/api/x/route.ts", "/api/x"),
        ("src/app/(g)/@slot/x/route.js", "/x"),
        ("app/route.ts", "/"),
        ("app/x/page.tsx", "/x"),
        ("lib/route.ts", None),
    ],
)
def test_the_url_of_a_route_file_follows_the_app_router(name, path):
    assert url_path(name) == path


@pytest.mark.root
def test_as_root_in_a_persons_repository_tracked_env_files_are_known_all_the_same(folder):
    folder.git("init", "-q")
    folder.package()
    folder.write(".env", "A=1\n")
    folder.git("add", ".env")
    folder.git("config", "core.fsmonitor", f"touch {folder.root}/ran; false")
    for path in (folder.root, *folder.root.rglob("*")):
        os.chown(path, 65534, 65534)
    assert discover(folder.root).tracked == {".env"}
    assert not (folder.root / "ran").exists()


DIRECT_FIRST = "export default { datasource: { url: process.env.DIRECT ?? process.env.POOLED ?? '' } }\n"


@pytest.mark.parametrize(
    ("client", "primary"),
    [
        (
            "export const prisma = new PrismaClient({ adapter: new PrismaPg(process.env['POOLED']) })\n",
            "POOLED",
        ),
        ("const { env } = process; new PrismaClient(env.DATABASE_URL)\n", "DATABASE_URL"),
        ("// process.env.POOLED\nnew PrismaClient({ adapter })\n", "DIRECT"),
        ("new PrismaClient(process.env.OTHER)\n", "DIRECT"),
    ],
)
def test_the_variable_that_the_apps_own_client_reads_decides_where_prismas_config_names_others(
    folder, client, primary
):
    folder.package(dependencies={"next": "16.0.7", "prisma": "7.1.0"})
    folder.write("prisma.config.ts", DIRECT_FIRST)
    folder.write("src/lib/prisma.ts", client)
    assert discover(folder.root).primary_variable == primary


def test_advice_names_the_variables_of_this_project(folder):
    folder.package(dependencies={"next": "16.0.7", "prisma": "7.1.0"})
    folder.write("prisma.config.ts", DIRECT_FIRST)
    folder.write("lib/db.ts", "new PrismaClient(process.env.POOLED)\n")
    assert discover(folder.root).target_example == "POOLED_LOCAL and POOLED_PROD, likewise for DIRECT"
