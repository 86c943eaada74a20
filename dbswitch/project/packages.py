"""package.json and the package manager: which one, the dev script and the scripts around it. Reads files only."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

from msgspec import Struct

from dbswitch.durable import parse_json, read_object, read_regular_text
from dbswitch.errors import ConfigError


class PackageManager(StrEnum):
    """The program that runs scripts."""

    NPM = "npm"
    PNPM = "pnpm"
    YARN = "yarn"
    BUN = "bun"


LOCK_FILES = (
    ("pnpm-lock.yaml", PackageManager.PNPM), ("yarn.lock", PackageManager.YARN), ("bun.lock", PackageManager.BUN),
    ("bun.lockb", PackageManager.BUN), ("package-lock.json", PackageManager.NPM), ("npm-shrinkwrap.json", PackageManager.NPM),
)  # fmt: skip


class Manifest(Struct, frozen=True):
    """The parts of a package.json that dbswitch needs; `path` is None where there is none."""

    path: Path | None = None
    scripts: dict[str, str] = {}
    dependencies: dict[str, str] = {}  # all kinds of them, the first spelling wins
    manager: PackageManager | None = None  # the `packageManager` or `devEngines` field
    prisma_schema: str | None = None

    def wants(self, package: str) -> str | None:
        """Return the version range asked for, None where the package is not a dependency."""
        return self.dependencies.get(package)


class Packages(Struct, frozen=True):
    """How the project runs its scripts."""

    manager: PackageManager
    manager_source: str  # the field or file that names it, for display
    dev_script: str | None  # its text
    dev_script_name: str | None  # `dev`, else `start` of a project without one


def read_manifest(folder: Path) -> Manifest:
    """Read `folder/package.json`. Raises ConfigError: not a JSON object (with line and column), or cannot be read."""
    path = folder / "package.json"
    try:
        value = parse_json(read_regular_text(path, encoding="utf-8-sig"))
    except (FileNotFoundError, NotADirectoryError):
        return Manifest()
    except (OSError, UnicodeDecodeError) as error:
        facts, fix = (f"{path}: {error}",), f"make {path} readable"
        raise ConfigError("package.json cannot be read", facts=facts, fix=fix) from None
    except json.JSONDecodeError as error:
        raise ConfigError(
            f"package.json, line {error.lineno}, column {error.colno}: {error.msg}",
            facts=(str(path),),
            why="dbswitch reads the project's packages and scripts from it",
            fix=f"correct line {error.lineno} of {path}",
        ) from None
    if not isinstance(value, dict):
        raise ConfigError("package.json is not a JSON object", facts=(str(path),), fix=f"correct {path}")
    return _manifest(path, value)


def read_packages(root: Path, manifest: Manifest) -> Packages:
    """Return the package manager and dev script of the project at `root`.

    The `packageManager` field decides, in the project or a folder above it; then the nearest lock file; else npm.
    """
    name = next((script for script in ("dev", "start") if manifest.scripts.get(script)), None)
    return Packages(*_manager(root, manifest), manifest.scripts[name] if name else None, name)


def boundary(start: Path) -> tuple[Path, ...]:
    """Return `start` and the folders above it, up to the first that is a git work tree, the home folder or the root."""
    home: Path | None = None
    with contextlib.suppress(RuntimeError):  # no home folder is known for this user
        home = Path.home()
    folders = (start, *start.parents)
    tops = (at for at, folder in enumerate(folders, 1) if (folder / ".git").exists() or folder == home)
    return folders[: next(tops, None)]


def installed_folder(root: Path, package: str) -> Path | None:
    """Return the package's folder in the nearest `node_modules`; None where it is not installed."""
    places = (folder / "node_modules" / package for folder in boundary(root))
    return next((place for place in places if place.is_dir()), None)


def installed_manifest(root: Path, package: str) -> Mapping[str, Any]:
    """Return the package.json in the nearest `node_modules`, as Node's resolution walks it; empty where not installed."""
    places = (folder / "node_modules" / package / "package.json" for folder in boundary(root))
    return next((found for place in places if (found := read_object(place))), {})


def installed_version(root: Path, package: str) -> str | None:
    """Return the version of :func:`installed_manifest`."""
    return _texts(installed_manifest(root, package)).get("version")


def _manager(root: Path, manifest: Manifest) -> tuple[PackageManager, str]:
    if manifest.manager is not None:
        return manifest.manager, "package.json"
    for folder in boundary(root):
        with contextlib.suppress(ConfigError):  # a broken file above the project must not break the project
            above = read_manifest(folder)
            if folder != root and above.manager is not None:
                return above.manager, str(above.path)
        for name, manager in LOCK_FILES:
            if (folder / name).is_file():
                return manager, name if folder == root else str(folder / name)
    return PackageManager.NPM, "default"


def _manifest(path: Path, value: Mapping[str, object]) -> Manifest:
    kinds = ("optionalDependencies", "peerDependencies", "devDependencies", "dependencies")
    engines = value.get("devEngines")
    engine = _texts(engines.get("packageManager") if isinstance(engines, dict) else None).get("name", "")
    manager = _texts(value).get("packageManager", engine).split("@", 1)[0]
    return Manifest(
        path=path,
        scripts=_texts(value.get("scripts")),
        dependencies={name: wanted for kind in kinds for name, wanted in _texts(value.get(kind)).items()},
        manager=PackageManager(manager) if manager in tuple(PackageManager) else None,
        prisma_schema=_texts(value.get("prisma")).get("schema"),
    )


def _texts(value: object) -> dict[str, str]:
    """Return the texts of a JSON object; nothing for any other value."""
    pairs = value.items() if isinstance(value, dict) else ()
    return {str(key): text for key, text in pairs if isinstance(text, str)}
