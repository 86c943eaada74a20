"""The installed programs and packages. Two programs are asked for their version; no code of the project is run."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from typing import TYPE_CHECKING, Any, Final

from dbswitch import __version__
from dbswitch.check.doctor.doctor_facts import MachineFacts, Version
from dbswitch.durable import read_regular_text
from dbswitch.json_text import parse_json
from dbswitch.project.packages import boundary, installed_version

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from dbswitch.project.discovery import Project

_SHOWN: Final = (
    ("Next.js", "next"),
    ("Prisma CLI", "prisma"),
    ("Prisma client", "@prisma/client"),
    ("Prisma adapter", "@prisma/adapter-pg"),
    ("Prisma adapter", "@prisma/adapter-neon"),
    ("TypeScript", "typescript"),
)
_ASKING_FOR_NODE: Final = ("next", "prisma", "@prisma/client")
_LOCK_FILES: Final = (
    "package-lock.json",
    "npm-shrinkwrap.json",
    "pnpm-lock.yaml",
    "yarn.lock",
    "bun.lock",
    "bun.lockb",
)
_NODE_PINS: Final = (".nvmrc", ".node-version")
# Asking for a version must not download one (corepack), nor write a log or check for updates (npm).
_QUIET: Final = {
    "COREPACK_ENABLE_NETWORK": "0",
    "COREPACK_ENABLE_DOWNLOAD_PROMPT": "0",
    "npm_config_update_notifier": "false",
    "npm_config_logs_max": "0",
}


def program_version(name: str, seconds: float) -> str | None:
    """Return what `NAME --version` says; None where the program is missing, fails, or takes longer than `seconds`.

    It is asked in the root folder: in a project some package managers would fetch the version the project wants.
    """
    program = shutil.which(name)
    if program is None:
        return None
    try:
        done = subprocess.run(
            [program, "--version"],
            cwd="/",
            env={**os.environ, **_QUIET},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    lines = done.stdout.split()
    return lines[0].removeprefix("v")[:40] if done.returncode == 0 and lines else None


def read_machine(
    project: Project, node: str | None, manager: str | None, ambient: Mapping[str, str]
) -> MachineFacts:
    """Return the known versions, given those that Node and the package manager reported."""
    wanted = dict(project.manifest.dependencies) if project.manifest is not None else {}
    installed = {
        package: version
        for _, package in _SHOWN
        if (version := installed_version(project.root, package)) is not None
    }
    manifest = _json(project.root / "package.json")
    return MachineFacts(
        versions=_versions(project, node, manager, wanted, installed, manifest),
        node=node,
        needs=_needs(project, installed, manifest),
        node_pin=_node_pin(project.root),
        manager=project.package_manager,
        manager_source=project.packages.manager_source,
        manager_found=shutil.which(project.package_manager) is not None,
        lock_files=tuple(name for name in _LOCK_FILES if (project.root / name).is_file()),
        installed=installed,
        wanted=frozenset(wanted),
        prisma_config=project.prisma.config_file if project.prisma is not None else None,
        accelerate="@prisma/extension-accelerate" in wanted,
        node_env=ambient.get("NODE_ENV") or None,
        inside_next="__NEXT_PROCESSED_ENV" in ambient,
    )


def _versions(
    project: Project,
    node: str | None,
    manager: str | None,
    wanted: Mapping[str, str],
    installed: Mapping[str, str],
    manifest: Mapping[str, Any],
) -> tuple[Version, ...]:
    from psycopg import pq

    pinned = manifest.get("packageManager")
    chosen = f"chosen by {project.packages.manager_source}"
    if isinstance(pinned, str):
        chosen = f"package.json asks for {pinned.partition('+')[0]}"
    number = pq.version()
    rows = [
        Version("dbswitch", __version__, f"Python {platform.python_version()}"),
        Version("libpq", f"{number // 10000}.{number % 10000}", "used for probes"),
        Version("Node.js", node, _where("node")),
        Version(project.package_manager, manager, f"{_where(project.package_manager)}; {chosen}"),
    ]
    for name, package in _SHOWN:
        if package in installed or package in wanted:
            asked = f"{package}, package.json asks for {wanted[package]}" if package in wanted else package
            rows.append(Version(name, installed.get(package), asked))
    return tuple(rows)


def _where(program: str) -> str:
    return shutil.which(program) or "not on the PATH"


def _needs(
    project: Project, installed: Mapping[str, str], manifest: Mapping[str, Any]
) -> tuple[tuple[str, str], ...]:
    found: list[tuple[str, str]] = []
    for package in _ASKING_FOR_NODE:
        if package in installed:
            wanted = _engine(_installed_manifest(project.root, package))
            if wanted is not None:
                found.append((f"{package} {installed[package]}", wanted))
    own = _engine(manifest)
    if own is not None:
        found.append(("package.json", own))
    return tuple(found)


def _engine(manifest: Mapping[str, Any]) -> str | None:
    engines = manifest.get("engines")
    wanted = engines.get("node") if isinstance(engines, dict) else None
    return wanted if isinstance(wanted, str) else None


def _installed_manifest(root: Path, package: str) -> Mapping[str, Any]:
    # Where installed_version() found it: the nearest folder that has the package.
    for folder in boundary(root):
        found = _json(folder / "node_modules" / package / "package.json")
        if found:
            return found
    return {}


def _json(path: Path) -> Mapping[str, Any]:
    try:
        value = parse_json(read_regular_text(path, encoding="utf-8-sig"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _node_pin(root: Path) -> tuple[str, str] | None:
    for folder in boundary(root):
        for name in _NODE_PINS:
            try:
                text = read_regular_text(folder / name, errors="replace").strip()
            except OSError:
                continue
            return (name, text[:40]) if text else None
    return None
