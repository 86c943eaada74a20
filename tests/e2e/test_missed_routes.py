"""A dev server that missed a folder when it started, and answers 404 there until a file changes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.generate.admin import LONG, ROUTE, generate

if TYPE_CHECKING:
    from tests.support.nextapp import NextApp
    from tests.support.postgres import ShopServer

pytestmark = [pytest.mark.real, pytest.mark.slow]

# What happens to Next.js below 16.4 on a busy machine once in some dozen starts, at every start: its watcher does not
# know the files of one folder that were there before it.
MISSES = """
const Module = require("node:module");
const load = Module._load;
const started = Date.now();
Module._load = function (request, ...rest) {
  const loaded = load.call(this, request, ...rest);
  if (/compiled\\/watchpack$/.test(request) && !loaded.prototype.misses) {
    const whole = loaded.prototype.getTimeInfoEntries;
    loaded.prototype.misses = true;
    loaded.prototype.getTimeInfoEntries = function () {
      const entries = whole.call(this);
      for (const [name, entry] of entries) {
        if (/\\/app\\/api\\/.*route\\.ts$/.test(name) && !(entry?.timestamp > started)) entries.delete(name);
      }
      return entries;
    };
  }
  return loaded;
};
"""


def test_a_restarted_server_that_missed_the_identity_route_is_made_to_find_it(
    next_app: NextApp, postgres_local: ShopServer, postgres_prod: ShopServer
) -> None:
    app = generate(next_app(local=postgres_local.url, prod=postgres_prod.url), "route")
    app.write("misses.cjs", MISSES)
    package = json.loads(app.read("package.json"))
    package["scripts"]["dev"] = f"NODE_OPTIONS='--require ./misses.cjs' {package['scripts']['dev']}"
    app.write("package.json", json.dumps(package))
    app.write(
        "dbswitch.toml", f"[verify]\nrestart_deadline = {LONG:.0f}\n"
    )  # Next compiles its 404 page first
    started = app.dbswitch("dev", "--detach", timeout=LONG)
    assert started.returncode == 0, started.stderr

    code, events = app.events("prod", "--confirm", postgres_prod.shop.database, timeout=LONG)

    assert (code, events[-1]["verified"]) == (0, True), events[-3:]
    assert f" GET {ROUTE}?identity=1 404 in " in app.log()
