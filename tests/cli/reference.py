"""The help texts as the documentation shows them. `python -m tests.cli.reference` writes them into it."""

from __future__ import annotations

import re
import sys

from tests.cli import running

PAGE = running.ROOT / "docs" / "reference" / "commands.md"
WIDTH = "90"
BLOCK = re.compile(r"```text\n\$ dbswitch (?P<line>[^\n]*)\n(?P<help>.*?)```\n", re.DOTALL)


def help_text(line: str) -> str:
    """Return what `dbswitch LINE` prints in a terminal of a fixed width."""
    done = running.run(*line.split(), cwd=running.ROOT, env={"COLUMNS": WIDTH})
    assert done.returncode == 0, done.stderr
    return "\n".join(row.rstrip() for row in done.stdout.strip("\n").splitlines()) + "\n"


def main() -> int:
    page = PAGE.read_text(encoding="utf-8")
    fresh = BLOCK.sub(
        lambda block: f"```text\n$ dbswitch {block['line']}\n{help_text(block['line'])}```\n", page
    )
    PAGE.write_text(fresh, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
