"""How a child process starts this same dbswitch again, independent of its PATH."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Final

from dbswitch.server.environment import MARKER
from dbswitch.server.processes import keep_child

if TYPE_CHECKING:
    from pathlib import Path

VARIABLE: Final = "DBSWITCH_EXECUTABLE"


def command() -> list[str]:
    """Return the command line without its arguments; the folder of the caller is not searched for code (`-P`)."""
    return [sys.executable, "-P", "-m", "dbswitch"]


def start(root: Path, *arguments: str) -> None:
    """Start a command for the project in a session of its own, without streams. Raises OSError."""
    # It is no part of the dev server, even if a page of it asked for the command.
    environment = {name: value for name, value in os.environ.items() if name != MARKER}
    child = subprocess.Popen(
        [*command(), *arguments, f"--project={root}"],
        cwd=root,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    keep_child(child)


def for_server() -> dict[str, str]:
    """Return the variable that passes the command to the admin route in the dev server, as a JSON array."""
    return {VARIABLE: json.dumps(command())}
