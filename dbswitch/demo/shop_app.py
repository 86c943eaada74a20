"""The demo's application: its source, its npm packages, its generated Prisma client, its answers."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import urllib.request
from collections.abc import Mapping
from html import unescape
from pathlib import Path
from typing import Any, Final

from dbswitch.errors import ConfigError, ServerError

NODE_NEEDED: Final = (20, 19)  # `engines` of prisma 7.1.0
# The one script of these packages that does something downloads Prisma's schema engine, which nothing here uses.
NPM_CI: Final = ("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error", "--no-progress")  # fmt: skip
# What a run leaves in the source tree; an installed wheel has none of it.
_NOT_SOURCE: Final = ("node_modules", ".next", "generated", "next-env.d.ts", "*.tsbuildinfo", ".dbswitch", ".env*")  # fmt: skip


def require_node() -> None:
    """Check that Node.js and npm are installed. Raises ConfigError: one is missing, or Node.js is too old."""
    needed = ".".join(map(str, NODE_NEEDED))
    version, npm = "", shutil.which("npm")
    with contextlib.suppress(OSError):
        asked = subprocess.run(["node", "--version"], capture_output=True, text=True, check=False)
        version = asked.stdout.strip()
    found = re.match(r"v(\d+)\.(\d+)", version)
    if npm is None or found is None or (int(found[1]), int(found[2])) < NODE_NEEDED:
        raise ConfigError(
            "the demo runs a real Next.js 16 and Prisma 7 app and needs Node.js with npm",
            facts=(
                f"found: Node.js {version or 'none'}, npm {npm or 'none'}",
                f"needed: Node.js {needed} or newer",
            ),
            fix=f"install Node.js {needed} or newer with npm (https://nodejs.org/en/download)",
        )


def copy_source(place: Path) -> None:
    """Copy the application's source to `place`, which must not exist yet. Raises OSError."""
    source = Path(__file__).parent / "app"
    shutil.copytree(source, place, ignore=shutil.ignore_patterns(*_NOT_SOURCE))
    (place / "gitignore.template").rename(place / ".gitignore")


def install_packages(place: Path, env: Mapping[str, str]) -> None:
    """Run `npm ci` in `place`. Raises ConfigError: it failed."""
    try:
        _output(NPM_CI, place, env)
    except subprocess.CalledProcessError as error:
        lines = [line.removeprefix("npm error ") for line in error.output.splitlines()]
        raise ConfigError(
            "npm could not install the demo app's packages",
            facts=[line for line in lines if line.strip()][:6],
            why="they come from the npm registry, so this step needs the network",
            fix="check that `npm ping` works (a proxy? a registry in ~/.npmrc?), then run it again",
        ) from None


def generate_client(place: Path, env: Mapping[str, str] = os.environ) -> None:
    """Run `prisma generate` in `place`, where the packages are installed; about 2 s. Raises ConfigError: it failed."""
    # Every command of the Prisma CLI first downloads a schema engine. Generating does not use it, so any program that
    # exists will do, and the download's host need not be reachable.
    engine = {"PRISMA_SCHEMA_ENGINE_BINARY": shutil.which("true") or "/bin/true"}
    try:
        _output(["node_modules/.bin/prisma", "generate"], place, {**engine, **env})
    except (OSError, subprocess.CalledProcessError) as error:
        lines = str(getattr(error, "output", error)).strip().splitlines()
        raise ConfigError("`prisma generate` failed", facts=lines[-6:]) from error


def _output(command: list[str] | tuple[str, ...], place: Path, env: Mapping[str, str]) -> str:
    return subprocess.check_output(
        command,
        cwd=place,
        env=dict(env),
        stdin=subprocess.DEVNULL,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )


def page(port: int) -> list[str]:
    """Return the headline and the rows of the app's page. Raises ServerError: it does not answer with 200."""
    text = re.sub(r"<!--.*?-->", "", _get(port, "/"))
    return [unescape(row) for row in re.findall(r"<(?:h1|li)>(.*?)</", text)]


def route(port: int) -> dict[str, Any]:
    """Return the JSON of the app's route. Raises ServerError as :func:`page`."""
    answer: dict[str, Any] = json.loads(_get(port, "/api/items"))
    return answer


def _get(port: int, path: str) -> str:
    url = f"http://localhost:{port}{path}"
    # A proxy of the environment does not apply to this machine's loopback.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=60) as response:
            return str(response.read().decode())
    except OSError as error:  # HTTPError is one as well
        raise ServerError("the demo app does not answer", facts=(f"{url}: {error}",)) from None
