"""Run the command line as a person or a program would: in a pipe, or on a pseudo-terminal of a given width."""

from __future__ import annotations

import codecs
import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support import forkserver

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).resolve().parents[2]
DEADLINE = 100.0  # seconds; generous, for a busy machine
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
REAL = ("-m", "dbswitch")
FAKE = ("-m", "tests.cli.fake_switch")


def environment(**changes: str) -> dict[str, str]:
    """Return a clean environment: no colour switches, no terminal size, no database of the person's own."""
    drop = ("NO_COLOR", "FORCE_COLOR", "CLICOLOR", "COLUMNS", "LINES", "DATABASE_URL", "DIRECT_URL")
    env = {key: value for key, value in os.environ.items() if key not in drop}
    return {**env, **forkserver.interpreter_settings(), "TERM": "xterm-256color", **changes}


def run(
    *argv: str,
    cwd: Path,
    program: tuple[str, ...] = REAL,
    env: Mapping[str, str] | None = None,
    stdin: str | None = "",
) -> subprocess.CompletedProcess[str]:
    """Run to the end with pipes."""
    whole = environment(**(env or {}))
    assert program[0] == "-m"
    forked = forkserver.run(program[1], argv, cwd=cwd, env=whole, stdin=stdin, timeout=DEADLINE)
    if forked is not None:
        return forked
    return subprocess.run(
        [sys.executable, *program, *argv],
        cwd=cwd,
        env=whole,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )


@dataclass
class Terminal:
    """A program on a pseudo-terminal; `seen` is all it has written."""

    process: subprocess.Popen[bytes]
    master: int
    seen: str = ""
    _decoder: codecs.IncrementalDecoder = field(  # a chunk may end within a character
        default_factory=lambda: codecs.getincrementaldecoder("utf-8")("replace")
    )

    def read(self) -> bool:
        """Take what is there; False when the program has closed the terminal."""
        ended = self.process.poll() is not None  # before the look: its last words may come during it
        ready, _, _ = select.select([self.master], [], [], 0.05)
        if not ready:
            return not ended
        try:
            chunk = os.read(self.master, 65536)
        except OSError:  # Linux answers EIO when the last writer is gone
            return False
        self.seen += self._decoder.decode(chunk)
        return bool(chunk)

    def until(self, text: str, times: int = 1) -> str:
        """Read until `text` was seen so many times."""
        limit = time.monotonic() + DEADLINE
        while self.seen.count(text) < times:
            assert time.monotonic() < limit, f"{text!r} never came; seen: {self.seen!r}"
            alive = self.read()
            assert alive or text in self.seen, f"ended without {text!r}; seen: {self.seen!r}"
        return self.seen

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def end(self) -> int:
        """Read to the end and return the exit code."""
        limit = time.monotonic() + DEADLINE
        while self.read():
            assert time.monotonic() < limit, f"did not end; seen: {self.seen!r}"
        return self.process.wait(DEADLINE)

    @property
    def text(self) -> str:
        """What was written, without escape sequences."""
        return ESCAPE.sub("", self.seen).replace("\r\n", "\n")


@contextlib.contextmanager
def terminal(
    *argv: str,
    cwd: Path,
    program: tuple[str, ...] = REAL,
    env: Mapping[str, str] | None = None,
    columns: int = 80,
) -> Iterator[Terminal]:
    """Run on a pseudo-terminal that is also the controlling one, so that Ctrl-C is a real Ctrl-C."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    # A session of its own whose first opened terminal becomes the controlling one.
    code = (
        "import os, sys\n"
        "fd = os.open(os.ttyname(0), os.O_RDWR)\n"
        "os.close(fd)\n"
        "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, *program, *argv],
        cwd=cwd,
        env=environment(**(env or {})),
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
        close_fds=True,
    )
    os.close(slave)
    try:
        yield Terminal(process, master)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.wait(DEADLINE)
        os.close(master)
