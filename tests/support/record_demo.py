"""Run the demo and keep what it shows as the README's picture: `python -m tests.support.record_demo`."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from rich.console import Console

from dbswitch.demo import demo_run, display

PICTURE = Path(__file__).parents[2] / "docs" / "images" / "demo.svg"
WIDTH = 96  # columns; the README shows it without shrinking the text


class Recorder(display.Display):
    """Also keeps what it shows."""

    def __init__(self) -> None:
        super().__init__()
        self.console = Console(stderr=True, highlight=False, record=True, width=WIDTH, force_terminal=False)
        self.fold = True
        recorded.append(self.console)


recorded: list[Console] = []


def main() -> int:
    """Return the demo's exit code."""
    display.Display = Recorder  # type: ignore[misc]
    code = demo_run.run()
    picture = recorded[0].export_svg(title="make demo")
    # The fonts come from somebody's server; the reader's own monospace will do.
    picture = re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL).replace(
        "Fira Code", "ui-monospace, Menlo, Consolas"
    )
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_text(picture)
    return code


if __name__ == "__main__":
    sys.exit(main())
