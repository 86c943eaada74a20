"""The program: `dbswitch ...` and `python -m dbswitch ...`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from dbswitch.cli import command_line


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line, by default this process's own, and return its exit code."""
    if sys.platform == "win32":
        sys.stderr.write("dbswitch needs Linux or macOS; on Windows run it (and the app) inside WSL\n")
        return 2
    return command_line.run(sys.argv[1:] if argv is None else argv)


if __name__ == "__main__":
    sys.exit(main())
