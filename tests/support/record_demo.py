"""Run the demo and keep what it shows as the README's picture: `python -m tests.support.record_demo`."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

PICTURE = Path(__file__).parents[2] / "docs" / "images" / "demo.svg"
WIDTH = 96  # columns; the README shows it without shrinking the text
# A pipe gets no colours; these are the ones of a terminal.
STYLES = {
    r"^✓": "green",
    r"^(dbswitch demo|\$ .*|.*Done\.)": "bold",
    r"confirmed by the app|Done": "green",
    r" \d+\.\d s( \(.*)?$": "dim",
    r"^ +GET .*": "dim",
}


def main() -> int:
    """Return the demo's exit code."""
    with subprocess.Popen(
        [sys.executable, "-m", "dbswitch", "demo"],
        env={**os.environ, "COLUMNS": str(WIDTH), "PYTHONUTF8": "1"},
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, highlight=False)
        for line in process.stderr:
            sys.stderr.write(line)
            text = Text(line.rstrip("\n"))
            for pattern, style in STYLES.items():
                text.highlight_regex(pattern, style)
            console.print(text)
    picture = console.export_svg(title="make demo")
    # The fonts come from somebody's server; the reader's own monospace will do.
    picture = re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL).replace(
        "Fira Code", "ui-monospace, Menlo, Consolas"
    )
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_text(picture)
    return process.returncode


if __name__ == "__main__":
    sys.exit(main())
