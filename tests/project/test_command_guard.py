"""Which commands are recognised as destructive, through every wrapper: the list of docs/reference/guard.md."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from dbswitch.project.command_guard import judge, judge_line

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "guard.md").read_text()
LIST = re.findall(r"^\| `(.+)` \| (destructive|harmless|not examined) \|$", PAGE, re.MULTILINE)

WRAPPERS = {
    "itself": lambda line: (shlex.split(line), {}),
    "npx": lambda line: (["npx", *shlex.split(line)], {}),
    "npx --yes": lambda line: (["npx", "--yes", *shlex.split(line)], {}),
    "npx -c": lambda line: (["npx", "-c", line], {}),
    "npm exec --": lambda line: (["npm", "exec", "--", *shlex.split(line)], {}),
    "pnpm exec": lambda line: (["pnpm", "exec", *shlex.split(line)], {}),
    "pnpm": lambda line: (["pnpm", *shlex.split(line)], {}),
    "yarn": lambda line: (["yarn", *shlex.split(line)], {}),
    "yarn run": lambda line: (["yarn", "run", *shlex.split(line)], {}),
    "bunx": lambda line: (["bunx", *shlex.split(line)], {}),
    "bun x": lambda line: (["bun", "x", *shlex.split(line)], {}),
    "node_modules/.bin": lambda line: (shlex.split(f"./node_modules/.bin/{line}"), {}),
    "sh -c": lambda line: (["sh", "-c", line], {}),
    "bash -lc": lambda line: (["bash", "-lc", f"set -e; A=1 {line} && echo done"], {}),
    "env": lambda line: (["env", "A=B", *shlex.split(line)], {}),
    "cross-env": lambda line: (["cross-env", "A=B", *shlex.split(line)], {}),
    "dotenv": lambda line: (["dotenv", "-e", ".env", "--", *shlex.split(line)], {}),
    "npm run": lambda line: (["npm", "run", "db:it"], {"db:it": line}),
    "npm run, silent": lambda line: (["npm", "run", "--silent", "db:it"], {"db:it": line}),
    "npm run, nested": lambda line: (["npm", "run", "all"], {"all": "echo a && npm run db:it", "db:it": f"npx {line}"}),
    "npm run, before": lambda line: (["npm", "run", "it"], {"preit": line, "it": "echo"}),
    "pnpm script": lambda line: (["pnpm", "db:it"], {"db:it": f"dotenv -- {line}"}),
    "yarn script": lambda line: (["yarn", "db:it"], {"db:it": line}),
    "bun run": lambda line: (["bun", "run", "db:it"], {"db:it": line}),
    "run-s": lambda line: (["run-s", "db:*"], {"db:it": line}),
    "dbswitch guard": lambda line: (["npm", "run", "x"], {"x": f"dbswitch guard -- {line}"}),
}  # fmt: skip


def verdict(found) -> str:
    return "destructive" if found.destroys else "not examined" if found.unseen else "harmless"


def test_the_list_has_forty_commands() -> None:
    assert len(LIST) >= 40


@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.parametrize(("line", "expected"), LIST)
def test_each_command_of_the_list_is_judged_alike_in_every_wrapper(line, expected, wrapper) -> None:
    argv, scripts = WRAPPERS[wrapper](line)
    assert verdict(judge(argv, scripts)) == expected


@pytest.mark.parametrize(
    "argv",
    [
        ["sh", "reset.sh"],
        ["sh"],
        ["sh", "-c", "cat reset.sql | psql"],
        ["sh", "-c", "$PRISMA migrate reset"],
        ["sh", "-c", "echo `prisma migrate reset`"],
        ["sh", "-c", 'prisma "migrate'],
        ["sh", "-c", "cd other && npm run reset"],
        ["npm", "--prefix", "other", "run", "reset"],
        ["npm", "run", "nothing"],
        ["tsx", "scripts/reset.ts"],
        ["npm", "run", "endless"],
    ],
)
def test_what_cannot_be_examined_is_said(argv) -> None:
    scripts = {"reset": "echo harmless", "endless": "npm run endless"}
    assert verdict(judge(argv, scripts)) == "not examined"


@pytest.mark.parametrize(
    "line",
    [
        "if true; then prisma migrate reset; fi",
        "(prisma migrate reset)",
        "echo $(prisma migrate reset)",
        "prisma generate\nprisma migrate reset",
        "prisma generate > log.txt 2>&1 || prisma migrate reset",
        "node node_modules/prisma/build/index.js migrate reset",
        "npx prisma@7.1.0 migrate reset",
        "npm run db -- reset",
        "npm run db reset",
        "sudo -u postgres dropdb shop",
        'psql -c "WITH gone AS (DELETE FROM users RETURNING id) SELECT id FROM gone"',
        "psql -c 'DO $$ BEGIN DROP TABLE users; END $$'",
    ],
)
def test_a_destructive_command_is_found_inside_a_line_of_shell(line) -> None:
    assert verdict(judge_line(line, {"db": "prisma migrate"})) == "destructive"


def test_install_and_the_like_are_harmless() -> None:
    for line in ("npm install", "pnpm add prisma", "yarn", "bun install", "npm ci", "echo hi", "true"):
        assert verdict(judge_line(line, {})) == "harmless", line
