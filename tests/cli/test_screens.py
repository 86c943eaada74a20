"""What people read, whole, in golden files. `make golden` writes them anew; read the difference before you commit it."""

from __future__ import annotations

import getpass
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Folder

GOLDEN = Path(__file__).parents[1] / "golden"
REWRITE = bool(os.environ.get("DBSWITCH_GOLDEN"))

SCREENS = {
    "help": ["--help"],
    "status": ["status"],
    "targets": ["targets"],
    "dry-run": ["prod", "--dry-run"],
    "not-confirmed": ["prod"],
    "unknown-word": ["statu"],
    "database-down": ["prod", "--confirm", "shop_prod", "--timeout", "3"],
    "doctor": ["doctor"],
    "doctor-verbose": ["doctor", "-v"],
    "check": ["check", "--all"],
    "uninstall": ["uninstall", "--dry-run"],
    "history": ["history"],
}


def masked(text: str, folder: Folder) -> str:
    """Return `text` with what differs from run to run (places, ports, times, versions of tools) replaced by words."""
    for path, word in ((str(folder.root), "PROJECT"), (str(Path.home()), "HOME")):
        text = text.replace(path, word)
    text = re.sub(r"\b(localhost:|127\.0\.0\.1:|port )\d{4,5}\b", r"\1PORT", text)
    text = re.sub(r"\b\d+(\.\d+)? (ms|s|min|attempts)\b", r"N \2", text)
    text = re.sub(r"  +", "  ", text)  # the width of a column depends on what stands in it
    text = re.sub(r"(?<![.\d])\d+\.\d+\.\d+\b(?!\.)", "VERSION", text).replace(
        f" {getpass.getuser()} ", " OWNER "
    )
    text = re.sub(r"^(Node\.js|npm|libpq)  .*", r"\1  ...", text, flags=re.MULTILINE)
    text = re.sub(r"^(.+\n)\1+", r"\1", text, flags=re.MULTILINE)  # what is said again while it waits
    text = re.sub(
        r"^✓ .*\n", "", text, flags=re.MULTILINE
    )  # a step of these screens is told only where it took long
    return re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE)


@pytest.mark.parametrize("name", SCREENS)
def test_a_screen_reads_as_its_golden_file(name: str, folder: Folder) -> None:
    done = folder.run(*SCREENS[name], env={"COLUMNS": "100", "NO_COLOR": "1"})
    told = [f"$ dbswitch {' '.join(SCREENS[name])}"]
    for heading, output in (("standard output", done.stdout), ("standard error", done.stderr)):
        if output:
            told += [f"--- {heading}", masked(output, folder).rstrip()]
    text = "\n".join([*told, f"--- exit code {done.returncode}", ""])
    path = GOLDEN / f"{name}.txt"
    if REWRITE:
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8"), "make golden writes it anew"
