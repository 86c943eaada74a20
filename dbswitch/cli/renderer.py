"""What commands print to: the interface of the renderers, and the one for programs (one JSON object per line on stdout)."""

from __future__ import annotations

import contextlib
import json
import sys
from typing import TYPE_CHECKING, Any

from dbswitch.stdout_guard import writing_to_stdout
from dbswitch.switch.events import VERSION, to_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from dbswitch.switch.events import Event


class Renderer:
    """Prints nothing. A reader that closed its end never stops a running switch."""

    run_id = ""  # of the run that a command was told to carry out

    def protect(self, names: Iterable[str]) -> None:
        """Set which targets are protected."""

    def emit(self, event: Event) -> None:
        """Print one event of a run; the result of a failed one is how every error is shown."""

    def answer(self, event: str, fields: dict[str, Any], lines: Iterable[str]) -> None:
        """Print the result of a command on stdout: `fields` for programs, `lines` for people. Raises BrokenPipeError."""

    def note(self, text: str) -> None:
        """Print a remark, for people only."""

    def question(self, lines: Iterable[str], prompt: str) -> str:  # noqa: ARG002  for subclasses
        """Ask on the terminal and return the answer without its line end. Raises EOFError when the input ends."""
        raise EOFError

    def close(self) -> None:
        """Remove the live line."""


def object_line(event: str, fields: dict[str, Any]) -> str:
    """Return one line of the wire form: `v` and `event` first."""
    return json.dumps({"v": VERSION, "event": event, **fields}, separators=(",", ":"))


class JsonRenderer(Renderer):
    """Writes NDJSON. `copy`, where it is set, gets every event too (the file of a detached run)."""

    def __init__(self, *, run_id: str = "") -> None:
        self.run_id = run_id
        self.copy: Callable[[Event], None] | None = None
        self._reader_left = False

    def emit(self, event: Event) -> None:
        """Write one event."""
        if self.copy is not None:
            # ENOSPC, or a name that is not text, must not stop a switch halfway.
            with contextlib.suppress(OSError, ValueError):
                self.copy(event)
        if not self._reader_left:
            try:
                write_line(to_line(event))
            except (OSError, ValueError):
                self._reader_left = True

    def answer(self, event: str, fields: dict[str, Any], lines: Iterable[str]) -> None:  # noqa: ARG002  for people
        """Write one object. Raises BrokenPipeError."""
        with writing_to_stdout():
            write_line(object_line(event, fields))


def write_line(line: str) -> None:
    """Write a line to stdout in one write, so that two writers to one file never mix within a line. Raises OSError."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
