"""Twelve ways in which an app can hold a second connection, and what a hot switch says about each; all of it is true.

One app is booted for all of them. The table in `docs/how-to/hot-switch.md` is what these tests show.
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from tests.generate.admin import generate
from tests.support import nextapp
from tests.support.amounts import first_and_sweep
from tests.support.nextapp import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.nextapp import AppFolder
    from tests.support.postgres import ShopServer

pytestmark = [pytest.mark.real, pytest.mark.slow]

LONG = 180.0
GRACE = 1.5

MODULE = """
import pg from "pg";
import { prisma } from "@/lib/prisma";

// Evaluated once, with the URL of that moment.
export const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, application_name: "second-module", idleTimeoutMillis: 0 });
export const copy = prisma.$extends({ name: "copy" });
"""

ROUTE = """
import { createRequire } from "node:module";
import { spawn } from "node:child_process";
import { Worker } from "node:worker_threads";
import { unstable_cache } from "next/cache";
import { join } from "node:path";
import pg from "pg";
import { prisma } from "@/lib/prisma";

const program = (name) => `
  const pg = require(${JSON.stringify(join(process.cwd(), "node_modules/pg"))});
  const client = new pg.Client({ connectionString: process.env.DATABASE_URL, application_name: "second-${name}" });
  client.connect().then(() => setInterval(() => {}, 1000));
`;

async function client(name) {
  const made = new pg.Client({ connectionString: process.env.DATABASE_URL, application_name: `second-${name}` });
  made.on("error", () => {});
  await made.connect();
  return made;
}

const ways = {
  async global() {
    globalThis.pool ??= new pg.Pool({ connectionString: process.env.DATABASE_URL, application_name: "second-global", idleTimeoutMillis: 0 });
    await globalThis.pool.query("SELECT 1");
  },
  async module() {
    const { pool } = await import("@/lib/second");
    await pool.query("SELECT 1");
  },
  async worker() {
    globalThis.worker = new Worker(program("worker"), { eval: true, env: { ...process.env } });
  },
  async child() {
    spawn(process.execPath, ["-e", program("child")], { stdio: "ignore", env: { ...process.env } }).unref();
  },
  async proxy() {},
  async instrumentation() {
    await globalThis.openFromInstrumentation();
  },
  async cached() {
    return { shop: await unstable_cache(async () => (await prisma.shop.findFirst()).name, ["shop"])() };
  },
  async transaction() {
    void prisma
      .$transaction(async (tx) => {
        await tx.$executeRawUnsafe("SET LOCAL application_name = 'second-transaction'");
        await new Promise((resolve) => setTimeout(resolve, 60_000));
      }, { timeout: 120_000 })
      .catch(() => {});
  },
  async listen() {
    globalThis.listening = await client("listen");
    await globalThis.listening.query("LISTEN news");
  },
  async websocket() {
    return { port: await globalThis.openWebSocketServer() };
  },
  async extends() {
    const { copy } = await import("@/lib/second");
    return { shop: (await copy.shop.findFirst()).name };
  },
  async script() {},
  async later() {
    globalThis.later ??= new pg.Pool({ connectionString: process.env.DATABASE_URL, application_name: "second-later", idleTimeoutMillis: 0 });
  },
  async query() {
    await globalThis.later.query("SELECT 1");
  },
};

export async function GET(request) {
  const way = new URL(request.url).searchParams.get("way");
  return Response.json((await ways[way]()) ?? {});
}
"""

PROXY = """
import pg from "pg";

let held;

export async function proxy(request) {
  if (request.nextUrl.searchParams.get("way") !== "proxy") return;
  held = new pg.Client({ connectionString: process.env.DATABASE_URL, application_name: "second-proxy" });
  held.on("error", () => {});
  await held.connect();
}

export const config = { matcher: "/api/second" };
"""

INSTRUMENTATION = """
export async function register() {
  if (process.env.NEXT_RUNTIME !== "nodejs") return;
  const { default: pg } = await import("pg");
  const { createServer } = await import("node:http");
  const open = async (name) => {
    const client = new pg.Client({ connectionString: process.env.DATABASE_URL, application_name: `second-${name}` });
    client.on("error", () => {});
    await client.connect();
    return client;
  };
  let held;
  globalThis.openFromInstrumentation = async () => void (held = await open("instrumentation"));
  // The handler of a WebSocket holds a connection of its own as long as its visitor stays.
  globalThis.openWebSocketServer = () =>
    new Promise((resolve) => {
      const server = createServer();
      server.on("upgrade", async (request, socket) => {
        const client = await open("websocket");
        socket.on("close", () => void client.end());
        socket.on("error", () => {});
        socket.write("HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\n\\r\\n");
      });
      server.listen(0, "127.0.0.1", () => resolve(server.address().port));
    });
}
"""

SCRIPT = """
const pg = require("pg");
const client = new pg.Client({ connectionString: process.argv[1], application_name: "second-script" });
client.connect().then(() => setInterval(() => {}, 1000));
"""


@dataclass
class TwoDatabases:
    """The app and the two servers it goes back and forth between."""

    app: AppFolder
    servers: tuple[ShopServer, ShopServer]

    @property
    def here(self) -> ShopServer:
        database = self.app.shop()["database"]
        return next(server for server in self.servers if server.shop.database == database)

    def other(self, server: ShopServer) -> ShopServer:
        return self.servers[1] if server is self.servers[0] else self.servers[0]

    def second(self, way: str) -> Any:
        answer = self.app.get_route(f"/api/second?way={way}", deadline=LONG)
        assert answer.status == 200, f"{answer}\n{self.app.log()[-3000:]}"
        return answer.json

    def switch_hot(self, to: ShopServer) -> tuple[dict[str, Any], list[str]]:
        """Switch with `--hot`; return the result and the warnings about a restart."""
        name = "local" if to is self.servers[0] else "prod"
        code, events = self.app.events(name, "--hot", "--confirm", to.shop.database, timeout=LONG)
        assert code == 0, f"{events}\n{self.app.log()}"  # as text: pytest shortens a list
        assert events[-1]["verified"] is True, events
        assert self.app.shop() == to.answer
        return events[-1], [event["text"] for event in events if event.get("code") == "hot-fallback"]


def sessions(server: ShopServer, way: str) -> int:
    """Return how many connections of this way the server has, as it says itself."""
    [(count,)] = server.server.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s", (f"second-{way}",)
    )
    return int(count)


@pytest.fixture(scope="module")
def booted(postgres_local: ShopServer, postgres_prod: ShopServer) -> Iterator[TwoDatabases]:
    with nextapp.apps() as make:
        app = generate(make(local=postgres_local.url, prod=postgres_prod.url), "client", "route")
        app.write("dbswitch.toml", f"[switch]\ndrain_timeout = {GRACE}\n")
        app.write("lib/second.js", MODULE)
        app.write("app/api/second/route.js", ROUTE)
        app.write("proxy.js", PROXY)
        app.write("instrumentation.js", INSTRUMENTATION)
        done = app.dbswitch("dev", "--detach", timeout=LONG)
        assert done.returncode == 0, done.stderr
        yield TwoDatabases(app, (postgres_local, postgres_prod))


@contextlib.contextmanager
def opened(two: TwoDatabases, way: str, on: ShopServer) -> Iterator[Any]:
    """Have the app (or, for `script`, somebody beside it) open its second connection."""
    with contextlib.ExitStack() as stack:
        said = two.second(way)
        if way == "websocket":
            visitor = stack.enter_context(socket.create_connection(("127.0.0.1", said["port"]), timeout=LONG))
            visitor.sendall(
                b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
            )
            assert visitor.recv(12) == b"HTTP/1.1 101"
        if way == "script":
            script = subprocess.Popen(["node", "-e", SCRIPT, on.url], cwd=two.app.root)
            stack.callback(script.wait)
            stack.callback(script.kill)
        yield said


@pytest.mark.parametrize(
    "way",
    first_and_sweep(
        (
            "global",
            "module",
            "worker",
            "child",
            "proxy",
            "instrumentation",
            "transaction",
            "listen",
            "websocket",
        )
    ),
)
def test_a_connection_that_the_server_keeps_is_named_and_ended_by_a_restart(
    booted: TwoDatabases, way: str
) -> None:
    old = booted.here
    with opened(booted, way, old):
        wait_until(lambda: sessions(old, way) or None, LONG, lambda: f"{way}: no connection was opened")
        result, fallbacks = booted.switch_hot(booted.other(old))
    assert result["mode"] == "restart"
    [text] = fallbacks
    assert "still uses the old database" in text
    assert old.shop.database in text
    assert ("pid" in text, "holds 1 connection" in text) == (True, True), text
    wait_until(lambda: sessions(old, way) == 0 or None, LONG, lambda: f"{way}: still connected")


@pytest.mark.parametrize("way", ["cached", "extends"])
def test_what_holds_no_second_connection_keeps_the_switch_hot(booted: TwoDatabases, way: str) -> None:
    old = booted.here
    with opened(booted, way, old) as said:
        assert said["shop"] == old.shop.name
        result, fallbacks = booted.switch_hot(booted.other(old))
    assert (result["mode"], fallbacks) == ("hot", [])
    after = booted.second(way)["shop"]
    # Next.js keeps what it cached: old data, and no connection.
    assert after == (old if way == "cached" else booted.other(old)).shop.name
    wait_until(lambda: app_sessions(booted, old) == 0 or None, LONG, lambda: "the client itself stayed")


def app_sessions(two: TwoDatabases, server: ShopServer) -> int:
    """Return how many connections this app has to the server; other apps of the tests may be on it too."""
    ports = set()
    for process in two.app.processes():
        with contextlib.suppress(psutil.Error):
            ports |= {one.laddr.port for one in process.net_connections("tcp")}
    [(count,)] = server.server.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND client_port = ANY(%s)",
        (server.shop.database, list(ports)),
    )
    return int(count)


def test_a_program_beside_the_server_is_not_the_apps_and_stays(booted: TwoDatabases) -> None:
    old = booted.here
    with opened(booted, "script", old):
        wait_until(lambda: sessions(old, "script") or None, LONG, lambda: "no connection was opened")
        result, fallbacks = booted.switch_hot(booted.other(old))
        assert (result["mode"], fallbacks) == ("hot", [])
        assert sessions(old, "script") == 1


def test_a_client_that_connects_only_later_cannot_be_seen_as_the_documentation_says_and_leaving_prod_ends_it(
    booted: TwoDatabases,
) -> None:
    local, prod = booted.servers
    if booted.here is prod:
        booted.switch_hot(local)
    with opened(booted, "later", local):
        result, fallbacks = booted.switch_hot(prod)
        assert (result["mode"], fallbacks) == ("hot", [])
        booted.second("query")
        assert sessions(local, "later") == 1
    before = {process.pid for process in booted.app.next_servers()}
    # Without `--hot`, a switch that leaves a protected target restarts.
    code, events = booted.app.events("local", timeout=LONG)
    assert (code, events[-1]["mode"], events[-1]["verified"]) == (0, "restart", True)
    assert not {process.pid for process in booted.app.next_servers()} & before
    wait_until(lambda: sessions(local, "later") == 0 or None, LONG, lambda: "still connected")
