"""How a child process starts this same dbswitch again, independent of its PATH."""

from __future__ import annotations

import json
import sys
from typing import Final

VARIABLE: Final = "DBSWITCH_EXECUTABLE"


def command() -> list[str]:
    """Return the command line without its arguments; the folder of the caller is not searched for code (`-P`)."""
    return [sys.executable, "-P", "-m", "dbswitch"]


def for_server() -> dict[str, str]:
    """Return the variable that passes the command to the admin route in the dev server, as a JSON array."""
    return {VARIABLE: json.dumps(command())}
