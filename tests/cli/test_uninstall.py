"""`dbswitch uninstall`: after it the project is as if dbswitch had never been there, its present values aside."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from dbswitch import state_folder
from dbswitch.cli.command_declaration import CommandContext
from dbswitch.cli.renderer import Renderer
from dbswitch.cli.setup_commands import uninstall
from dbswitch.generate.file_edits import add_scripts, remove_scripts
from dbswitch.generate.writing import sign
from dbswitch.project.discovery import load
from dbswitch.switch import project_lock, session

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Folder
    from tests.support.postgres import ShopServer


def git(folder: Folder, *words: str) -> str:
    line = ["git", "-c", "user.name=x", "-c", "user.email=x@example.test", "-C", str(folder.root), *words]
    return subprocess.run(line, check=True, capture_output=True, text=True).stdout


def as_repository(folder: Folder) -> None:
    folder.write(".gitignore", "node_modules\n.env*.local\n")
    (folder.root / "dbswitch.toml").rename(folder.root.parent / "own.toml")
    (folder.root / ".git").rmdir()
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "before dbswitch")


@pytest.fixture
def state_home(tmp_path: Path) -> dict[str, str]:
    return {"XDG_STATE_HOME": str(tmp_path / "state")}


def test_after_init_and_uninstall_git_status_is_clean_and_the_state_folder_gone(
    folder: Folder, state_home: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    as_repository(folder)
    before = (folder.root / ".env.local").read_bytes()
    assert folder.run("init", "--yes", "--scripts", env=state_home).returncode == 0
    assert git(folder, "status", "--porcelain")
    folder.run("prod", "--confirm", "prod", "--timeout", "0.2", env=state_home)  # it leaves state behind
    monkeypatch.setenv("XDG_STATE_HOME", state_home["XDG_STATE_HOME"])
    private = state_folder.of_project(folder.root)
    assert private.exists()
    done = folder.run("uninstall", "--yes", env=state_home)
    assert done.returncode == 0, done.stderr
    assert git(folder, "status", "--porcelain", "--ignored").splitlines() == ["!! .env.local"]
    assert not private.exists()
    assert (folder.root / ".env.local").read_bytes() == before


def test_a_hook_or_script_that_would_fail_without_dbswitch_is_named(folder: Folder) -> None:
    folder.write(".pre-commit-config.yaml", "- id: dbswitch-check\n  entry: dbswitch check --quiet\n")
    folder.write(".husky/pre-commit", "npx lint-staged\n")
    folder.write("package.json", '{"scripts": {"reset": "dbswitch guard -- prisma migrate reset"}}')
    assert folder.json("uninstall", "--dry-run")[1][0]["notices"] == [
        f"{name} runs dbswitch and is yours: remove that by hand"
        for name in (".pre-commit-config.yaml", "package.json")
    ]


def test_a_dry_run_and_a_no_take_nothing_away_and_without_a_terminal_yes_is_needed(folder: Folder) -> None:
    folder.run("init", "--yes")
    before = sorted(folder.root.rglob("*"))
    done = folder.run("uninstall", "--dry-run")
    assert "remove  .dbswitch" in done.stdout
    assert done.stderr == "nothing was changed\n"
    assert folder.run("uninstall").returncode == 2
    with folder.terminal("uninstall") as terminal:
        terminal.until("Remove this? [y/N] ")
        terminal.type("\n")
        assert terminal.end() == 0
    assert sorted(folder.root.rglob("*")) == before


def test_a_file_that_was_saved_during_the_question_keeps_what_was_saved(folder: Folder) -> None:
    folder.write(".gitignore", "node_modules\n")
    assert folder.run("init", "--yes", "--scripts").returncode == 0
    with folder.terminal("uninstall") as terminal:
        terminal.until("Remove this? [y/N] ")
        path = folder.root / "package.json"
        path.write_text(path.read_text().replace('"next": "16.0.7"', '"next": "16.0.8"'))
        folder.write(".gitignore", (folder.root / ".gitignore").read_text() + "coverage\n")
        terminal.type("y\n")
        assert terminal.end() == 0
    manifest = json.loads((folder.root / "package.json").read_text())
    assert manifest == {"dependencies": {"next": "16.0.8"}, "scripts": {"dev": "next dev"}}
    assert (folder.root / ".gitignore").read_text() == "node_modules\ncoverage\n"
    assert not (folder.root / ".dbswitch").exists()


def test_nothing_is_removed_if_a_generated_file_was_edited_during_the_question(folder: Folder) -> None:
    folder.write("lib/prisma.ts", sign("client", "lib/prisma.ts", "text\n").content.decode())
    folder.write("app/db/page.tsx", sign("page", "x", "text\n").content.decode())
    with folder.terminal("uninstall") as terminal:
        terminal.until("Remove this? [y/N] ")
        folder.write("lib/prisma.ts", (folder.root / "lib/prisma.ts").read_text() + "// my edit\n")
        terminal.type("y\n")
        assert terminal.end() == 2
    assert "lib/prisma.ts" in terminal.seen.split("nothing was removed")[1]
    assert (folder.root / "lib/prisma.ts").read_text().endswith("// my edit\n")
    assert (folder.root / "app/db/page.tsx").exists()


def test_the_state_folder_is_removed_before_another_command_gets_the_lock(
    folder: Folder, state_home: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", state_home["XDG_STATE_HOME"])
    project = load(folder.root)
    session.prepare_private_dir(project)
    removed = []

    def rmtree(path: Path, **options: bool) -> None:
        removed.append((path, project_lock.peek(project.state_dir) is not None))
        real(path, **options)

    real = shutil.rmtree
    monkeypatch.setattr(shutil, "rmtree", rmtree)
    context = CommandContext(Renderer(), folder=folder.root)
    assert uninstall(context, dry_run=False, yes=True, stop=False, force=False) == 0
    assert removed == [(project.private_dir, True), (project.state_dir, True)]


def test_the_persons_own_file_comes_back_and_what_was_edited_stays(folder: Folder) -> None:
    folder.write("lib/prisma.ts", "generated\n")
    (folder.root / "lib/prisma.ts").write_bytes(sign("client", "lib/prisma.ts", "text\n").content)
    folder.write("dbswitch-replaced/lib/prisma.ts.original", "mine\n")
    folder.write("app/api/x/route.ts", sign("route", "x", "text\n").content.decode() + "// my edit\n")
    folder.write("app/db/page.tsx", sign("page", "x", "text\n").content.decode())
    folder.write("app/layout.tsx", 'import Page from "./db/page";\n')
    code, [told] = folder.json("uninstall", "--yes")
    assert code == 0
    assert (folder.root / "lib/prisma.ts").read_text() == "mine\n"
    assert (folder.root / "app/api/x/route.ts").exists()
    assert not (folder.root / "app/db").exists()
    assert told["notices"] == [
        "app/layout.tsx:1 imports app/db/page.tsx, which is removed: remove that import too"
    ]
    actions = {one["name"]: one["action"] for one in told["items"]}
    assert actions["app/api/x/route.ts"] == "keep"
    assert actions["lib/prisma.ts"] == "restore"
    assert actions["dbswitch.toml"] == "keep"


def test_the_env_files_stay_on_their_values_without_a_comment_of_dbswitch(
    served: Folder, postgres_prod: ShopServer
) -> None:
    path = served.root / ".env.local"
    path.write_text(path.read_text() + 'BLOB_X="own"\nBLOB_X_LOCAL="l"\n')
    first = path.read_text().splitlines()[0]
    path.write_text(
        path.read_text()
        .replace(first, first.replace("shop:", "shop:", 1) + "?own=1", 1)
        .replace('"?own=1', '?own=1"', 1)
    )
    assert served.run("prod", "--confirm", "prod").returncode == 0
    assert "dbswitch:" in path.read_text()
    done = served.run("uninstall", "--yes")
    assert done.returncode == 0, done.stderr
    text = path.read_text()
    assert "dbswitch" not in text
    assert f'DATABASE_URL="{postgres_prod.url}"' in text


@pytest.mark.parametrize(
    "text",
    [
        '{\n  "name": "app",\n  "scripts": {\n    "dev": "next dev"\n  }\n}\n',
        '{\n\t"scripts": {\n\t\t"dev": "next dev",\n\t\t"build": "next build"\n\t}\n}',
        '{"scripts": {"dev": "next dev"}}',
    ],
)
def test_removing_the_scripts_gives_the_very_text_before_they_were_added(text: str) -> None:
    scripts = {"db:local": "dbswitch local", "db:prod": "dbswitch prod", "db:status": "dbswitch status"}
    added = add_scripts(text, scripts)
    assert added is not None
    assert added != text
    assert remove_scripts(added) == text
    assert remove_scripts(text) == text


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ('{"scripts": {"db:a": "dbswitch a", "dev": "x"}}', '{"scripts": {"dev": "x"}}'),
        ('{\n  "scripts": {\n    "db:a": "dbswitch a"\n  }\n}\n', '{\n  "scripts": {}\n}\n'),
        (
            '{"scripts": {"db:a": "dbswitch b", "dev": "x"}}',
            '{"scripts": {"db:a": "dbswitch b", "dev": "x"}}',
        ),
        ('{"x": {"db:a": "dbswitch a"}, "scripts": {}}', '{"x": {"db:a": "dbswitch a"}, "scripts": {}}'),
    ],
)
def test_only_scripts_of_dbswitch_are_removed_wherever_they_stand(text: str, left: str) -> None:
    assert remove_scripts(text) == left
