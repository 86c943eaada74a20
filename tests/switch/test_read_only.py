"""A switch to a target with read-only sessions: the env files, the proof, and what a pooler makes of it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from dbswitch.database.url import DatabaseUrl
from tests.support.pgbouncer import DROPS_OPTIONS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.conftest import Folder
    from tests.support.postgres import ShopServer

CONFIRM = ("--confirm", "prod")


def value(folder: Folder) -> str:
    lines = (folder.root / ".env.local").read_text().splitlines()
    return next(line.split("=", 1)[1].strip('"') for line in lines if line.startswith("DATABASE_URL="))


def status(folder: Folder) -> tuple[str | None, str, bool]:
    _, [found] = folder.json("status")
    return found["target"], found["active"], found["read_only"]


def behind(folder: Folder, url: str) -> None:
    text = (folder.root / ".env.local").read_text().splitlines()
    kept = [line for line in text if not line.startswith("DATABASE_URL_PRODUCTION")]
    folder.write(".env.local", "\n".join([*kept, f'DATABASE_URL_PRODUCTION="{url}"', ""]))


def test_read_only_is_proven_by_the_database_and_shown_by_status_and_verdict(served: Folder) -> None:
    before = (served.root / ".env.local").read_bytes()
    code, events = served.json("prod", "--read-only", *CONFIRM)
    assert code == 0, events
    assert events[-1]["identity"]["readOnly"] == "true"
    assert DatabaseUrl.parse(value(served)).is_read_only
    assert status(served) == ("prod", "one", True)
    assert "prod (read-only)" in served.run("status").stdout
    assert "/shop, read-only" in served.run("prod", "--read-only", *CONFIRM).stderr

    code, events = served.json("prod", *CONFIRM)  # without the flag the app may write
    assert (code, events[-1]["outcome"]) == (0, "switched")
    assert not DatabaseUrl.parse(value(served)).is_read_only
    assert status(served) == ("prod", "one", False)
    served.json("prod", "--read-only", *CONFIRM)
    assert served.json("-")[0] == 0
    assert (served.root / ".env.local").read_bytes() == before


def test_a_configured_read_only_target_is_lifted_by_write_and_the_typed_name_only(served: Folder) -> None:
    config = (served.root / "dbswitch.toml").read_text()
    served.write("dbswitch.toml", config + "[targets.prod]\nread_only = true\nprotected = false\n")
    assert served.json("prod")[0] == 0
    assert status(served) == ("prod", "one", True)
    code, events = served.json("prod", "--write")
    assert (code, events[-1]["error"]["code"]) == (9, "protected")
    assert status(served)[2] is True
    assert served.json("prod", "--write", *CONFIRM)[0] == 0
    assert status(served) == ("prod", "one", False)


def test_both_flags_are_a_usage_error(served: Folder) -> None:
    assert served.json("prod", "--write", "--read-only", *CONFIRM)[0] == 2


@pytest.mark.parametrize(("ignored", "does"), [(DROPS_OPTIONS, "drops `options`"), ("", "refuses `options`")])
def test_a_pooler_that_drops_or_refuses_options_is_an_error_with_the_alternatives(
    served: Folder, postgres_prod: ShopServer, pooled: Callable[..., str], ignored: str, does: str
) -> None:
    behind(served, pooled(postgres_prod.url, ignored=ignored))
    before = (served.root / ".env.local").read_bytes()
    code, events = served.json("prod", "--read-only", *CONFIRM)
    error = events[-1]["error"]
    assert (code, error["code"]) == (4, "database_rejected"), events
    assert does in error["what"]
    assert "direct URL" in error["fix"]
    assert "GRANT SELECT ON ALL TABLES" in error["fix"]
    assert (served.root / ".env.local").read_bytes() == before
    assert served.json("prod", *CONFIRM)[0] == 0  # without --read-only the pooler is fine


def test_exec_on_a_read_only_target_gets_its_read_only_url_until_write_lifts_it(served: Folder) -> None:
    config = (served.root / "dbswitch.toml").read_text()
    served.write("dbswitch.toml", config + "[targets.prod]\nread_only = true\n")
    shown = ("--", sys.executable, "-c", "import os; print(os.environ['DATABASE_URL'])")
    assert DatabaseUrl.parse(served.run("exec", "prod", *CONFIRM, *shown).stdout.strip()).is_read_only
    lifted = served.run("exec", "prod", "--write", *CONFIRM, *shown).stdout.strip()
    assert lifted.startswith("postgresql://")
    assert not DatabaseUrl.parse(lifted).is_read_only
