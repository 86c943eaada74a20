"""A large Next.js + Prisma app, generated: hundreds of routes and components with heavy imports.

What makes real applications slow to switch is in it: a root layout that queries the database, a home page and a
`not-found.tsx` that take seconds to compile, a dev script that is a chain with `NODE_OPTIONS`, packages by pnpm.
`python -m tests.support.large_app FOLDER` writes one to look at (without packages).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from dbswitch.demo import shop_app
from dbswitch.demo.postgres import free_port
from tests.generate import live
from tests.support import cache, npm, packages
from tests.support.nextapp import AppFolder, env_local

if TYPE_CHECKING:
    from collections.abc import Iterator

NEWEST = "16.4.6"
VERSIONS = ("16.0.7", "16.1.6", NEWEST)
ROUTES = 300
PNPM = Path(__file__).parents[1] / "node" / "pnpm"
ICONS = ("fa6", "md", "io5", "bs", "tb")
ICON_OF = {"fa6": "FaHouse", "md": "MdHome", "io5": "IoHome", "bs": "BsHouse", "tb": "TbHome"}


class MakeLargeApp(Protocol):
    def __call__(
        self, local: str, prod: str, *, version: str = NEWEST, routes: int = ROUTES, hot: bool = True
    ) -> AppFolder:
        """Return a new app on Next.js `version`; with `hot` it has the generated client and identity route."""


_LAYOUT = """import type { ReactNode } from "react";

import { Frame } from "@/components/frame";
import { readShop } from "@/lib/shop";

export const metadata = { title: "large app" };
export const dynamic = "force-dynamic";

export default async function Layout({ children }: { children: ReactNode }) {
  const { shop } = await readShop();
  return (
    <html lang="en">
      <body>
        <Frame title={shop ?? "no shop"}>{children}</Frame>
      </body>
    </html>
  );
}
"""
_FRAME = """"use client";

import { motion } from "framer-motion";
import type { ReactNode } from "react";
import * as fa from "react-icons/fa6";
import * as md from "react-icons/md";

export function Frame({ title, children }: { title: string; children: ReactNode }) {
  return (
    <motion.main animate={{ opacity: 1 }}>
      <header data-icons={Object.keys(fa).length + Object.keys(md).length}>{title}</header>
      {children}
    </motion.main>
  );
}
"""
_COMPONENT = """"use client";

import { motion } from "framer-motion";
import { @ICON@ } from "react-icons/@SET@";
import { Area, AreaChart, Bar, BarChart, CartesianGrid, Legend, Line, LineChart, Tooltip, XAxis, YAxis } from "recharts";

const rows = [1, 2, 3].map((value) => ({ name: `row ${value}`, value: value * @NUMBER@ }));

export function Card@NUMBER@({ title }: { title: string }) {
  return (
    <motion.section initial={{ opacity: 0 }} animate={{ opacity: 1 }}>
      <h2>
        <@ICON@ /> {title} @NUMBER@
      </h2>
      <LineChart width={300} height={100} data={rows}>
        <CartesianGrid /> <XAxis dataKey="name" /> <YAxis /> <Tooltip /> <Legend /> <Line dataKey="value" />
      </LineChart>
      <BarChart width={300} height={100} data={rows}>
        <Bar dataKey="value" />
      </BarChart>
      <AreaChart width={300} height={100} data={rows}>
        <Area dataKey="value" />
      </AreaChart>
    </motion.section>
  );
}
"""
_API = """import { readShop } from "@/lib/shop";

export const dynamic = "force-dynamic";

export async function GET() {
  return Response.json({ route: @NUMBER@, ...(await readShop()) });
}
"""
_MIDDLEWARE = """import { NextResponse } from "next/server";

export default function proxy() {
  return NextResponse.next({ headers: { "x-seen": "1" } });
}
"""
_INSTRUMENTATION = """export async function register() {
  if (process.env.NEXT_RUNTIME === "nodejs") await import("@/lib/shop");
}
"""
_CHECK = """// The first link of the dev script's chain, as projects check their environment before they start.
if (!process.versions.node) throw new Error("this needs Node.js");
"""


def write_source(root: Path, version: str, routes: int, port: int) -> None:
    """Write the app's source: half of `routes` are pages, half are API routes, each page with cards of its own."""
    shop_app.copy_source(root)
    for name in (".npmrc", "package-lock.json"):
        (root / name).unlink()
    files = {
        "package.json": json.dumps(manifest(version, port), indent=2) + "\n",
        "scripts/check-env.mjs": _CHECK,
        "app/layout.tsx": _LAYOUT,
        "components/frame.tsx": _FRAME,
        "proxy.ts": _MIDDLEWARE,
        "instrumentation.ts": _INSTRUMENTATION,
    }
    pages = routes // 2
    for number in range(pages):
        icons = ICONS[number % len(ICONS)]
        files[f"components/card-{number}.tsx"] = (
            _COMPONENT.replace("@NUMBER@", str(number))
            .replace("@SET@", icons)
            .replace("@ICON@", ICON_OF[icons])
        )
        around = sorted({number, (number + 1) % pages, (number + 7) % pages})
        files[f"app/section-{number // 10}/page-{number}/page.tsx"] = _page(f"Page{number}", around)
    for number in range(routes - pages):
        files[f"app/api/part-{number // 10}/thing-{number}/route.ts"] = _API.replace("@NUMBER@", str(number))
    several = list(range(min(pages, 40)))
    files["app/page.tsx"] = _page("Home", several)
    files["app/not-found.tsx"] = _page("NotFound", several)
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def _page(name: str, cards: list[int]) -> str:
    imports = "".join(f'import {{ Card{card} }} from "@/components/card-{card}";\n' for card in cards)
    body = "".join(f'      <Card{card} title="{name}" />\n' for card in cards)
    return (
        f"{imports}\nexport default function {name}() {{\n  return (\n    <div>\n{body}    </div>\n  );\n}}\n"
    )


def manifest(version: str, port: int) -> dict[str, object]:
    """Return the content of `package.json`."""
    react = {"react": "19.2.1", "react-dom": "19.2.1"}
    return {
        "name": "dbswitch-large-app",
        "version": "0.1.0",
        "private": True,
        "scripts": {
            "dev": f"node scripts/check-env.mjs && NODE_OPTIONS='--max-old-space-size=4096' next dev -p {port}",
            "build": "next build",
            "start": f"next start -p {port}",
        },
        "dependencies": {
            "@prisma/adapter-pg": "7.10.0",
            "@prisma/client": "7.10.0",
            "dotenv": "17.2.3",
            "framer-motion": "14.14.0",
            "next": version,
            "react-icons": "5.7.0",
            "recharts": "3.11.0",
            **react,
        },
        "devDependencies": {
            "@types/node": "20.19.25",
            "@types/react": "19.2.7",
            "prisma": "7.10.0",
            "typescript": "5.9.3",
        },
    }


def pnpm_bin() -> Path:
    """Return the folder of the pnpm of the tests."""
    return npm.node_modules_for(PNPM) / ".bin"


def _with_pnpm() -> dict[str, str]:
    return {**os.environ, "PATH": f"{pnpm_bin()}{os.pathsep}{os.environ['PATH']}", "CI": "1"}


def installed(version: str) -> Path:
    """Return a folder with `node_modules`, `pnpm-lock.yaml` and the generated Prisma client for Next.js `version`."""
    key = hashlib.sha256(f"{json.dumps(manifest(version, 0))} {npm.digest(PNPM)}".encode()).hexdigest()[:16]

    def make(unfinished: Path) -> None:
        app = unfinished / "app"
        write_source(app, version, 2, 0)
        done = subprocess.run(
            ["pnpm", "install", "--ignore-scripts", "--prefer-offline", "--reporter=silent"],
            cwd=app,
            env=_with_pnpm(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=900,
        )
        if done.returncode != 0:
            raise RuntimeError(f"pnpm install failed:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
        shop_app.generate_client(app)
        for name in ("node_modules", "pnpm-lock.yaml", "generated"):
            (app / name).rename(unfinished / name)
        shutil.rmtree(app)

    folder = cache.root() / "large"
    folder.mkdir(parents=True, exist_ok=True)
    return cache.once(folder / key, make)


@contextlib.contextmanager
def large_apps() -> Iterator[MakeLargeApp]:
    """Give a factory of large apps; what they started is stopped and their folders are removed at the end."""
    made: list[AppFolder] = []
    folder = cache.root() / "apps"
    folder.mkdir(parents=True, exist_ok=True)

    def make(
        local: str, prod: str, *, version: str = NEWEST, routes: int = ROUTES, hot: bool = True
    ) -> AppFolder:
        source = installed(version)
        home = Path(tempfile.mkdtemp(prefix=f"large-{version}-", dir=folder))
        extra = {"PATH": _with_pnpm()["PATH"]}
        app = AppFolder(home / "app", "large", free_port(), secrets.token_hex(8), extra)
        made.append(app)
        write_source(app.root, version, routes, app.port)
        packages.copy(source / "node_modules", app.root / "node_modules")
        shutil.copyfile(source / "pnpm-lock.yaml", app.root / "pnpm-lock.yaml")
        shutil.copytree(source / "generated", app.root / "generated")
        app.write(".env.local", env_local(local, prod))
        return live.prepare(app) if hot else app

    try:
        yield make
    finally:
        for app in made:
            app.remove()


if __name__ == "__main__":
    write_source(Path(sys.argv[1]), NEWEST, ROUTES, 3000)
