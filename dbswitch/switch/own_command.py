"""How a program below us starts dbswitch again: this very one, whatever the PATH says there."""

from __future__ import annotations

import json
import sys
from typing import Final

VARIABLE: Final = "DBSWITCH_EXECUTABLE"


def command() -> list[str]:
    """Return the command line without its words; the folder of the caller is not searched for code (`-P`)."""
    return [sys.executable, "-P", "-m", "dbswitch"]


def for_server() -> dict[str, str]:
    """Return the variable that tells the admin route in the dev server: the command as a JSON array."""
    return {VARIABLE: json.dumps(command())}
