"""Node.js and the application's npm packages."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, Final

from dbswitch.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

NODE_NEEDED: Final = (20, 19)  # `engines` of prisma 7.1.0
NPM_CI: Final = (
    "npm",
    "ci",
    "--no-audit",
    "--no-fund",
    "--no-update-notifier",
    "--loglevel=error",
    # The one script of these packages that does something downloads Prisma's schema engine, which nothing here uses.
    "--ignore-scripts",
)
_LOOK_EVERY: Final = 0.25  # s
_OUR_SYSTEM: Final = {"linux": "linux", "darwin": "darwin"}
_OUR_CPU: Final = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}


def require_node() -> str:
    """Return the version of Node.js.

    Raises:
        ConfigError: Node.js or npm is missing, or Node.js is too old.
    """
    needed = ".".join(map(str, NODE_NEEDED))
    fix = f"install Node.js {needed} or newer with npm (https://nodejs.org/en/download)"
    missing = [name for name in ("node", "npm") if shutil.which(name) is None]
    if missing:
        raise ConfigError(
            "The demo runs a real Next.js app and needs Node.js with npm.",
            facts=(f"not found on PATH: {', '.join(missing)}",),
            fix=fix,
        )
    said = subprocess.run(["node", "--version"], capture_output=True, text=True, check=False).stdout.strip()
    found = re.match(r"v(\d+)\.(\d+)", said)
    if found is None or (int(found[1]), int(found[2])) < NODE_NEEDED:
        raise ConfigError(
            "Node.js is too old for Next.js 16 and Prisma 7.",
            facts=(f"found {said or 'an unknown version'}", f"needed {needed}"),
            fix=fix,
        )
    return said


def expected_folders(lock: dict[str, Any]) -> tuple[str, ...]:
    """Return the package folders that `npm ci` makes on this machine, from the content of a `package-lock.json`."""
    system = _OUR_SYSTEM.get(sys.platform, sys.platform)
    cpu = _OUR_CPU.get(platform.machine().lower(), platform.machine().lower())
    libc = "musl" if platform.libc_ver()[0] != "glibc" else "glibc"
    return tuple(
        name
        for name, package in lock.get("packages", {}).items()
        if name
        and system in package.get("os", (system,))
        and cpu in package.get("cpu", (cpu,))
        and (system != "linux" or libc in package.get("libc", (libc,)))
    )


def install(
    place: Path, log: Path, *, env: Mapping[str, str], on_progress: Callable[[int, int], None]
) -> int:
    """Run `npm ci` in `place`; return how many packages there are.

    Args:
        place: the application's folder.
        log: where npm's output goes.
        env: the environment npm runs in.
        on_progress: called with the packages on disk and the packages wanted, a few times per second.

    Raises:
        ConfigError: npm failed; its last lines are the facts.
    """
    wanted = expected_folders(json.loads((place / "package-lock.json").read_bytes()))
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [*NPM_CI, "--no-progress"],
            cwd=place,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            start_new_session=True,  # a Ctrl-C is answered here, in order, and not by npm in the middle of a file
        )
        try:
            while process.poll() is None:
                on_progress(sum((place / name / "package.json").exists() for name in wanted), len(wanted))
                time.sleep(_LOOK_EVERY)
        finally:
            if process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    if process.returncode != 0:
        lines = [line.removeprefix("npm error ") for line in log.read_text(errors="replace").splitlines()]
        raise ConfigError(
            "npm could not install the demo app's packages.",
            facts=[line for line in lines if line.strip()][:6],
            why="they come from the npm registry, so this step needs the network",
            fix="see whether `npm ping` works (a proxy? a registry in ~/.npmrc?), then run it again",
        )
    on_progress(len(wanted), len(wanted))
    return len(wanted)
