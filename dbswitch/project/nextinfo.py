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


class NextInfo(Struct, frozen=True):
    """The project's Next.js. `version` is the installed one, else the range asked for."""

    version: str
    installed: bool
    dist_dir: str
    notices: tuple[str, ...] = ()


def read_next(root: Path, manifest: Manifest, configured_dist_dir: str | None) -> NextInfo | None:
    """Return what is known of Next.js in `root`; None where the project does not use it."""
    wanted = manifest.wants("next")
    if wanted is None:
        return None
    version = installed_version(root, "next")
    dist_dir, notices = _dist_dir(root) if configured_dist_dir is None else (configured_dist_dir, ())
    return NextInfo(version or wanted, version is not None, dist_dir, notices)


def _dist_dir(root: Path) -> tuple[str, tuple[str, ...]]:
    """Return the literal `distDir` of the Next config, and a notice where it is set by an expression."""
    path = next((root / name for name in _CONFIG_FILES if (root / name).is_file()), None)
    if path is None:
        return DEFAULT_DIST_DIR, ()
    try:
        found = _DIST_DIR.search(javascript_text.without_comments(read_regular_text(path, errors="replace")))
        literal = (
            "".join(group or "" for group in found.groups()[:3]) if found is not None else DEFAULT_DIST_DIR
        )
    except OSError:
        literal = ""
    if literal:
        return literal.removeprefix("./").rstrip("/") or DEFAULT_DIST_DIR, ()
    notice = f'distDir in {path.name} is not a plain string: assuming {DEFAULT_DIST_DIR}; set it with [server] dist_dir = "..."'
    return DEFAULT_DIST_DIR, (notice,)
