"""Dev scripts that put an env file into Next.js's environment: its hot client cannot follow a changed file there."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from tests.generate import live

if TYPE_CHECKING:
    from tests.support.nextapp import AppFolder, NextApp
    from tests.support.postgres import ShopServer

pytestmark = pytest.mark.real
# What dotenv-cli does, without its package.
DOTENV = """#!/usr/bin/env node
const { spawn } = require("node:child_process");
const { parse } = require("dotenv");
const [file, ...command] = process.argv.slice(2).filter((word) => !["-e", "--"].includes(word));
const env = { ...parse(require("node:fs").readFileSync(file)), ...process.env };
const child = spawn(command[0], command.slice(1), { stdio: "inherit", env });
child.on("exit", (code, signal) => process.exit(signal ? 1 : code));
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => child.kill(signal));
"""


def prepared(app: AppFolder, script: str) -> AppFolder:
    tool = app.write("tools/dotenv", DOTENV)
    tool.chmod(0o755)
    app.extra["PATH"] = f"{tool.parent}{os.pathsep}{os.environ['PATH']}"
    manifest = json.loads(app.read("package.json"))
    manifest["scripts"]["dev"] = script.format(port=app.port)
    app.write("package.json", json.dumps(manifest))
    return live.prepare(app)


def test_a_dev_script_that_exports_the_env_file_is_restarted_at_once_and_told(
    next_app: NextApp, postgres_local: ShopServer, postgres_prod: ShopServer
) -> None:
    app = next_app(local=postgres_local.url, prod=postgres_prod.url)
    prepared(app, "dotenv -e .env.local -- next dev -p {port}")
    app.start_by_hand()

    code, [status] = app.events("status")
    assert code == 0
    assert status["server"]["script_exports"] == ["BLOB_BUCKET", "DATABASE_URL"]
    why = "its dev script exports BLOB_BUCKET, DATABASE_URL (dotenv), which overrides the env files"
    assert why in app.dbswitch("status").stdout

    for name, flags in (("prod", ("--hot",)), ("local", ("--dry-run",))):
        code, events = app.events(name, "--confirm", postgres_prod.shop.database, *flags)
        assert code == 0, events
        codes = [event["code"] for event in events if event["event"] == "notice"]
        assert "hot-fallback" not in codes
        assert "environment" not in codes  # nobody exported them
        assert ("hot-not-possible" in codes) == ("--hot" in flags)
        [plan] = [event for event in events if event["event"] == "plan"]
        assert plan["server"] == f"restart the dev server ({why})"
        assert plan["mode"] == "restart"
        if name == "prod":
            assert (events[-1]["mode"], events[-1]["verified"]) == ("restart", True)
        app.assert_answers_from(postgres_prod)
        app.assert_one_server_tree()


def test_a_script_that_exports_from_a_file_the_switch_leaves_alone_is_named_when_it_is_rolled_back(
    next_app: NextApp, postgres_local: ShopServer, postgres_prod: ShopServer
) -> None:
    app = next_app(local=postgres_local.url, prod=postgres_prod.url)
    app.write("config/dev.env", f'DATABASE_URL="{postgres_local.url}"\n')
    prepared(app, "dotenv -e config/dev.env -- next dev -p {port}")
    started = app.dbswitch("dev", "--detach")
    assert started.returncode == 0, started.stderr
    code, events = app.events("prod", "--confirm", postgres_prod.shop.database)
    assert code == 7, events
    error = events[-1]["error"]
    assert "its dev script exports DATABASE_URL (dotenv)" in json.dumps(error)
    app.assert_answers_from(postgres_local)
