"""What is known of the project's Next.js without running it: version, `distDir`. Reads files only."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec import Struct

from dbswitch.durable import read_regular_text
from dbswitch.project import javascript_text
from dbswitch.project.packages import installed_version

if TYPE_CHECKING:
    from pathlib import Path

    from dbswitch.project.packages import Manifest

DEFAULT_DIST_DIR = ".next"
# The order in which Next.js itself looks (its constant CONFIG_FILES).
_CONFIG_FILES = ("next.config.js", "next.config.mjs", "next.config.ts", "next.config.mts")
_DIST_DIR = re.compile(rf"\bdistDir['\"]?\s*:\s*(?:{javascript_text.STRING}|(\S))")
_MAJOR = re.compile(r"\d+")


class NextInfo(Struct, frozen=True):
    """The project's Next.js. `version` is the installed one, else the range asked for."""

    version: str
    installed: bool
    config_file: str | None
    dist_dir: str
    notices: tuple[str, ...] = ()

    @property
    def major(self) -> int | None:
        """The major version, None for ranges such as `latest`."""
        return major(self.version)


def major(version: str) -> int | None:
    """Return the first number of a version or range: 16 of `^16.0.7`."""
    number = _MAJOR.search(version)
    return int(number[0]) if number else None


def read_next(root: Path, manifest: Manifest, configured_dist_dir: str | None) -> NextInfo | None:
    """Return what is known of Next.js in `root`; None where the project does not use it."""
    wanted = manifest.wants("next")
    if wanted is None:
        return None
    version = installed_version(root, "next")
    config_file = next((name for name in _CONFIG_FILES if (root / name).is_file()), None)
    dist_dir = DEFAULT_DIST_DIR
    notices: tuple[str, ...] = ()
    if configured_dist_dir is not None:
        dist_dir = configured_dist_dir
    elif config_file is not None:
        dist_dir, notices = _dist_dir(root / config_file)
    return NextInfo(
        version=version or wanted,
        installed=version is not None,
        config_file=config_file,
        dist_dir=dist_dir,
        notices=notices,
    )


def dist_dir_of(text: str) -> str | None:
    """Return the literal `distDir` of a Next config's source; None where there is none. Pure.

    Raises:
        ValueError: it is set by an expression.
    """
    found = _DIST_DIR.search(javascript_text.without_comments(text))
    if found is None:
        return None
    literal = next((group for group in found.groups()[:3] if group is not None), None)
    if literal is None or not literal:
        raise ValueError("distDir is an expression")
    return literal.removeprefix("./").rstrip("/") or DEFAULT_DIST_DIR


def _dist_dir(path: Path) -> tuple[str, tuple[str, ...]]:
    try:
        literal = dist_dir_of(read_regular_text(path, errors="replace"))
    except (OSError, ValueError):
        notice = f'distDir in {path.name} is not a plain string: assuming {DEFAULT_DIST_DIR}; set it with [server] dist_dir = "..."'
        return DEFAULT_DIST_DIR, (notice,)
    return literal or DEFAULT_DIST_DIR, ()
