"""Lines of an app that choose its database by themselves are named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dbswitch.project.client_in_use import own_choices

if TYPE_CHECKING:
    from pathlib import Path

URLS = ("DATABASE_URL",)


def found(root: Path, text: str, name: str = "src/lib/prisma.ts") -> tuple[str, ...]:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return own_choices(root, URLS)


@pytest.mark.parametrize(
    ("line", "reads"),
    [
        ("const url = prod ? process.env.DATABASE_URL_PRODUCTION : process.env.DATABASE_URL;", "DATABASE_URL_PRODUCTION"),
        ('const url = process.env["DATABASE_URL_LOCAL"];', "DATABASE_URL_LOCAL"),
        ("const url = process.env[`DATABASE_URL_${name}`];", "DATABASE_URL_…"),
        ('const url = process.env["DATABASE_URL_" + name];', "DATABASE_URL_…"),
    ],
)  # fmt: skip
def test_a_further_variable_is_named_with_file_and_line(tmp_path: Path, line: str, reads: str) -> None:
    assert found(tmp_path, f"import x;\n{line}\n") == (f"src/lib/prisma.ts:2 reads {reads}",)


def test_a_state_file_counts_where_the_client_is_made_and_nowhere_else(tmp_path: Path) -> None:
    line = 'const state = JSON.parse(readFileSync(join(root, ".db-target.json"), "utf8"));\n'
    assert found(tmp_path, line, "src/other.ts") == ()
    text = f"{line}export const prisma = new PrismaClient();\n"
    assert found(tmp_path, text) == ("src/lib/prisma.ts:1 reads .db-target.json",)


def test_the_usual_client_comments_and_foreign_folders_say_nothing(tmp_path: Path) -> None:
    text = "new PrismaPg({ connectionString: process.env.DATABASE_URL });\n// or DATABASE_URL_PRODUCTION\n"
    assert found(tmp_path, text) == ()
    assert found(tmp_path, "process.env.DATABASE_URL_PRODUCTION", "node_modules/x/index.js") == ()
    assert found(tmp_path, "process.env.DATABASE_URL_PRODUCTION", ".next/server.js") == ()


def test_a_variable_that_a_switch_changes_is_no_choice_of_the_apps_own(tmp_path: Path) -> None:
    (tmp_path / "db.ts").write_text("process.env.DATABASE_URL_UNPOOLED\n")
    assert own_choices(tmp_path, ("DATABASE_URL", "DATABASE_URL_UNPOOLED")) == ()


def test_no_more_than_a_few_lines_are_named(tmp_path: Path) -> None:
    assert len(found(tmp_path, "process.env.DATABASE_URL_A;\n" * 50)) == 5
