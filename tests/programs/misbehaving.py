"""Dev servers that misbehave: `python misbehaving.py BEHAVIOUR`, listening on the port in the variable PORT.

Only the standard library, so that a start takes a tenth of a second.
"""

from __future__ import annotations

import http.server
import os
import signal
import socket
import subprocess
import sys
import time
from typing import NoReturn

PORT = int(os.environ.get("PORT", "0"))


class Page(http.server.BaseHTTPRequestHandler):
    status = 200

    def do_GET(self) -> None:
        body = f"{os.getpid()}\n".encode()
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        pass


def serve(status: int = 200) -> NoReturn:
    Page.status = status
    http.server.ThreadingHTTPServer.allow_reuse_address = True
    http.server.ThreadingHTTPServer(("127.0.0.1", PORT), Page).serve_forever()
    raise AssertionError


def linger() -> NoReturn:
    while True:
        signal.pause()


def again(behaviour: str, **options: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, __file__, behaviour], **options)  # type: ignore[call-overload]


def again_as(name: str, behaviour: str, *more: str, **options: object) -> subprocess.Popen[bytes]:
    """Start this program under another name; an argv[0] that exists would make Python look for its library beside it."""
    argv = [f"/nowhere/bin/{name}", __file__, behaviour, *more]
    return subprocess.Popen(argv, executable=os.path.realpath(sys.executable), **options)  # type: ignore[call-overload]


def well() -> None:
    """The control: nothing wrong with it."""
    serve()


def ignores_term() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    serve()


def stops_itself() -> None:
    """Suspended, as by Ctrl-Z, right after it began to listen."""
    with socket.create_server(("127.0.0.1", PORT)):
        os.kill(os.getpid(), signal.SIGSTOP)
        linger()


def grandchild_leaves() -> None:
    """Its grandchild, a Node.js program, makes a session of its own, and its parent is gone."""
    again("leave_and_linger").wait()
    serve()


def leave_and_linger() -> None:
    again_as("node", "linger", start_new_session=True)


def daemonizes() -> None:
    """Forks twice and ends: the server lives on as a child of process 1."""
    if os.fork():
        os._exit(0)
    os.setsid()
    if os.fork():
        os._exit(0)
    serve()


def port_in_child() -> None:
    """The child listens and outlives TERM to its parent."""
    again("well")
    linger()


def dies() -> None:
    print("first line of trouble")
    print("Error: no such table at postgresql://ann:secret@db.example/shop", flush=True)
    sys.exit(3)


def dies_later() -> None:
    """Accepts a connection, then dies without an answer."""
    with socket.create_server(("127.0.0.1", PORT)) as listening:
        listening.accept()
        print("fatal after the first connection", flush=True)
        os._exit(4)


def hangs() -> None:
    """Listens and never answers."""
    with socket.create_server(("127.0.0.1", PORT)):
        linger()


def not_found() -> None:
    serve(404)


def fails() -> None:
    serve(500)


def respawns() -> None:
    """Ignores TERM and starts its child again whenever that ends."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        again("well").wait()
        time.sleep(0.01)


def hides() -> None:
    """A helper without our environment, in another session: nothing proves that it is ours. It keeps the port."""
    if os.fork() == 0:
        os.setsid()
        if os.fork():
            os._exit(0)
        os.execve(sys.executable, [sys.executable, __file__, "well"], {"PORT": str(PORT)})
    linger()


def opens_editor() -> None:
    """Starts the person's editor, as Next's error page does; it inherits the marker."""
    again_as("vim", "linger")
    serve()


def opens_terminal() -> None:
    """Starts an editor with a shell in a session of its own, in which Node.js runs in this folder and in another."""
    again_as("vim", "edit", os.path.realpath(sys.executable))  # which a process of another name cannot tell
    serve()


def edit() -> None:
    job = f"exec -a /nowhere/bin/node {sys.argv[2]} {__file__} linger"
    with subprocess.Popen(["bash"], stdin=subprocess.PIPE, start_new_session=True) as shell:
        assert shell.stdin is not None
        shell.stdin.write(f"({job}) &\n(cd / && {job}) &\n".encode())
        shell.stdin.flush()
        linger()


def launches() -> None:
    """Starts a program in a session of its own, and a database that leaves with a double fork."""
    again_as("sleep", "linger", start_new_session=True)
    again("start_database").wait()
    serve()


def start_database() -> None:
    again_as("postgres", "linger", start_new_session=True)


def runs_packages() -> None:
    """What `pnpm -r --parallel run dev` does (pnpm 9): given `FOLDER COMMAND` pairs, each through `sh -c`.

    A child that fails ends all; one that a signal ends makes pnpm end itself with the same signal.
    """
    pairs = list(zip(sys.argv[2::2], sys.argv[3::2], strict=True))
    children = [subprocess.Popen(["sh", "-c", f"{command}\n:"], cwd=folder) for folder, command in pairs]
    while children:
        pid, status = os.wait()
        children = [child for child in children if child.pid != pid]
        if os.WIFSIGNALED(status):
            os.kill(os.getpid(), os.WTERMSIG(status))
        if os.waitstatus_to_exitcode(status):
            for child in children:
                child.kill()
            sys.exit(1)


def calls_back() -> None:
    """Starts the given program as a child in a session of its own, as a route handler does."""
    subprocess.Popen(sys.argv[2:], start_new_session=True)
    serve()


if __name__ == "__main__":
    globals()[sys.argv[1]]()
