"""A `.dbswitch` that did not come from dbswitch: brought along by a cloned repository, or owned by somebody else."""

from __future__ import annotations

import hashlib
import json
import os
from typing import TYPE_CHECKING

import pytest

from dbswitch.envfiles import journal as journals
from dbswitch.envfiles.journal import Entry, Journal

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Folder

RECORD = {"id": "x", "target": "prod", "previous": None, "server_down": False, "files_written": False}


def state(folder: Folder) -> Path:
    made = folder.root / ".dbswitch"
    made.mkdir(mode=0o700)
    return made


def precious(folder: Folder) -> Path:
    made = folder.root / "precious"
    made.mkdir(mode=0o755)
    (made / "thesis.txt").write_text("years of work")
    return made


@pytest.mark.parametrize("words", [("status",), ("local", "--no-restart"), ("stop",), ("local", "--detach")])
def test_a_linked_state_folder_is_refused_and_what_it_leads_to_is_left_as_it_is(
    folder: Folder, words: tuple[str, ...]
) -> None:
    there = precious(folder)
    (there / "switch.json").write_text(json.dumps(RECORD))
    (folder.root / ".dbswitch").symlink_to("precious")
    done = folder.run(*words)
    assert done.returncode == (0 if words == ("status",) else 2), done.stderr
    assert "the folder .dbswitch cannot be used" in done.stderr
    assert there.stat().st_mode & 0o777 == 0o755
    assert sorted(path.name for path in there.iterdir()) == ["switch.json", "thesis.txt"]


def test_linked_tickets_are_refused_and_no_file_they_lead_to_is_swept_away(folder: Folder) -> None:
    there = precious(folder)
    (state(folder) / "tickets").symlink_to("../precious")
    (folder.root / ".dbswitch" / "switch.json").write_text(json.dumps(RECORD))
    assert folder.run("status").returncode == 0
    done = folder.run("local", "--no-restart")
    assert done.returncode == 2
    assert "remove" in done.stderr
    assert (there / "thesis.txt").read_text() == "years of work"


def test_only_tickets_are_swept_from_the_folder_of_tickets(folder: Folder) -> None:
    tickets = state(folder) / "tickets"
    tickets.mkdir()
    (tickets / "thesis.txt").write_text("years of work")
    (tickets / "000000000007-00c0ffee").write_text("")  # of a process that is gone
    assert folder.run("stop").returncode == 0
    assert [path.name for path in tickets.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize(
    ("name", "transaction"),
    [("../outside", "deadbeef"), ("package.json", "deadbeef"), (".env.local", "/../../x")],
)
def test_a_journal_writes_nothing_but_the_projects_env_files(
    folder: Folder, name: str, transaction: str
) -> None:
    path = folder.root / name
    old = path.read_bytes() if path.exists() else None
    entry = Entry(str(path), os.path.realpath(path), old, b"evil\n", 0o755, -1, -1)
    journals.commit(state(folder) / "journal", Journal(transaction, (entry,)))
    done = folder.run("stop")
    assert done.returncode == 8
    assert "not this project's" in done.stderr
    assert "then remove" in done.stderr
    assert (path.read_bytes() if path.exists() else None) == old
    assert folder.run("status").returncode == 0


def test_a_whole_journal_of_no_known_shape_was_never_committed(folder: Folder) -> None:
    journal = state(folder) / "journal"
    body = b'{"id": "deadbeef", "entries": [["a"]]}'
    journal.write_bytes(b"dbswitch-journal 1 " + hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
    assert folder.run("stop").returncode == 0
    assert not journal.exists()


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
    assert {"lock", "history.jsonl", "server.log", "token", "tickets", "route.js"} <= {
        path.name for path in made
    }
    assert [path for path in made if path.lstat().st_uid != 65534] == []
