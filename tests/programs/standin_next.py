"""A stand-in for `next dev`, named as such: its chain, lock, port and reading of env files, without the second it takes.

`python standin_next.py dev [-p PORT]` copies itself to Next's entry point in the project and becomes `node .../next dev`,
as far as a process table tells; that one forks `next-server (vSTAND-IN)`, which holds an flock on `.next/dev/lock`, listens
and answers. What it copies from Next.js 16.4.6: one process group; only the server listens; the program ends when its
server does (with STANDIN_LINGERS it stays), and passes TERM and INT on; a chosen port that is taken ends it with
EADDRINUSE, the default one drifts upwards; a lock that stays held for a second ends it; `__NEXT_PROCESSED_ENV` makes it
read no env file; the process environment beats the files; changed files are read again, while `client` stays what it was
at the start.

Answers: `/` 200 (500 with STANDIN_PAGE_FAILS), after STANDIN_COMPILES seconds or once the file STANDIN_COMPILED is there;
Next's manifest path 200 (below STANDIN_BASE_PATH, which it writes down as Next does); `/api/db` the effective and the
client's DATABASE_URL; everything else 404.

Three interpreters start for each server, so each imports only what it needs, and none `pathlib` or `http.server`.
"""

from __future__ import annotations

import os
import sys

FILES = (".env.development.local", ".env.local", ".env.development", ".env")
LINE = r"^\s*(?:export\s+)?([\w.-]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^#\n]*))"
ENTRY = "node_modules/next/dist/bin/next"
PYTHON = "STANDIN_PYTHON"  # the interpreter's path, which a process that calls itself node cannot tell
BUILD = ".next/dev"
LOCK = f"{BUILD}/lock"
MANIFEST = "/_next/static/development/_devPagesManifest.json"


def env_files() -> dict[str, str]:
    import re

    found: dict[str, str] = {}
    for name in reversed(FILES):
        if os.path.exists(name):
            with open(name, encoding="utf-8") as file:
                text = file.read()
            for key, double, single, bare in re.findall(LINE, text, re.MULTILINE):
                found[key] = double or single or bare.strip()
    return found


def effective(ambient: dict[str, str]) -> str | None:
    if "__NEXT_PROCESSED_ENV" in ambient:
        return ambient.get("DATABASE_URL")
    return ambient.get("DATABASE_URL", env_files().get("DATABASE_URL"))


def hold_lock(port: int) -> int:
    import fcntl
    import json
    import time

    os.makedirs(BUILD, exist_ok=True)
    until = time.monotonic() + 1
    while True:
        fd = os.open(LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            os.close(fd)
            if time.monotonic() > until:
                print(
                    f"Unable to acquire lock at {LOCK}, is another instance of next dev running?", flush=True
                )
                sys.exit(1)
            time.sleep(0.01)
    os.truncate(fd, 0)
    url = f"http://localhost:{port}"
    os.write(
        fd, json.dumps({"pid": os.getpid(), "port": port, "hostname": "localhost", "appUrl": url}).encode()
    )
    return fd


def answer(path: str, ambient: dict[str, str], client: str | None) -> tuple[int, object]:
    import time

    if path == "/api/db":
        return 200, {"effective": effective(ambient), "client": client, "pid": os.getpid()}
    if path == ambient.get("STANDIN_BASE_PATH", "") + MANIFEST:
        return 200, {"pages": []}
    if path == "/":
        time.sleep(float(ambient.get("STANDIN_COMPILES", "0")))
        while "STANDIN_COMPILED" in ambient and not os.path.exists(ambient["STANDIN_COMPILED"]):
            time.sleep(0.01)
        return (500, None) if "STANDIN_PAGE_FAILS" in ambient else (200, {"pages": []})
    return 404, None


def serve(port: int, *, drift: bool) -> None:
    import contextlib
    import errno
    import json
    import socket
    import threading

    ambient = dict(os.environ)
    client = effective(ambient)
    while True:
        try:
            listener = socket.create_server(
                ("::", port), family=socket.AF_INET6, backlog=64, dualstack_ipv6=True
            )
            break
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            if not drift:
                print(
                    f"Failed to start server\nError: listen EADDRINUSE: address already in use :::{port}",
                    flush=True,
                )
                sys.exit(1)
            print(f"Port {port} is in use, using {port + 1} instead.", flush=True)
            port += 1
    hold_lock(port)
    if base_path := os.environ.get("STANDIN_BASE_PATH"):
        with open(f"{BUILD}/routes-manifest.json", "w", encoding="utf-8") as file:
            file.write(json.dumps({"basePath": base_path}))
    print(f"- Local: http://localhost:{port}\nReady", flush=True)

    def attend(connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            request = b""
            while b"\r\n\r\n" not in request:
                part = connection.recv(65536)
                if not part:
                    return
                request += part
            path = request.split(b" ", 2)[1].decode().partition("?")[0]
            status, value = answer(path, ambient, client)
            body = json.dumps(value).encode()
            head = f"HTTP/1.0 {status} Stand-in\r\nContent-Length: {len(body)}\r\n\r\n"
            connection.sendall(head.encode() + body)

    while True:
        connection, _ = listener.accept()
        threading.Thread(target=attend, args=(connection,), daemon=True).start()


def become_next(arguments: list[str]) -> None:
    """Run as Next's own program. An argv[0] that exists would make Python look for its library beside that."""
    os.makedirs(os.path.dirname(ENTRY), exist_ok=True)
    unfinished = f"{ENTRY}.{os.getpid()}"
    with open(__file__, "rb") as source, open(unfinished, "wb") as copy:
        copy.write(source.read())
    os.replace(unfinished, ENTRY)
    python = os.path.realpath(sys.executable)
    os.execve(python, ["/nowhere/bin/node", ENTRY, *arguments], {**os.environ, PYTHON: python})


def dev(port: int | None) -> None:
    import signal

    chosen = port or (int(os.environ["PORT"]) if "PORT" in os.environ else None)
    argv = ["next-server (vSTAND-IN)", __file__, "serve", str(chosen or 3000), "" if chosen else "drift"]
    child = os.fork()
    if child == 0:
        os.execve(
            os.environ[PYTHON], argv, {**os.environ, "NEXT_PRIVATE_WORKER": "1", "NODE_ENV": "development"}
        )

    def pass_on(number: int, _frame: object) -> None:
        os.kill(child, number)

    signal.signal(signal.SIGTERM, pass_on)
    signal.signal(signal.SIGINT, pass_on)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    while "STANDIN_LINGERS" in os.environ:
        signal.pause()
    sys.exit(max(status, 0))


if __name__ == "__main__":
    if not __file__.endswith(ENTRY):
        become_next(sys.argv[1:])
    if sys.argv[1] == "serve":
        serve(int(sys.argv[2]), drift=sys.argv[3] == "drift")
    else:
        dev(int(sys.argv[3]) if "-p" in sys.argv else None)
