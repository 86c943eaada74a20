"""The program: `dbswitch ...` and `python -m dbswitch ...`."""

from __future__ import annotations

import gc
import sys
from typing import TYPE_CHECKING

from dbswitch.cli import app

if TYPE_CHECKING:
    from collections.abc import Sequence

# Collecting the objects of imported modules again and again costs a tenth of the start.
_GARBAGE_AFTER = 100_000  # objects made and not freed


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line, by default this process's own, and return its exit code."""
    if sys.platform == "win32":
        sys.stderr.write("dbswitch needs Linux or macOS; on Windows run it (and the app) inside WSL\n")
        return 2
    if argv is not None:
        return app.run(argv)
    gc.set_threshold(_GARBAGE_AFTER)
    code = app.run(sys.argv[1:])
    gc.freeze()  # the process ends: freeing its memory object by object takes 20 ms
    return code


if __name__ == "__main__":
    sys.exit(main())
