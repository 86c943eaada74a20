"""The generated admin page and banner in a browser without a Next.js: the route is answered by the test."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

from dbswitch.generate import routes
from dbswitch.generate.writing import sign
from dbswitch.project.discovery import load
from tests.generate.conftest import SOURCE
from tests.support import npm

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.browser import Browser

RUN = "20260101T120000000Z-0a1b2c3d"
NEXT_RUN = "20260101T120005000Z-0a1b2c3e"
_PAGE_ENTRY = """
import { StrictMode } from "react"; // as Next.js renders in development
import { createRoot } from "react-dom/client";
import { DatabaseSwitch } from "./app/admin/configuration/database-switch";
const page = <DatabaseSwitch route="/api/admin/database" token="" />;
createRoot(document.getElementById("root")).render(<StrictMode>{page}</StrictMode>);
"""
_BANNER_ENTRY = """
import { createRoot } from "react-dom/client";
import { DatabaseBanner } from "./components/database-banner";
createRoot(document.body).render(<><DatabaseBanner /><p id="root">The app</p></>);
"""
_SERVE = """
globalThis.mock = { token: "key", asked: [], ...%(mock)s };
await context.unrouteAll();
await context.route("http://localhost:4000/**", async (route) => {
  const request = route.request();
  const { pathname, searchParams } = new URL(request.url());
  const json = (status, body) => route.fulfill({ status, json: { dbswitch: 1, ...body } });
  if (pathname === "/page.js" || pathname === "/banner.js") return route.fulfill({ path: %(folder)s + pathname, contentType: "text/javascript" });
  if (pathname !== "/api/admin/database") {
    if (pathname === "/blank") return route.fulfill({ body: "", contentType: "text/html" });
    const script = pathname === "/banner" ? "banner" : "page";
    const body = `<!doctype html><html lang="en"><title>Database</title><meta name="viewport" content="width=device-width">` +
      `<body><div id="root"></div><script src="/${script}.js"></script>`;
    return route.fulfill({ body, contentType: "text/html" });
  }
  if (mock.down) return route.abort();
  if (mock.hang) return;
  if (searchParams.has("banner")) return json(200, mock.banner);
  if (request.headers()["x-dbswitch-token"] !== mock.token) return json(401, { error: "unauthorized" });
  if (request.method() === "POST") {
    mock.asked.push(request.postDataJSON());
    const [status, body] = mock.post;
    return json(status, body);
  }
  if (!searchParams.has("id")) return json(200, mock.view);
  const run = mock.runs?.[searchParams.get("id")];
  return run ? json(200, run) : json(404, { error: "unknown run" });
});
"""


def bundle(folder: Path) -> None:
    """Write the files of a TypeScript project into `folder` and bundle page and banner for a browser."""
    texts = {
        "package.json": '{"dependencies": {"next": "16.0.7"}}',
        "tsconfig.json": "{}",
        "app/layout.tsx": "",
        "lib/prisma.ts": sign("client", "x", "export const prisma = 1;\n").content.decode(),
        "page.tsx": _PAGE_ENTRY,
        "banner.tsx": _BANNER_ENTRY,
    }
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    for file in routes.plan_admin_page(load(folder)):
        (folder / file.path).parent.mkdir(parents=True, exist_ok=True)
        (folder / file.path).write_bytes(file.content)
    modules = npm.node_modules_for(SOURCE)
    (folder / "node_modules").symlink_to(modules)
    subprocess.run(
        [
            modules / ".bin/esbuild",
            "page.tsx",
            "banner.tsx",
            "--bundle",
            "--jsx=automatic",
            "--outdir=.",
            '--define:process.env.NODE_ENV="development"',
            "--define:process.env.__NEXT_ROUTER_BASEPATH=undefined",
            "--log-level=error",
        ],
        cwd=folder,
        check=True,
    )


TARGETS = [
    {"name": "local", "protected": False, "database": "shop_dev", "address": "localhost:5432"},
    {"name": "staging", "protected": False, "database": "shop", "address": "staging.example.com:5432"},
    {"name": "prod", "protected": True, "database": "shop", "address": "db.example.com:5432"},
]


def view(target: str | None = "local", **changes: Any) -> dict[str, Any]:
    """Return the route's answer for an app on `target`."""
    database = next((one["database"] for one in TARGETS if one["name"] == target), "other")
    return {
        "active": {"kind": "one" if target else "unknown", "target": target},
        "targets": TARGETS,
        "hot": True,
        "problem": None,
        "identity": {
            "database": database,
            "serverVersion": "18.4",
            "inRecovery": "false",
            "readOnly": "false",
        },
        "unreachable": None,
        "migrations": {"pending": [], "failed": []},
        "history": [],
        "running": None,
    } | changes


def phase(name: str, state: str = "done", seconds: float = 0.4, detail: str = "") -> dict[str, Any]:
    return {"event": "phase", "phase": name, "state": state, "seconds": seconds, "detail": detail}


def run(*events: dict[str, Any], lost: bool = False, run_id: str = RUN) -> dict[str, Any]:
    over = any(event["event"] == "result" for event in events)
    return {"id": run_id, "over": over, "lost": lost, "events": list(events)}


def plan(mode: str = "restart", previous: str | None = "local") -> tuple[dict[str, Any], ...]:
    """Return the events up to the probe."""
    return (
        phase("lock", seconds=0.0),
        phase("observe", seconds=0.3, detail=f"on {previous}, server ready"),
        {"event": "plan", "mode": mode, "previous": previous},
    )


class Screen:
    """The page in a browser, with the route answered from `mock`."""

    def __init__(self, browser: Browser, folder: Path) -> None:
        self.browser = browser
        self._folder = folder

    def open(self, path: str = "/admin", *, key: str = "key", **mock: Any) -> None:
        """Open the page anew, in a browser that keeps `key`."""
        code = _SERVE % {"mock": json.dumps(mock), "folder": json.dumps(str(self._folder))}
        stored = json.dumps(json.dumps(key))
        self.browser.forget_shown()
        self.browser.run(
            code + 'await page.goto("http://localhost:4000/blank");'
            f'await page.evaluate((key) => {{ localStorage.clear(); sessionStorage.clear(); if (key !== \'""\') localStorage.setItem("dbswitch:/api/admin/database", key); }}, {stored});'
            f'await page.goto("http://localhost:4000{path}");'
        )

    def answer(self, **mock: Any) -> None:
        """Change what the route answers."""
        self.browser.run(f"Object.assign(mock, {json.dumps(mock)})")

    def run(self, code: str) -> Any:
        return self.browser.run(code)

    def see(self, text: str) -> None:
        self.run(f"await page.getByText({json.dumps(text)}).first().waitFor()")

    def click(self, name: str) -> None:
        self.run(f'await page.getByRole("button", {{ name: {json.dumps(name)}, exact: true }}).click()')

    def announced(self) -> str:
        return str(self.run("return await page.locator('main > [role=status]').innerText()"))
