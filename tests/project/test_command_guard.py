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


CONNECTION = (
    "-h db", "-hdb", "--host=db", "--host db", "-U me", "--username=me", "-p 5432", "--port=5432", "-w", "--no-password", "-W", "--password",
)  # fmt: skip
FLAGS = {
    'psql {} -c "DROP TABLE users"': (
        *CONNECTION, "-d shop", "--dbname=shop", "-v ON_ERROR_STOP=1", "--set=ON_ERROR_STOP=1", "-X", "-1",
    ),
    "dropdb {} shop": (*CONNECTION, "--maintenance-db=postgres", "-e", "-i", "-f", "--if-exists"),
    "pg_restore {} --clean -d shop dump": (*CONNECTION, "-d other", "--dbname=other", "-v", "--verbose", "--role=me"),
}  # fmt: skip


@pytest.mark.parametrize(("command", "flag"), [(one, flag) for one, flags in FLAGS.items() for flag in flags])
def test_no_connection_flag_of_a_postgresql_program_hides_what_the_command_destroys(command, flag) -> None:
    line = command.format(flag)
    assert verdict(judge(shlex.split(line), {})) == "destructive"
    assert verdict(judge(["sh", "-c", line], {})) == "destructive"


@pytest.mark.parametrize("program", ["psql", "dropdb", "pg_restore"])
@pytest.mark.parametrize("flag", ["--help", "-?", "--version", "-V"])
def test_help_and_version_of_a_postgresql_program_are_harmless(program, flag) -> None:
    assert verdict(judge([program, flag], {})) == "harmless"


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        (r"select E'\''; drop table x; select ''", "destructive"),
        (r"select e'a''b\''; drop table x; select ''", "destructive"),
        ("select E'a'\n'\\''; drop table x; select ''", "destructive"),
        (r"select 'C:\'; drop table x; select ''", "destructive"),
        ("select $$'$$; drop table x; select $$'$$", "destructive"),
        ("select $a$ $A$ ' $a$; drop table x; select ''", "destructive"),
        ("select $tag$drop table x$tag$, $$delete from x$$", "harmless"),
        ("-- a comment\rdrop table x", "destructive"),
        ("/* a comment */ truncate users", "destructive"),
        ("/* /* */ ' */ drop table x; --'", "not examined"),
        ("select 'open", "not examined"),
        ("select * from $TABLE", "not examined"),
        ("with x as (delete from a returning *) select 1 where true", "destructive"),
        ("delete from a using (select id from b where id = 1) b", "destructive"),
        ("with x as (delete from a where id in (select 1) returning *) select 1", "harmless"),
        ("DO $$ BEGIN EXECUTE 'DROP TABLE x'; END $$", "destructive"),
        ("DO LANGUAGE plpgsql $a$ BEGIN TRUNCATE users; END $a$", "destructive"),
        ("DO 'BEGIN DELETE FROM users; END'", "destructive"),
        ("DO $$ BEGIN EXECUTE 'DR' || 'OP TABLE x'; END $$", "not examined"),
        ("create or replace function f() returns void language sql as $$ drop table x $$", "destructive"),
    ],
)
def test_quotes_comments_and_parentheses_of_sql_hide_nothing(sql, expected) -> None:
    assert verdict(judge(["psql", "-c", sql], {})) == expected


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        (r"\! dropdb shop", "destructive"),
        (r"\!dropdb shop", "destructive"),
        (r"\! ./reset.sh", "not examined"),
        (r"\! pwd", "harmless"),
        (r"\copy users from program 'prisma migrate reset'", "destructive"),
        (r"\copy users TO PROGRAM 'gzip > users.gz'", "not examined"),
        ("copy users from program 'curl -s example.test'", "not examined"),
        (r"select '\! dropdb shop'", "harmless"),
        (r"select 1 \g |./reset.sh", "not examined"),
        (r"\copy users to 'users.csv'", "harmless"),
    ],
)
def test_a_program_that_psql_starts_is_examined_like_a_line_of_shell(sql, expected) -> None:
    assert verdict(judge(["psql", "-c", sql], {})) == expected


@pytest.mark.parametrize(
    "line",
    [
        "psql -c 'DROP TABLE x' -o --help",
        "psql -c 'DROP TABLE x' --output --help",
        "psql -c 'DROP TABLE x' --variable --version",
        "psql -c 'DROP TABLE x' --log-file -?",
        "psql --comm 'DROP TABLE x'",
        "psql -c 'DROP TABLE x' -- --help",
        "pg_restore --clean -d shop --role --list dump",
        "pg_restore --clean -d shop -- --list",
    ],
)
def test_a_help_word_that_is_a_value_hides_nothing(line) -> None:
    assert verdict(judge(shlex.split(line), {})) == "destructive"


@pytest.mark.parametrize(
    "line",
    [
        "npm run -s db", "npm -s run db", "npm -s x prisma migrate reset", "yarn -s db", "pnpm -s db", "bun -s db", "bun run -s db",
        "bash -c -- 'prisma migrate reset'", "bash -c -e 'prisma migrate reset'", "bash -o pipefail -c 'prisma migrate reset'",
        "bash -euo pipefail -c 'prisma migrate reset'", "sh +e -c 'prisma migrate reset'", "xargs -p dropdb", "xargs -n 1 dropdb",
        "timeout -s KILL 5 dropdb shop", "sudo -u postgres dropdb shop", "nice -n 5 dropdb shop", "env -u A dropdb shop",
        "env -S 'dropdb shop'", "exec -a x dropdb shop", "time -p dropdb shop", "command -p dropdb shop",
        "npx --call='prisma migrate reset'", "npx -p prisma prisma migrate reset", "env-cmd -e dev prisma migrate reset",
        "dotenvx run -f .env prisma migrate reset", "dotenv -v A=1 -e .env prisma migrate reset",
    ],
)  # fmt: skip
def test_no_flag_of_a_wrapper_hides_what_the_command_destroys(line) -> None:
    assert verdict(judge_line(line, {"db": "prisma migrate reset"})) == "destructive"


@pytest.mark.parametrize(
    "line",
    ["timeout 5", "sudo -u postgres", "npm --prefix web", "npm run -w web", "npx -p prisma", "bash -c"],
)
def test_a_wrapper_whose_command_is_not_found_is_not_examined(line) -> None:
    assert verdict(judge_line(line, {})) == "not examined"


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ('UPDATE "User" SET name = 1', "destructive"),
        ("update only a set b = (select c from d where e)", "destructive"),
        ("WITH x AS (UPDATE a SET b = 1 RETURNING *) SELECT 1 FROM x WHERE true", "destructive"),
        ("EXPLAIN ANALYZE UPDATE a SET b = 1", "destructive"),
        ("ALTER TABLE a ADD FOREIGN KEY (b) REFERENCES c ON UPDATE SET NULL", "harmless"),
        ("MERGE INTO a USING b ON a.i = b.i WHEN MATCHED THEN UPDATE SET c = 1", "harmless"),
        ("SELECT 1 FROM a FOR NO KEY UPDATE", "harmless"),
        ("SET x = 1; SELECT updated FROM a", "harmless"),
    ],
)
def test_an_update_without_where_is_destructive_as_a_delete_is(sql, expected) -> None:
    assert verdict(judge(["psql", "-c", sql], {})) == expected


def test_install_and_the_like_are_harmless() -> None:
    for line in (
        "npm install",
        "pnpm add prisma",
        "yarn",
        "bun install",
        "npm ci",
        "echo hi",
        "true",
        "npm run",
        "yarn --frozen-lockfile",
        "A=1",
        "env A=1",
        "command -v dropdb",
    ):
        assert verdict(judge_line(line, {})) == "harmless", line
