"""Switch a pool and end by SIGKILL at the event of a given number: `killed_child ROOT POOL TARGET NUMBER`."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from dbswitch.project.discovery import load
from dbswitch.switch import run
from dbswitch.switch.events import to_wire
from dbswitch.switch.session import Request


def main(root: str, pool: str, target: str, number: str) -> int:
    seen: list[Any] = []

    def emit(event: Any) -> None:
        seen.append(event)
        if len(seen) == int(number):
            print(getattr(event, "phase", to_wire(event)["event"]), getattr(event, "state", ""), flush=True)
            os.kill(os.getpid(), signal.SIGKILL)

    request = Request(target, "killed", confirm=target, ambient=dict(os.environ), pool=pool)
    return int(run.switch(load(Path(root)), request, emit).exit)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
