"""Alternate between two targets in one process and print, as JSON, what that process holds before and after."""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from dbswitch.project.discovery import discover
from dbswitch.switch import history, run
from dbswitch.switch.events import Result
from dbswitch.switch.session import Request

if TYPE_CHECKING:
    from dbswitch.switch.events import Event


def descriptors() -> int:
    gc.collect()  # a run's parts refer to each other
    return len(list(Path("/dev/fd").iterdir()))


def main(rounds: int, confirm: str) -> None:
    outcomes: dict[str, int] = {}
    before = -1
    for number in range(rounds):
        target = ("prod", "local")[number % 2]
        project = discover(Path.cwd())
        request = Request(target=target, run_id=history.new_id(), confirm=confirm, ambient=dict(os.environ))
        failed: list[str] = []

        def emit(event: Event, failed: list[str] = failed) -> None:
            if isinstance(event, Result) and event.error is not None:
                failed.append(event.error.what)

        result = run.switch(project, request, emit)
        outcomes[result.outcome] = outcomes.get(result.outcome, 0) + 1
        if failed:
            print(json.dumps({"failed": failed, "at": number}), file=sys.stderr)
        if number == 1:  # after both ways: everything that is loaded once is loaded
            before = descriptors()
    until = time.monotonic() + 60  # a request that was given up ends in its own thread
    while descriptors() > before and time.monotonic() < until:
        time.sleep(0.05)
    print(json.dumps({"outcomes": outcomes, "before": before, "after": descriptors()}))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
