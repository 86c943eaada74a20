"""The three standard streams at the beginning and at the end of the program."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def complete() -> None:
    """Replace a stream that the caller closed (`>&-`); what cannot be encoded is escaped instead of failing."""
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            mode = "r" if name == "stdin" else "w"
            null = Path(os.devnull).open(mode, encoding="utf-8")  # noqa: SIM115  it stays open like any stdout
            setattr(sys, name, null)
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def flush() -> None:
    """Write what is left; a reader that went away is no error at the very end."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        silence_stdout()


def silence_stdout() -> None:
    """Send the rest of stdout nowhere, so that the interpreter's last flush has nothing to complain about."""
    null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.dup2(null, 1)
    finally:
        os.close(null)
