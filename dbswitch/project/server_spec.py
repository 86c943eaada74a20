"""The server's description for `dbswitch/server`, from the configuration and what the project's files say."""

from __future__ import annotations

import os
import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dbswitch.project.discovery import DEFAULT_PORT
from dbswitch.project.nextinfo import DEFAULT_DIST_DIR
from dbswitch.project.packages import PackageManager, boundary

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from dbswitch.project.discovery import Project
    from dbswitch.server.spec import ServerSpec

_ENTRY = "node_modules/next/dist/bin/next"
_PORT_VARIABLE = re.compile(r"(?:^|\s)PORT=(\d{1,5})\s")
# Whatever of these stands in a script, words added behind it need not reach `next dev`.
_SHELL_SYNTAX = re.compile(r"[&|;<>`()\n]|\$")
_ANY_ADDRESS = frozenset({"0.0.0.0", "::", "[::]"})  # noqa: S104  compared with, never listened on


@dataclass(frozen=True, slots=True)
class DevScript:
    """What a dev script's text says. Pure.

    Attributes:
        flags: of a plain `next dev`, without the port; None for anything else.
        takes_flags: words added behind the script reach `next dev`.
    """

    flags: tuple[str, ...] | None
    takes_flags: bool
    port: int | None
    hostname: str | None
    https: bool


def read_script(script: str) -> DevScript:
    """Return what the text of a dev script says. Pure."""
    plain_syntax = _SHELL_SYNTAX.search(script) is None
    try:
        words = shlex.split(script) if plain_syntax else script.split()
    except ValueError:  # quotes that do not close
        words, plain_syntax = script.split(), False
    at = next((i for i, word in enumerate(words) if word.rpartition("/")[2] == "next"), None)
    if at is None or (len(words) > at + 1 and words[at + 1] != "dev" and not words[at + 1].startswith("-")):
        return DevScript(None, takes_flags=False, port=_port_variable(script), hostname=None, https=False)
    flags, port, hostname = _next_flags(words[at + 1 :])
    return DevScript(
        flags=tuple(flags) if plain_syntax and at == 0 else None,
        takes_flags=plain_syntax,
        port=port or _port_variable(script),
        hostname=hostname,
        https="--experimental-https" in flags,
    )


def build(project: Project, ambient: Mapping[str, str] | None = None) -> ServerSpec:
    """Return the description of the project's server.

    The port is the configured one, else the script's, else `PORT` of the process environment (`ambient`, None is this
    process's own), else 3000. `argv` is empty for a project that has neither a command nor a dev script: it can be
    switched, but there is no server to start.
    """
    from dbswitch.server.spec import NEXT_ALIVE_PATH, ServerLimits, ServerSpec

    environment = os.environ if ambient is None else ambient
    server = project.config.server
    script = read_script(project.dev_script or ("next dev" if project.next is not None else ""))
    argv, port_flag = _command(project, script)
    wanted = environment.get("PORT", "")
    asked = server.port or script.port or (int(wanted) if _is_port(wanted) else None)
    hostname = (
        script.hostname
        if script.hostname is not None and script.hostname not in _ANY_ADDRESS
        else "localhost"
    )
    return ServerSpec(
        argv=argv,
        cwd=project.root,
        port=asked or DEFAULT_PORT,
        port_explicit=asked is not None,
        dist_dir=project.root
        / (project.next.dist_dir if project.next is not None else server.dist_dir or DEFAULT_DIST_DIR),
        state_dir=project.state_dir,
        ports=server.ports,
        ready_path=server.ready_path,
        limits=ServerLimits(term=server.term_timeout, kill=server.kill_timeout, ready=server.ready_timeout),
        port_flag=port_flag,
        hostname=hostname,
        https=script.https,
        alive_path=NEXT_ALIVE_PATH if project.next is not None else None,
    )


def _command(project: Project, script: DevScript) -> tuple[tuple[str, ...], bool]:
    """Return the argv and whether `-p PORT` may be added behind it."""
    configured = project.config.server.command
    if configured:
        return configured, read_script(shlex.join(configured)).takes_flags
    packages = project.packages
    entry = _entry(project.root) if project.next is not None else None
    if script.flags is not None and entry is not None and not packages.wrapped:
        # Without npm and sh in between: 0.6 s less, and two processes fewer that a signal can miss.
        return ("node", os.fspath(entry), "dev", *script.flags), True
    if packages.dev_script_name is None:
        return (), False
    argv = packages.run(packages.dev_script_name)
    if packages.manager is PackageManager.NPM and script.takes_flags:
        argv = (*argv, "--")  # npm keeps flags for itself without it; the others hand them on, `--` included
    return argv, script.takes_flags


def _entry(root: Path) -> Path | None:
    return next((folder / _ENTRY for folder in boundary(root) if (folder / _ENTRY).is_file()), None)


def _next_flags(words: list[str]) -> tuple[list[str], int | None, str | None]:
    """Return the flags of `next dev` without the port, the port, and the host name."""
    rest = words[1:] if words[:1] == ["dev"] else list(words)
    flags: list[str] = []
    port: int | None = None
    hostname: str | None = None
    while rest:
        word = rest.pop(0)
        name, equals, value = word.partition("=")
        if name in {"-p", "--port"}:
            value = value if equals else (rest.pop(0) if rest else "")
            port = int(value) if _is_port(value) else port
        elif word.startswith("-p") and _is_port(word[2:]):
            port = int(word[2:])
        elif name in {"-H", "--hostname"}:
            hostname = value if equals else (rest[0] if rest else None)
            flags.append(word)
            if not equals and rest:
                flags.append(rest.pop(0))
        else:
            flags.append(word)
    return flags, port, hostname


def _port_variable(script: str) -> int | None:
    found = _PORT_VARIABLE.search(script)
    return int(found[1]) if found is not None and _is_port(found[1]) else None


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and 0 < int(text) < 65536
