"""The demo app with the generated client under load, in `next dev` or `next start`."""

from __future__ import annotations

import json
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dbswitch.generate.routes import plan_identity_route
from dbswitch.generate.writing import write
from dbswitch.project.discovery import load as load_project
from tests.generate.conftest import SUITE, place_client

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.support.nextapp import AppFolder
    from tests.support.postgres import ShopServer

LOAD_ROUTE = """
import { prisma } from "@/lib/prisma";

const failed = (error: unknown) =>
  Response.json({ error: String((error as Error).message).trim().slice(-300) }, { status: 500 });

export async function GET(request: Request) {
  try {
    void request.url;
    const shop = await prisma.shop.findFirstOrThrow({ include: { items: { take: 1 } } });
    return Response.json({ database: shop.name });
  } catch (error) {
    return failed(error);
  }
}

export async function POST(request: Request) {
  try {
    const name = new URL(request.url).searchParams.get("key")!;
    const item = await prisma.item.create({ data: { name, cents: 1, shopId: 1 }, include: { shop: true } });
    return Response.json({ database: item.shop.name });
  } catch (error) {
    return failed(error);
  }
}
"""
TOKEN = "a-token-of-the-test"


def prepare(app: AppFolder) -> AppFolder:
    """Give the app dbswitch's client, the identity route and a route for the load."""
    place_client(app.root)
    write(app.root, [plan_identity_route(load_project(app.root))])
    app.write("app/api/load/route.ts", LOAD_ROUTE)
    app.write(".dbswitch/token", TOKEN)
    return app


def build(app: AppFolder, env: Mapping[str, str] | None = None) -> str:
    """Run `next build`; return what it printed."""
    done = subprocess.run(
        ["npm", "run", "build"],
        cwd=app.root,
        env=app.environment(env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout + done.stderr


def serve(app: AppFolder, command: str, env: Mapping[str, str] | None = None) -> None:
    """Run `next dev` or `next start` and wait until it answers."""
    app.popen(
        "node", "node_modules/next/dist/bin/next", command, "-p", str(app.port), env=env, log="by-hand.log"
    )
    app.wait_for_answer()
    app.wait_for_answer("/api/load")


def point(app: AppFolder, url: str, bucket: str = "") -> tuple[float, float]:
    """Replace `.env.local` by a rename, as dbswitch does; return the times just before and just after it."""
    fresh = app.root / ".env.local.fresh"
    fresh.write_text(f'DATABASE_URL="{url}"\nBLOB_BUCKET="{bucket}"\n')
    before = time.time()
    fresh.rename(app.root / ".env.local")
    renamed = time.time()
    time.sleep(0.006)  # the client looks at most every 5 ms
    return before, renamed


@dataclass
class Load:
    """What became of each request; `seconds` is how long requests were sent."""

    results: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        return len(self.results) / self.seconds

    @property
    def failed(self) -> list[dict[str, Any]]:
        return [result for result in self.results if result["status"] != 200]

    def written(self) -> set[str]:
        return {result["key"] for result in self.results if result["write"] and result["status"] == 200}

    def milliseconds(self, share: float, *, since: float = 0.0, until: float = float("inf")) -> float:
        """Return the percentile of the requests that began in the span."""
        taken = sorted(
            result["milliseconds"] for result in self.results if since <= result["from"] / 1000 <= until
        )
        return float(taken[min(len(taken) - 1, int(len(taken) * share))])


@contextmanager
def under_load(app: AppFolder, rate: int = 50, prefix: str = "load") -> Iterator[Load]:
    """Send requests while the body runs; the results are there afterwards."""
    load = Load()
    process = subprocess.Popen(
        ["node", str(SUITE / "load.mjs"), f"http://127.0.0.1:{app.port}", str(rate), prefix],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=app.environment(),
    )
    app.started.append(process)  # type: ignore[arg-type]
    try:
        yield load
    finally:
        out, _ = process.communicate(timeout=120)
    content = json.loads(out)
    load.results, load.seconds = content["results"], content["seconds"]


def rows(server: ShopServer, prefix: str) -> list[str]:
    """Return the names of the items that a load wrote to this server, doubles included."""
    found = server.server.execute(
        'SELECT name FROM "Item" WHERE starts_with(name, %s)', (prefix,), database=server.shop.database
    )
    return [name for (name,) in found]


def remove_rows(server: ShopServer, prefix: str) -> None:
    """Take out what a load wrote: other tests compare all rows of the servers that are shared."""
    server.server.execute(
        'DELETE FROM "Item" WHERE starts_with(name, %s)', (prefix,), database=server.shop.database
    )


def sessions(server: ShopServer) -> int:
    """Return how many connections the app has to this server."""
    [(count,)] = server.server.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = %s", (server.shop.database,)
    )
    return int(count)


def last_lines(path: Path, count: int = 20) -> str:
    return "\n".join(path.read_text(errors="replace").splitlines()[-count:])
