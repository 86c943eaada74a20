"""Text of a checkout is searched in linear time: no file of a few kilobytes makes a command hang."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

import pytest

from dbswitch.database.url import DatabaseUrl
from dbswitch.errors import UrlError
from dbswitch.generate.existing_client import exported_clients
from dbswitch.project import discovery
from dbswitch.project.javascript_text import without_comments
from dbswitch.project.prisma import parse_schema
from dbswitch.project.prisma_config import read_config
from dbswitch.project.source_imports import SourceImports
from dbswitch.project.sql_examination import examine
from dbswitch.project.target_sources import find_targets

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SIZE = 16 << 10  # characters
QUADRATIC = 16  # how much longer four times the text then takes
NOISE = 0.01  # s of processor time


def _config(text: str, _folder: Path) -> None:
    read_config(text, "prisma.config.ts")


def _schema(text: str, _folder: Path) -> None:
    parse_schema(text)


def _comments(text: str, _folder: Path) -> None:
    without_comments(text)


def _env(text: str, folder: Path) -> None:
    schema = 'datasource db {\n  url = env("DIRECT_URL")\n}\n'
    for name, content in (("schema.prisma", schema), (".env", text), ("env/prod.env", text)):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(content)
    find_targets(discovery.load(folder))


def _url(text: str, _folder: Path) -> None:
    with contextlib.suppress(UrlError):
        DatabaseUrl.parse(text)


def _imports(text: str, folder: Path) -> None:
    (folder / "page.ts").write_text(f"// client\n{text}")
    list(SourceImports(folder).between("page.ts", "client.ts"))


def _client(text: str, _folder: Path) -> None:
    exported_clients(text)


def _clients(text: str, _folder: Path) -> None:
    names = range(text.count("x"))
    exported_clients("".join(f"const a{n} = prisma\nconst b{n} = f()\nlet c{n}\n" for n in names))


def _sql(text: str, _folder: Path) -> None:
    list(examine(text))


def _dollar_quotes(text: str, folder: Path) -> None:
    _sql("".join(f"$t{number}$ " for number in range(text.count("x"))), folder)


def _nested_sql(text: str, folder: Path) -> None:
    _sql(text + ")" * len(text), folder)


@pytest.mark.parametrize(
    ("read", "head", "unit", "tail"),
    [
        (_url, "postgresql://u:p", "@h/d?a=b", "#"),
        (_env, "", "\n", "x"),
        (_env, "", "export\n", "x"),
        (_env, "A", "\n", "x"),
        (_config, "", "migrations:{", ""),
        (_config, "migrations:{", "{}", ""),
        (_config, "migrations:{ path", " ", "x"),
        (_config, "url: a", "\n", "? b"),
        (_config, "url:", "\n", ","),
        (_config, "url: ", "env<", ""),
        (_config, "import 'dotenv'; ", "config(", ""),
        (_config, "import 'dotenv'; ", "config: a", ""),
        (_config, "import 'dotenv'; ", "config({path: ['a' 'b'", ""),
        (_config, "import 'dotenv'; config({path: [", "'a' ", "x]})"),
        (_comments, "'", r"\'", ""),
        (_comments, "`", r"\`", ""),
        (_comments, "", "/*", ""),
        (_schema, '"', r"\"", ""),
        (_schema, "", "\n", "x"),
        (_schema, "", "datasource a {\n", ""),
        (_schema, "datasource a {\n", "\n", "x"),
        (_schema, "datasource a {\n", "\n", "}"),
        (_imports, "", "import a ", ""),
        (_imports, "import", " ", "x"),
        (_imports, "import a", " ", "x"),
        (_imports, "import ", "a{", ""),
        (_imports, "import ", "a", ""),
        (_imports, "", "{} = await ", ""),
        (_imports, "", "import * as a from './client';", ""),
        (_client, "let a: b", " ", "="),
        (_client, "let a:", "\n", "="),
        (_client, "let a", " ", "="),
        (_client, "let a\n", "\n", "x"),
        (_client, "let a\n", "if (a)", "\n"),
        (_clients, "", "x" + " " * 63, ""),
        (_sql, "", "(a)", ""),
        (_sql, "", "update ", ""),
        (_sql, "", "do;", ""),
        (_sql, "e'a'", "\n", "x"),
        (_dollar_quotes, "", "x       ", ""),
        (_nested_sql, "", "(", ""),
    ],
)
@pytest.mark.timeout(60)
def test_four_times_the_text_takes_far_less_than_sixteen_times_the_processor_time(
    tmp_path: Path, read: Callable[[str, Path], None], head: str, unit: str, tail: str
) -> None:
    def seconds(size: int) -> float:
        text = head + unit * (size // len(unit)) + tail
        took = []
        for _ in range(3):
            start = time.process_time()
            read(text, tmp_path)
            took.append(time.process_time() - start)
        return min(took)

    once = max(seconds(SIZE), NOISE)
    assert seconds(4 * SIZE) < QUADRATIC / 2 * once
