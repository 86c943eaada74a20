"""`dbswitch doctor`: look at machine and project the way an experienced colleague would, and change nothing.

Facts are collected as values (`look`), judged by pure functions (`judging`), and drawn (`text`, `as_json`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: Sequence[str]) -> int:
    """Run `dbswitch doctor` with what follows that word, and return the exit code."""
    from dbswitch.check.doctor.command import main as run

    return run(argv)
