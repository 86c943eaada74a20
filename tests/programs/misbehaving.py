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
    """Its grandchild makes a session of its own, and its parent is gone."""
    again("leave_and_linger").wait()
    serve()


def leave_and_linger() -> None:
    again("linger", start_new_session=True)


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
    subprocess.Popen(["/nowhere/bin/vim", __file__, "linger"], executable=os.path.realpath(sys.executable))
    serve()


def calls_back() -> None:
    """Starts the given program as a child in a session of its own, as a route handler does."""
    subprocess.Popen(sys.argv[2:], start_new_session=True)
    serve()


if __name__ == "__main__":
    globals()[sys.argv[1]]()
