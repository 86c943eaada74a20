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
from dbswitch.project.packages import LOCK_FILES, boundary

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from dbswitch.project.discovery import Project

_SHOWN: Final = {
    "next": "Next.js",
    "prisma": "Prisma CLI",
    "@prisma/client": "Prisma client",
    "@prisma/adapter-pg": "Prisma adapter",
    "@prisma/adapter-neon": "Prisma adapter",
    "typescript": "TypeScript",
}
_ASKING_FOR_NODE: Final = ("next", "prisma", "@prisma/client")
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
    from psycopg import pq

    wanted = project.manifest.dependencies
    manifests = {package: _installed_manifest(project.root, package) for package in _SHOWN}
    installed = {
        package: one["version"] for package, one in manifests.items() if isinstance(one.get("version"), str)
    }
    own = _json(project.root / "package.json")
    pinned = own.get("packageManager")
    chosen = f"chosen by {project.packages.manager_source}"
    if isinstance(pinned, str):
        chosen = f"package.json asks for {pinned.partition('+')[0]}"
    libpq, name = pq.version(), project.package_manager
    versions = [
        Version("dbswitch", __version__, f"Python {platform.python_version()}"),
        Version("libpq", f"{libpq // 10000}.{libpq % 10000}", "used for probes"),
        Version("Node.js", node, _where("node")),
        Version(name, manager, f"{_where(name)}; {chosen}"),
    ]
    for package, shown in _SHOWN.items():
        if package in installed or package in wanted:
            source = f", package.json asks for {wanted[package]}" if package in wanted else ""
            versions.append(Version(shown, installed.get(package), f"{package}{source}"))
    asking = {f"{name} {installed[name]}": manifests[name] for name in _ASKING_FOR_NODE if name in installed}
    return MachineFacts(
        versions=tuple(versions),
        node=node,
        needs=tuple(
            (who, need) for who, one in {**asking, "package.json": own}.items() if (need := _engine(one))
        ),
        node_pin=_node_pin(project.root),
        manager=project.package_manager,
        manager_source=project.packages.manager_source,
        manager_found=shutil.which(project.package_manager) is not None,
        lock_files=tuple(name for name, _ in LOCK_FILES if (project.root / name).is_file()),
        installed=installed,
        wanted=frozenset(wanted),
        has_schema=project.prisma is None or project.prisma.schema is not None,
        prisma_config=project.prisma.config_file if project.prisma is not None else None,
        accelerate="@prisma/extension-accelerate" in wanted,
        node_env=ambient.get("NODE_ENV") or None,
        inside_next="__NEXT_PROCESSED_ENV" in ambient,
    )


def _where(program: str) -> str:
    return shutil.which(program) or "not on the PATH"


def _engine(manifest: Mapping[str, Any]) -> str:
    engines = manifest.get("engines")
    wanted = engines.get("node") if isinstance(engines, dict) else None
    return wanted if isinstance(wanted, str) else ""


def _installed_manifest(root: Path, package: str) -> Mapping[str, Any]:
    """Return the package.json in the nearest `node_modules` that has the package."""
    places = (folder / "node_modules" / package / "package.json" for folder in boundary(root))
    return next((found for place in places if (found := _json(place))), {})


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
