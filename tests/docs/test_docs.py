"""The documentation cannot drift: links lead somewhere, commands parse, snippets of files are what they claim to be."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dbswitch.envfiles import edit_check
from dbswitch.envfiles.document import Document
from dbswitch.project import config
from tests.cli import parsing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cli.conftest import Folder

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [
        *(ROOT / f"{name}.md" for name in ("README", "CONTRIBUTING", "SECURITY")),
        *(ROOT / "docs").rglob("*.md"),
    ]
)
FENCE = re.compile(r"^```(\w+)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)")


def snippets(language: str) -> Iterator[tuple[str, str]]:
    for page in PAGES:
        for kind, text in FENCE.findall(page.read_text(encoding="utf-8")):
            if kind == language:
                yield page.relative_to(ROOT).as_posix(), text


def commands() -> list[tuple[str, str]]:
    """Every `dbswitch ...` line of a console or shell snippet, without its comment."""
    found = []
    for language in ("console", "sh", "bash", "shell"):
        for page, text in snippets(language):
            for line in text.splitlines():
                command = line.removeprefix("$ ").split("  #", 1)[0].strip()
                if re.match(r"dbswitch(?:\s|$)", command) and "|" not in command and ">" not in command:
                    found.append((page, command))
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_relative_link_leads_to_a_file(page: Path) -> None:
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        if "://" not in target and not target.startswith("mailto:"):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


@pytest.mark.parametrize(("page", "command"), commands())
def test_every_command_in_the_documentation_is_one(page: str, command: str) -> None:
    words = [word for word in shlex.split(command, comments=True)[1:] if word not in {"...", "…"}]
    if words[:1] in (["check"], ["doctor"]) or "--help" in words or "--version" in words:
        return  # they have parsers of their own, tested there
    assert parsing.parsed(*words).command, f"{page}: {command}"


def test_there_are_commands_to_test() -> None:
    assert len(commands()) > 15


@pytest.mark.parametrize(("page", "text"), [*snippets("toml")])
def test_every_toml_snippet_is_a_configuration(page: str, text: str) -> None:
    if "[project]" in text or "[tool." in text:
        return
    config.parse(text.encode()), page


@pytest.mark.parametrize(("page", "text"), [*snippets("dotenv")])
def test_every_dotenv_snippet_reads_the_same_everywhere(page: str, text: str) -> None:
    document = Document.parse(text.encode(), page)
    assert document.bindings
    for binding in document.bindings:
        assert not edit_check.shell_notice(document.readings, binding.key), f"{page}: {binding.key}"


def test_the_readmes_env_file_needs_no_configuration(folder: Folder) -> None:
    [text] = [text for page, text in snippets("dotenv") if page == "README.md"]
    folder.write(".env.local", text)
    done = folder.run("prod", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "BLOB_READ_WRITE_TOKEN: not set -> set\n" in done.stderr
    assert "DATABASE_URL: localhost:5432/shop_dev -> db.example.com:5432/shop\n" in done.stderr


def test_the_tutorials_staging_target_is_found(folder: Folder) -> None:
    [text] = [text for page, text in snippets("dotenv") if page == "docs/tutorial.md"]
    folder.write(".env.local", text)
    assert "staging" in folder.run().stdout
    assert folder.run("staging", "--dry-run").returncode == 0
