"""How many of the costly programs this process started; `figures` prints the sum of all workers."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

_CLI = frozenset({("-m", "dbswitch"), ("-m", "tests.cli.fake_switch")})
started: Counter[str] = Counter()


def count_program(event: str, arguments: tuple[Any, ...]) -> None:
    """Count a program that `subprocess` starts, as an audit hook."""
    if event != "subprocess.Popen":
        return
    command = arguments[1]
    words = [str(word) for word in command] if isinstance(command, list | tuple) else [str(command)]
    if words[0] == "strace":
        started["attaches of strace"] += 1
    elif words[0].endswith("/bin/dbswitch") or not _CLI.isdisjoint(pairwise(words)):
        started["CLI processes"] += 1
