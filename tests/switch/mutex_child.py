"""A process that wants the lock: `python mutex_child.py STATE TARGET DEADLINE MODE`, and says what happens on stdout.

MODE: `hold` until a line comes in; `work` begins at a line, looks at a safe point, says
that it changes something, and ends at the next line; `spawn` holds with
another program as a child that lives on; `ask` only asks, and does not try the lock.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from dbswitch.errors import BusyError, OvertakenError
from dbswitch.switch import project_lock


def say(*words):
    print(*words, flush=True)


def main():
    state, target, deadline, mode = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3]), sys.argv[4]
    say("ready")
    if mode == "work":
        sys.stdin.readline()
    if mode == "ask":
        with project_lock._opened(state / "requests") as requests:
            project_lock.Lease(requests, target)
            say("asked")
            sys.stdin.readline()
        return
    try:
        with project_lock.acquire(
            state,
            target=target,
            deadline=deadline,
            on_wait=lambda holder: say("waits", holder.pid, holder.target),
        ) as lease:
            say("holds")
            match mode:
                case "hold":
                    for line in sys.stdin:
                        if line == "check\n":
                            lease.check()
                            say("goes on")
                        else:
                            break
                case "work":
                    lease.check()
                    say("changes", target)
                    with (state / "changes").open("a") as stream:
                        stream.write(f"{target}\n")
                    sys.stdin.readline()
                case "spawn":
                    child = subprocess.Popen(["sleep", "600"], close_fds=False)
                    say("child", child.pid)
                    sys.stdin.readline()
        say("done")
    except OvertakenError as error:
        say("overtaken", *error.facts)
    except BusyError as error:
        say("busy", *error.facts)


main()
