# A script that finds its modules first.
# ruff: noqa: E402, PTH120, PTH123
"""The subject of the crash sweep: forks one child for each request, which performs one transaction (or recovery).

Started as `python -S -E crash_child.py SOURCES PACKAGES`. A request is a JSON line [folder, scenario, action]; the answer is the
child's pid, once the child has prepared everything. The child then waits for USR1, so that a tracer can attach first; when it
has ended, a second line says [exit status or minus the signal, what it printed]. With an action `...:N` the child kills
itself before its N-th effect, which needs no tracer.
"""

import contextlib
import ctypes
import errno
import json
import os
import signal
import sys

sys.path[:0] = [sys.argv[1], os.path.dirname(__file__)]
sys.path.append(sys.argv[2])  # what an environment has installed; without the rest of `site`

from pathlib import Path

from crash_scenarios import changes, count_effects

from dbswitch.envfiles import atomic_replace
from dbswitch.envfiles.transaction import apply, recover
from dbswitch.errors import DbswitchError, RollbackFailedError

PR_SET_PTRACER = 0x59616D61


def fail_last_file(count):
    """Let the last file of the transaction be refused, so that all others are put back."""
    replace, calls = atomic_replace.replace, []

    def refusing(*args):
        calls.append(args)
        if len(calls) == count:
            raise OSError(errno.EIO, "refused by the test")
        replace(*args)

    atomic_replace.replace = refusing


def child(folder, scenario, action):
    with contextlib.suppress(Exception):  # where Yama lets only a parent trace
        ctypes.CDLL(None).prctl(PR_SET_PTRACER, ctypes.c_ulong(-1), 0, 0, 0)
    journal = folder / "state" / "journal"
    atomic_replace._renameat2()  # looking the function up is not part of the transaction
    if scenario == "portable":
        atomic_replace.exchange = lambda *_names: False
    action, _, number = action.partition(":")
    tell = os.write  # not one of the counted effects
    if number:
        count_effects(lambda count: count == int(number) and os.kill(os.getpid(), signal.SIGKILL))
    planned = changes(scenario, folder)
    text, status = "", 0
    # Ready: a tracer must not see the calls above, since it would count them in some runs only.
    tell(1, b"\n")
    signal.sigwait({signal.SIGUSR1})
    try:
        if action == "recover":
            recover(journal)
        else:
            if action == "fail":
                fail_last_file(len(planned))
            apply(planned, journal)
    except DbswitchError as error:
        # Two statuses, since a call that always fails may be the one that tells.
        status = 8 if isinstance(error, RollbackFailedError) else 7
        text = f"{type(error).__name__}: {error.what} {error.facts}"
    except BaseException as error:  # noqa: BLE001 - told to the sweep, which fails
        text, status = f"BUG {error!r}", 9
    with contextlib.suppress(OSError):
        os.access("/END-OF-THE-SUBJECT", os.F_OK)
    with contextlib.suppress(OSError):
        os.write(1, text.encode())
    os._exit(status)


def main():
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    for line in sys.stdin:
        folder, scenario, action = json.loads(line)
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reader)
            os.dup2(writer, 1)
            child(Path(folder), scenario, action)
        os.close(writer)
        with open(reader, "rb") as stream:
            stream.readline()
            print(pid, flush=True)
            text = stream.read().decode()
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        print(json.dumps([status, text]), flush=True)


main()
