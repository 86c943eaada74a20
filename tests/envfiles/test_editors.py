"""Editors save while transactions run: each save stays, or is what a transaction knowingly started from."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from dbswitch.envfiles import atomic_replace
from dbswitch.envfiles.transaction import FileChange, apply
from dbswitch.errors import EnvFileConflictError
from tests.support.amounts import slice_and_sweep

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.skipif(
    atomic_replace._renameat2() is None,
    reason="a save between the comparison and the rename is lost where names cannot be exchanged",
)
NAMES = (".env", ".env.development", ".env.local")
STYLES = ("rename", "backup", "in place")  # JetBrains, gedit, sed -i | vim | VS Code, nano
EDITOR = """
import os, random, sys, time
path, style, pause, limit = sys.argv[1], sys.argv[2], float(sys.argv[3]), int(sys.argv[4])
source = random.Random(style)

def read():
    try:
        with open(path, "rb") as stream:
            return stream.read()
    except FileNotFoundError:
        return b""

def write(name, content):
    with open(name, "wb") as stream:
        stream.write(content)

saves = lost = 0
while saves < limit and not lost and not os.path.exists(path + ".stop"):
    time.sleep(source.random() * pause)
    note = b"NOTE=%d." % saves
    kept = [line for line in read().splitlines() if not line.startswith(b"NOTE=")]
    content = b"\\n".join([*kept, note, b""])
    if style == "rename":
        write(path + ".swp", content)
        os.rename(path + ".swp", path)
    elif style == "backup":
        os.rename(path, path + "~")
        write(path, content)
    else:
        write(path, content)
    saves += 1
    deadline = time.monotonic() + 120  # a busy machine may stop the transaction before it restores the save
    while note not in read():
        if time.monotonic() > deadline:
            lost += 1
            break
print(saves, lost)
"""


def _editor(path: Path, style: str, pause: float, saves: int) -> subprocess.Popen[str]:
    argv = [sys.executable, "-S", "-E", "-c", EDITOR, str(path), style, str(pause), str(saves)]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)


def _edited(content: bytes, number: int) -> bytes:
    """Return what a switch makes of a file: one value changes, every other line stays."""
    kept = [line for line in content.splitlines() if not line.startswith(b"URL=")]
    return b"\n".join([b"URL=%d" % number, *kept, b""])


@slice_and_sweep("switches", 60, 240)
def test_no_save_is_lost_when_three_editors_save_during_switches(
    tmp_path: Path, figure: Callable[[str], None], switches: int
) -> None:
    (tmp_path / "state").mkdir()
    paths = [tmp_path / name for name in NAMES]
    for path in paths:
        path.write_bytes(b"URL=0\nNOTE=0.\n")
    editors = [_editor(path, style, 0.1, 10**9) for path, style in zip(paths, STYLES, strict=True)]
    applied = conflicts = 0
    try:
        while applied + conflicts < switches or conflicts < 10:
            contents = [path.read_bytes() if path.exists() else b"" for path in paths]
            if not all(b"NOTE=" in content for content in contents):
                continue  # half of a save that is not atomic: the switch would be planned from that
            changes = [
                FileChange(path, content, _edited(content, applied + 1))
                for path, content in zip(paths, contents, strict=True)
            ]
            try:
                apply(changes, tmp_path / "state" / "journal")
                applied += 1
            except EnvFileConflictError:
                conflicts += 1
    finally:
        for path in paths:
            path.with_name(f"{path.name}.stop").touch()
        ended = [editor.communicate(timeout=300)[0].split() for editor in editors]
    saves, lost = (sum(int(one[index]) for one in ended) for index in (0, 1))
    figure(
        f"editors: {switches} switches, {applied} applied, {conflicts} refused, {saves} saves, {lost} lost"
    )
    assert lost == 0
    assert applied > 0
    assert conflicts > 0


def test_no_save_by_rename_is_lost_however_often_it_collides_with_a_replacement(
    tmp_path: Path, figure: Callable[[str], None]
) -> None:
    """Without the flushes around it: thousands of collisions instead of dozens."""
    path, temporary = tmp_path / ".env.local", tmp_path / "temporary"
    path.write_bytes(b"URL=0\nNOTE=0.\n")
    editor = _editor(path, "rename", 0, 1500)
    applied = conflicts = 0
    while editor.poll() is None:
        current = path.read_bytes()
        new = _edited(current, applied + 1)
        temporary.write_bytes(new)
        try:
            atomic_replace.replace(str(temporary), str(path), current, new)
            applied += 1
        except atomic_replace.ChangedError:
            conflicts += 1
    figure(f"editors: {applied} replacements, {conflicts} refused, 1500 saves")
    assert editor.communicate()[0].split() == ["1500", "0"]
    assert applied > 0
    assert conflicts > 0
