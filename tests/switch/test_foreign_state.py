"""A checkout cannot make dbswitch act: what it brings in `.dbswitch`, in symlinks and in FIFOs is not believed."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from typing import TYPE_CHECKING

import pytest

from dbswitch.envfiles import journal_format as journals
from dbswitch.envfiles.journal_format import Journal, JournalEntry
from dbswitch.state_folder import user_folder
from tests.support.state import private_dir

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Folder

# The databases of `folder` are down: without `--timeout` each switch would wait for them for 15 s.
SWITCH = ("local", "--timeout", "0.2")
RECORD = {"id": "x", "target": "prod", "previous": None, "server_down": False}


def state(folder: Folder) -> Path:
    made = folder.root / ".dbswitch"
    made.mkdir(mode=0o700)
    return made


def precious(folder: Folder) -> Path:
    made = folder.root / "precious"
    made.mkdir(mode=0o755)
    (made / "thesis.txt").write_text("years of work")
    return made


def assert_untouched(folder: Folder) -> None:
    """No server of the project runs, and its env file is as the fixture wrote it."""
    assert folder.living() == []
    assert not (folder.root / ".next").exists()
    assert "evil" not in (folder.root / ".env.local").read_text()


LOOKING = [
    ("status",),
    (),
    ("exec", "local", "--", "true"),
    ("wait", "local", "--timeout", "0.2"),
    ("local", "--dry-run"),
    ("history",),
    ("logs",),
    ("check", "--all"),
    ("doctor",),
]


@pytest.mark.parametrize("words", LOOKING, ids=" ".join)
def test_a_switch_record_in_the_checkout_starts_no_server(served: Folder, words: tuple[str, ...]) -> None:
    (state(served) / "switch.json").write_text(json.dumps({**RECORD, "server_down": True}))
    before = tree(served.root)
    done = served.run(*words)
    assert done.returncode in {0, 1, 4}, done.stderr
    assert "killed" not in done.stderr
    assert_untouched(served)
    assert tree(served.root) == before


@pytest.mark.parametrize("words", LOOKING, ids=" ".join)
def test_a_looking_command_reports_a_killed_switch_and_finishes_nothing(
    served: Folder, words: tuple[str, ...]
) -> None:
    private = private_dir(served.root)
    (private / "switch.json").write_text(json.dumps({**RECORD, "server_down": True}))
    path = served.root / ".env.local"
    old = path.read_bytes()
    entry = JournalEntry(str(path), str(path), old, old + b"# new\n", 0o600, -1, -1)
    journals.commit(private / "journal", Journal("deadbeef", (entry,)))
    before = tree(served.root), tree(private)
    done = served.run(*words)
    assert done.returncode in {0, 1, 4}, done.stderr
    if words[:1] in {("status",), (), ("exec",), ("wait",)} or "--dry-run" in words:
        assert "`dbswitch restart` finishes it" in done.stderr + done.stdout
    assert served.living() == []
    assert (tree(served.root), tree(private)) == before


def tree(root: Path) -> dict[str, bytes]:
    """The content of every regular file below `root`."""
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize("words", [("stop",), ("local", "--no-restart"), ("restart",)], ids=" ".join)
def test_a_journal_in_the_checkout_is_not_replayed(
    folder: Folder, words: tuple[str, ...], tmp_path: Path
) -> None:
    outside = tmp_path / "outside.env"
    outside.write_text("precious\n")
    path = folder.root / ".env.local"
    path.unlink()
    path.symlink_to(outside)
    entry = JournalEntry(str(path), str(outside), b"precious\n", b"evil\n", 0o600, -1, -1)
    journals.commit(state(folder) / "journal", Journal("deadbeef", (entry,)))
    folder.run(*words)
    assert "evil" not in outside.read_text()


@pytest.mark.parametrize(
    "name", [".dbswitch/server.log", ".dbswitch/lock", ".dbswitch/token", ".dbswitch/history.jsonl"]
)
@pytest.mark.parametrize(
    "words", [("status",), ("history",), ("logs",), (*SWITCH, "--no-restart"), ("stop",)], ids=" ".join
)
def test_a_fifo_in_the_state_folder_makes_no_command_wait(
    folder: Folder, name: str, words: tuple[str, ...]
) -> None:
    state(folder)
    os.mkfifo(folder.root / name)
    done = folder.run(*words)  # within the deadline of the helper
    assert "Traceback" not in done.stderr


def test_another_folder_at_the_same_path_does_not_inherit_the_state(folder: Folder, tmp_path: Path) -> None:
    private = private_dir(folder.root)
    (private / "switch.json").write_text(json.dumps({**RECORD, "server_down": True}))
    assert "restart" in folder.run("status").stderr + folder.run("status").stdout
    kept = folder.root.rename(tmp_path / "kept")
    shutil.copytree(kept, folder.root)
    assert "was killed" not in folder.run("status").stdout


def test_a_state_folder_of_another_user_is_refused(folder: Folder, tmp_path: Path) -> None:
    link = tmp_path / "state"
    link.mkdir()
    (link / "dbswitch").symlink_to(folder.root)
    done = folder.run("status", env={"XDG_STATE_HOME": str(link)})
    assert done.returncode == 2
    assert "state folder cannot be used" in done.stderr
    assert "XDG_STATE_HOME" in done.stderr


@pytest.mark.parametrize("words", [("local", "--no-restart"), ("stop",), ("local", "--detach")], ids=" ".join)
def test_a_linked_folder_in_the_checkout_is_refused_and_its_target_left_as_it_is(
    folder: Folder, words: tuple[str, ...]
) -> None:
    there = precious(folder)
    (folder.root / ".dbswitch").symlink_to("precious")
    done = folder.run(*words)
    assert done.returncode == 2, done.stderr
    assert "the folder .dbswitch cannot be used" in done.stderr
    assert there.stat().st_mode & 0o777 == 0o755
    assert sorted(path.name for path in there.iterdir()) == ["thesis.txt"]


@pytest.mark.parametrize("name", ["lock", "requests"])
def test_a_linked_lock_is_refused_and_the_file_it_leads_to_is_not_written(folder: Folder, name: str) -> None:
    there = precious(folder)
    (state(folder) / name).symlink_to("../precious/thesis.txt")
    assert folder.run("status").returncode == 0
    done = folder.run("local", "--no-restart")
    assert done.returncode == 2
    assert "remove" in done.stderr
    assert (there / "thesis.txt").read_text() == "years of work"


@pytest.mark.parametrize(
    ("name", "transaction"),
    [("../outside", "deadbeef"), ("package.json", "deadbeef"), (".env.local", "/../../x")],
)
def test_a_journal_writes_nothing_but_the_projects_env_files(
    folder: Folder, name: str, transaction: str
) -> None:
    path = folder.root / name
    old = path.read_bytes() if path.exists() else None
    entry = JournalEntry(str(path), os.path.realpath(path), old, b"evil\n", 0o755, -1, -1)
    journals.commit(private_dir(folder.root) / "journal", Journal(transaction, (entry,)))
    done = folder.run("stop")
    assert done.returncode == 8
    assert "does not belong to this project" in done.stderr
    assert "then remove" in done.stderr
    assert (path.read_bytes() if path.exists() else None) == old
    assert folder.run("status").returncode == 0


def test_a_whole_journal_of_no_known_shape_is_kept_and_named(folder: Folder) -> None:
    journal = private_dir(folder.root) / "journal"
    body = b'{"id": "deadbeef", "entries": [["a"]]}'
    journal.write_bytes(b"dbswitch-journal 1 " + hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
    done = folder.run("stop")
    assert done.returncode == 8
    assert f"remove {journal}" in " ".join(done.stderr.split())
    assert journal.exists()


@pytest.mark.root
def test_what_root_leaves_in_the_project_of_a_person_is_that_persons(served: Folder) -> None:
    (served.root / "lib").mkdir()
    (served.root / "lib" / "prisma.ts").write_text("export const prisma = new PrismaClient();\n")
    for path in (served.root, *served.root.rglob("*")):
        os.chown(path, 65534, 65534, follow_symlinks=False)
    done = served.run("dev", "--detach")
    assert done.returncode == 0, done.stderr
    assert "the dev server runs as root" in done.stderr
    assert served.run("local", "--restart").returncode == 0
    assert served.run("generate", "route", "--identity-only").returncode == 0
    assert served.run("stop").returncode == 0
    made = [path for path in served.root.rglob("*") if not {"node_modules", ".next"} & set(path.parts)]
    assert {"lock", "history.jsonl", "server.log", "token", "requests", "route.js"} <= {
        path.name for path in made
    }
    assert [path for path in made if path.lstat().st_uid != 65534] == []


PROJECT_FILES = [
    "package.json",
    "dbswitch.toml",
    ".env.local",
    ".env",
    "env/prod.env",
    "prisma/schema.prisma",
    "prisma.config.ts",
    "next.config.ts",
    "lib/prisma.ts",
    ".npmrc",
    ".nvmrc",
    "tsconfig.json",
    ".next/dev/lock",
]


@pytest.mark.parametrize("name", PROJECT_FILES)
def test_a_fifo_in_place_of_a_project_file_makes_no_command_wait(folder: Folder, name: str) -> None:
    path = folder.root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    for words in (
        ("status",),
        ("doctor",),
        ("stop",),
        ("generate", "client", "--check"),
        ("init", "--dry-run"),
    ):
        done = folder.run(*words)  # within the deadline of the helper
        assert "Traceback" not in done.stderr
        assert done.returncode != 3, done.stderr


DEEP = '{"a":' * 100_000


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("package.json", DEEP, 2),
        ("dbswitch.toml", "a = " + "[" * 100_000, 2),
        ("tsconfig.json", DEEP, 0),
        ("node_modules/next/package.json", DEEP, 0),
        (".next/dev/lock", DEEP, 0),
        (".dbswitch/history.jsonl", DEEP, 0),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else None,
)
def test_a_file_of_the_checkout_that_is_nested_too_deeply_is_no_bug(
    folder: Folder, name: str, content: str, code: int
) -> None:
    folder.write(name, content)
    for words in (("status",), ("history",)):
        assert folder.run(*words).returncode == code
    assert folder.run("doctor").returncode in {code, 1}
    assert not (user_folder() / "dbswitch.log").exists()


@pytest.mark.parametrize("name", [".next", ".next/dev", ".next/dev/lock"])
@pytest.mark.parametrize("words", [("status",), ("stop",), (*SWITCH, "--no-restart")], ids=" ".join)
def test_a_loop_of_symlinks_in_the_place_of_the_build_folder_is_no_bug(
    folder: Folder, name: str, words: tuple[str, ...]
) -> None:
    path = folder.root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(path.name)
    assert folder.run(*words).returncode in {0, 4}
