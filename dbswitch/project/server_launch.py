"""The project's Next.js and its dev server, as its files and the configuration describe them; nothing is run."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from dbswitch.durable import text_or_empty
from dbswitch.project.javascript_text import STRING, strings, without_comments
from dbswitch.project.packages import Manifest, installed_version

if TYPE_CHECKING:
    from dbswitch.project.discovery import Project
    from dbswitch.server.nextjs import DevCommand
    from dbswitch.server.spec import ServerSpec

DEFAULT_PORT = 3000
DEFAULT_DIST_DIR = ".next"
# The order in which Next.js itself looks (its constant CONFIG_FILES).
_CONFIG_FILES = ("next.config.js", "next.config.mjs", "next.config.ts", "next.config.mts")
_DIST_DIR = rf"\bdistDir['\"]?\s*:\s*(?:({STRING})|\S)"
_PORT = re.compile(r"[0-9]{1,5}")
_ANY_ADDRESS = frozenset({"0.0.0.0", "::", "[::]"})  # noqa: S104  compared with, never listened on


class NextInfo(Struct, frozen=True):
    """The project's Next.js. `version` is the installed one, else the range asked for."""

    version: str
    installed: bool
    dist_dir: str
    notices: tuple[str, ...] = ()


def read_next(root: Path, manifest: Manifest, configured_dist_dir: str | None) -> NextInfo | None:
    """Return what is known of Next.js in `root`; None where the project does not use it."""
    version, path = installed_version(root, "next"), next_config(root)
    # In a workspace the package `next` may be a dependency of the root only.
    wanted = manifest.wants("next") or (version if path is not None else None)
    if wanted is None:
        return None
    dist_dir = configured_dist_dir or (_literal_dist_dir(path) if path is not None else DEFAULT_DIST_DIR)
    notice = f'distDir in {path and path.name} is not a plain string: assuming .next; set it with [server] dist_dir = "..."'
    notices = () if dist_dir else (notice,)
    return NextInfo(version or wanted, version is not None, dist_dir or DEFAULT_DIST_DIR, notices)


def next_config(root: Path) -> Path | None:
    """Return the Next config that Next.js would load."""
    return next((root / name for name in _CONFIG_FILES if (root / name).is_file()), None)


def _literal_dist_dir(path: Path) -> str | None:
    """Return the `distDir` of a Next config; None if it is an expression."""
    found = re.search(_DIST_DIR, without_comments(text_or_empty(path)))
    if found is None:
        return DEFAULT_DIST_DIR
    return strings(found[1])[0].removeprefix("./").rstrip("/") or DEFAULT_DIST_DIR if found[1] else None


def build(project: Project, ambient: Mapping[str, str] = os.environ) -> ServerSpec:
    """Return the description of the project's server; `argv` is empty if it has no command, dev script or Next.js.

    The port is the configured one, else the script's, else `PORT` of the process environment `ambient`, else 3000.
    """
    from dbswitch.server.spec import NEXT_ALIVE_PATH, ServerLimits, ServerSpec

    server = project.config.server
    command = _command(project)
    wanted = ambient.get("PORT", "")
    ambient_port = int(wanted) if _PORT.fullmatch(wanted) and 0 < int(wanted) < 65536 else None
    asked = server.port or command.port or ambient_port
    hostname = command.hostname
    return ServerSpec(
        argv=command.argv,
        cwd=project.root,
        port=asked or DEFAULT_PORT,
        port_explicit=asked is not None,
        dist_dir=project.root
        / (project.next.dist_dir if project.next is not None else server.dist_dir or DEFAULT_DIST_DIR),
        state_dir=project.state_dir,
        private_dir=project.private_dir,
        ports=server.ports,
        ready_path=server.ready_path,
        limits=ServerLimits(term=server.term_timeout, kill=server.kill_timeout, ready=server.ready_timeout),
        port_flag=command.port_flag,
        hostname=hostname if hostname is not None and hostname not in _ANY_ADDRESS else "localhost",
        https=command.https,
        alive_path=NEXT_ALIVE_PATH if command.is_next and project.next is not None else None,
    )


def _command(project: Project) -> DevCommand:
    from dbswitch.server.nextjs import DevCommand, dev_command

    configured, name = project.config.server.command, project.packages.dev_script_name
    if configured or (name is None and project.next is None):
        # A configured command gets its port through PORT; host and scheme of the dev script may not hold for it.
        return DevCommand(configured, port_flag=False, is_next=project.next is not None)
    scripts = project.manifest.scripts if name is not None else {"dev": "next dev"}
    return dev_command(project.root, scripts, script=name or "dev", manager=project.packages.manager)
