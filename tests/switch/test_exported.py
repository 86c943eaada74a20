"""A URL that the caller's shell exports: the server is on what the env files say, and people are told of the difference."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import PASSWORD

if TYPE_CHECKING:
    from tests.cli.conftest import Folder
    from tests.support.postgres import ShopServer


def line(folder: Folder, key: str) -> str:
    text = (folder.root / ".env.local").read_text()
    return next(one for one in text.splitlines() if one.startswith(f"{key}=")).partition("=")[2].strip('"')


def test_status_says_what_the_files_say_and_warns_of_the_export(folder: Folder) -> None:
    prod = line(folder, "DATABASE_URL_PRODUCTION")
    code, events = folder.json("status", env={"DATABASE_URL": prod})
    found = events[-1]
    assert code == 0
    assert (found["active"], found["target"]) == ("one", "local")
    assert [(one["reader"], one["target"]) for one in found["readers"]] == [
        ("Next.js dev", "local"),
        ("Next.js start", "local"),
        ("shell", "prod"),
    ]
    assert [(one["variable"], one["target"]) for one in found["exported"]] == [("DATABASE_URL", "prod")]
    said = folder.run("status", env={"DATABASE_URL": prod})
    assert "active:  local" in said.stdout
    assert "warning: DATABASE_URL is exported in this shell and leads to prod" in said.stdout
    assert "warning: in this shell, Next.js start would be on prod" in said.stdout
    assert PASSWORD not in said.stdout + said.stderr


def test_an_export_that_agrees_is_no_warning(folder: Folder) -> None:
    _, events = folder.json("status", env={"DATABASE_URL": line(folder, "DATABASE_URL")})
    assert events[-1]["exported"] == []


def test_a_switch_with_nothing_to_do_warns_of_the_export(served: Folder, postgres_prod: ShopServer) -> None:
    code, events = served.json("local", env={"DATABASE_URL": postgres_prod.url})
    assert (code, events[-1]["outcome"]) == (0, "unchanged")
    notice = next(one for one in events if one.get("code") == "exported")
    assert notice["level"] == "warning"
    assert notice["text"].startswith("DATABASE_URL is exported in this shell and leads to prod")


@pytest.mark.parametrize("command", ["status", "local"])
def test_a_server_that_was_launched_with_productions_url_is_not_called_local(
    served: Folder, postgres_prod: ShopServer, command: str
) -> None:
    import subprocess
    import sys

    from tests.cli import running
    from tests.cli.conftest import STANDIN, TOKEN
    from tests.support.processes import end

    server = subprocess.Popen(
        [sys.executable, str(STANDIN), "dev"],
        cwd=served.root,
        env=running.environment(
            **{TOKEN: served.token, "DATABASE_URL": postgres_prod.url, "PORT": str(served.port)}
        ),
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        assert served.run("wait", "local").returncode == 0
        assert server.poll() is None
        if command == "status":
            found = _until_seen(served)
            assert found["target"] is None
            assert found["readers"][0]["target"] == "prod"
        else:
            _until_seen(served)
            _, events = served.json("local")
            plan = next(one for one in events if one["event"] == "plan")
            assert plan["server"] == "restart the dev server (its own environment overrides the env files)"
            assert served.json("status")[1][-1]["target"] == "local"
    finally:
        end(served.living())
        server.wait(60)
        if server.stdout is not None:
            server.stdout.close()


def _until_seen(folder: Folder) -> dict[str, object]:
    import time

    limit = time.monotonic() + 100
    while time.monotonic() < limit:
        found = folder.json("status")[1][-1]
        if found["server"]["state"] == "ready":
            return found
    raise AssertionError("the server was not seen")
