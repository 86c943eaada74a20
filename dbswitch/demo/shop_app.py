"""The demo's application on disk: its source, its packages, its generated Prisma client."""

from __future__ import annotations

import os
import shutil
import subprocess
from importlib.resources import as_file, files
from typing import TYPE_CHECKING, Final

from dbswitch.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# What a run leaves in the source tree; an installed wheel has none of it.
_NOT_SOURCE: Final = (
    "node_modules",
    ".next",
    "generated",
    "next-env.d.ts",
    "*.tsbuildinfo",
    ".dbswitch",
    ".env*",
)
GENERATE_SECONDS: Final = 120


def copy_source(place: Path) -> Path:
    """Copy the application's source to `place`, which must not exist yet. Raises OSError. Return `place`."""
    with as_file(files("dbswitch.demo").joinpath("app")) as source:
        shutil.copytree(source, place, ignore=shutil.ignore_patterns(*_NOT_SOURCE))
    (place / "gitignore.template").rename(place / ".gitignore")
    return place


def generate_client(place: Path, env: Mapping[str, str] | None = None) -> None:
    """Run `prisma generate` in `place`, where the packages are installed; about 2 s.

    Raises:
        ConfigError: it failed.
    """
    environment = dict(os.environ if env is None else env)
    # Every command of the Prisma CLI first downloads a schema engine. Generating does not use it, so any program that
    # exists will do, and the download's host need not be reachable.
    environment.setdefault("PRISMA_SCHEMA_ENGINE_BINARY", shutil.which("true") or "/bin/true")
    try:
        done = subprocess.run(
            ["node_modules/.bin/prisma", "generate"],
            cwd=place,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=GENERATE_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ConfigError("`prisma generate` could not be run.", facts=(type(error).__name__,)) from error
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise ConfigError("`prisma generate` failed.", facts=lines[-6:])
