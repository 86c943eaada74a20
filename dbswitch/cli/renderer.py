"""What commands print to: the interface of the renderers, and the one for programs (one JSON object per line on stdout)."""

from __future__ import annotations

import contextlib
import json
import sys
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from dbswitch.stdout_guard import writing_to_stdout
from dbswitch.switch.events import VERSION, Outcome, Result, to_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from dbswitch.switch.events import ErrorInfo, Event


class CommandFailure(Struct, frozen=True):
    """An error that ends the command."""

    error: ErrorInfo
    exit: int
    outcome: str


class Renderer:
    """Prints nothing. A reader that closed its end never stops a running switch."""

    def protect(self, names: Iterable[str]) -> None:
        """Set which targets are protected."""

    def emit(self, event: Event) -> None:
        """Print one event of a run."""

    def answer(self, event: str, fields: dict[str, Any], lines: Iterable[str]) -> None:
        """Print the result of a command on stdout: `fields` for programs, `lines` for people. Raises BrokenPipeError."""

    def note(self, text: str) -> None:
        """Print a remark, for people only."""

    def failure(self, failure: CommandFailure) -> None:
        """Print an error."""

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
        self._run_id = run_id
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

    def failure(self, failure: CommandFailure) -> None:
        """Write the error as the `result` that ends every run."""
        self.emit(
            Result(
                id=self._run_id,
                outcome=Outcome(failure.outcome),
                exit=failure.exit,
                target="",
                previous=None,
                mode="none",
                seconds=0.0,
                error=failure.error,
            )
        )


def write_line(line: str) -> None:
    """Write a line to stdout in one write, so that two writers to one file never mix within a line. Raises OSError."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
