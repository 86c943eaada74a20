"""Run `python -m dbswitch` in a fork of a process that has already imported it: a start takes 10 ms instead of 200.

Arguments, environment, working directory, streams and exit code are as in a new process. The process table shows the
server's command line and environment, so tests about processes and signals start real programs.

`python -m tests.support.forkserver SOCKET` is the server. It ends when its stdin is closed.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import pkgutil
import random
import runpy
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support.started import started

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT = Path(__file__).resolve().parents[2]
# Read when an interpreter starts; with others than the server's, a new process is needed.
_AT_START = ("PYTHON", "LC_", "LANG", "LD_", "DYLD_", "SSL_")
_LENGTH = 8


def _at_start(environment: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in environment.items() if key.startswith(_AT_START)}


def interpreter_settings() -> dict[str, str]:
    """Return the variables that every environment has whose program the server can run."""
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    return {"PYTHONPATH": path, "PYTHONUTF8": "1"}


# Of the whole process: the test that happens to be the first to need the server may have changed its own.
_OWN = _at_start(os.environ) | interpreter_settings()


class ForkServer:
    """The server, as its client sees it."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="dbswitch-fork-"))
        self._address = str(self._folder / "socket")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.forkserver", self._address],
            cwd=ROOT,
            # No variable by which a test finds its own processes.
            env={key: value for key, value in os.environ.items() if not key.startswith(_AT_START)} | _OWN,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"ready\n"

    def run(
        self,
        module: str,
        argv: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        stdin: str | None,
        timeout: float,
    ) -> subprocess.CompletedProcess[str]:
        """Do as `subprocess.run([python, "-m", module, *argv], capture_output=True, text=True, ...)`."""
        request = json.dumps(
            {"module": module, "argv": list(argv), "cwd": str(cwd), "env": dict(env)}
        ).encode()
        until = time.monotonic() + timeout
        with contextlib.ExitStack() as stack, socket.socket(socket.AF_UNIX) as connection:
            pipes = [os.pipe() for _ in range(3)]
            ends = [
                stack.enter_context(os.fdopen(fd, mode, 0))
                for fd, mode in zip((pipes[0][1], pipes[1][0], pipes[2][0]), ("wb", "rb", "rb"), strict=True)
            ]
            theirs = [pipes[0][0], pipes[1][1], pipes[2][1]]
            try:
                connection.connect(self._address)
                socket.send_fds(connection, [len(request).to_bytes(_LENGTH)], theirs)
            finally:
                for fd in theirs:
                    os.close(fd)
            connection.sendall(request)
            with contextlib.suppress(BrokenPipeError):
                ends[0].write((stdin or "").encode())
            ends[0].close()
            got = _read_all([ends[1], ends[2], connection.makefile("rb", 0)], until)
        if got is None:
            self.close()  # with it, what it runs
            raise subprocess.TimeoutExpired([module, *argv], timeout)
        out, err, status = got
        text = [part.decode().replace("\r\n", "\n") for part in (out, err)]
        return subprocess.CompletedProcess([module, *argv], int(status), *text)

    def close(self) -> None:
        import psutil

        from tests.support.processes import end

        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(psutil.NoSuchProcess):
            end(psutil.Process(self._process.pid).children(recursive=True))
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()
        shutil.rmtree(self._folder)
        if _servers.get(os.getpid()) is self:
            del _servers[os.getpid()]


_servers: dict[int, ForkServer] = {}
_lock = threading.Lock()


def run(
    module: str, argv: Sequence[str], *, env: Mapping[str, str], **options: Any
) -> subprocess.CompletedProcess[str] | None:
    """Run in this process's server; None where the environment asks for an interpreter of its own."""
    if _at_start(env) != _OWN:
        return None
    with _lock:
        server = _servers.get(os.getpid())
        if server is None:
            server = _servers[os.getpid()] = ForkServer()
        started["forks of the CLI"] += 1
    return server.run(module, argv, env=env, **options)


def close() -> None:
    for server in list(_servers.values()):
        server.close()


def _read_all(streams: Sequence[Any], until: float) -> list[bytes] | None:
    """Read each stream to its end; None when that takes longer."""
    found = dict.fromkeys(streams, b"")
    with selectors.DefaultSelector() as selector:
        for stream in streams:
            selector.register(stream, selectors.EVENT_READ)
        while selector.get_map():
            ready = selector.select(max(0.0, until - time.monotonic()))
            if not ready:
                return None
            for key, _ in ready:
                part = os.read(key.fd, 1 << 16)
                found[key.fileobj] += part
                if not part:
                    selector.unregister(key.fileobj)
    return list(found.values())


# The server


def _serve(address: str) -> None:
    import dbswitch

    for found in pkgutil.walk_packages(dbswitch.__path__, "dbswitch."):
        if not found.name.endswith("__main__"):
            importlib.import_module(found.name)
    for name in ("psycopg", "rich.console", "rich.table", "psutil", "typer", "dotenv"):
        importlib.import_module(name)
    # A collection in a fork writes to every page that it shares with this process: 40 ms for each command.
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # attendants are not waited for
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen(64)
        print("ready", flush=True)
        with selectors.DefaultSelector() as selector:
            selector.register(listener, selectors.EVENT_READ)
            selector.register(0, selectors.EVENT_READ)
            while all(key.fd != 0 for key, _ in selector.select()):
                connection, _ = listener.accept()
                if os.fork() == 0:
                    selector.close()
                    listener.close()
                    _attend(connection)
                connection.close()


def _attend(connection: socket.socket) -> None:
    """Fork once more, to say how that process ended; go on in it."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    head, fds, _, _ = socket.recv_fds(connection, _LENGTH, 3)
    with connection.makefile("rb") as stream:
        request = json.loads(stream.read(int.from_bytes(head)))
    if child := os.fork():
        for fd in fds:
            os.close(fd)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        with contextlib.suppress(OSError):
            connection.sendall(str(status).encode())
        os._exit(0)
    connection.close()
    for target, fd in enumerate(fds):
        os.dup2(fd, target)
        os.close(fd)
    _become(request)


def _opened(fd: int, former: Any) -> Any:
    """Open a stream as the interpreter opened `former`; what the file can do may differ."""
    mode = "w" if fd else "r"
    stream: Any = open(fd, mode, encoding=former.encoding, errors=former.errors, closefd=False)  # noqa: SIM115
    if fd:
        stream.reconfigure(line_buffering=former.line_buffering, write_through=former.write_through)
    return stream


def _become(request: dict[str, Any]) -> None:
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    time.tzset()
    random.seed()
    for fd, name in enumerate(("stdin", "stdout", "stderr")):
        stream = _opened(fd, getattr(sys, name))
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    program = [sys.executable, "-m", request["module"], *request["argv"]]
    sys.orig_argv[:] = program
    sys.argv[:] = program[2:]
    sys.path[0] = request["cwd"]
    try:
        runpy.run_module(request["module"], run_name="__main__", alter_sys=True)
        code: object = 0
    except SystemExit as end:
        code = end.code
    except BaseException:  # noqa: BLE001  as the interpreter does
        sys.excepthook(*sys.exc_info())
        code = 1
    with contextlib.suppress(OSError):
        sys.stdout.flush()
    with contextlib.suppress(OSError):
        sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 0 if code is None else 1)


if __name__ == "__main__":
    _serve(sys.argv[1])
