"""The renderer for programs: one JSON object per line on stdout."""

from __future__ import annotations

import contextlib
import json
import sys
from typing import TYPE_CHECKING, Any

from dbswitch.cli.renderer import CommandFailure, CommandOutput, Renderer
from dbswitch.stdout_guard import writing_to_stdout
from dbswitch.switch.events import VERSION, Outcome, Result, to_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from dbswitch.switch.events import Event


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

    def answer(self, answer: CommandOutput) -> None:
        """Write one object. Raises BrokenPipeError."""
        with writing_to_stdout():
            write_line(object_line(answer.event, answer.fields))

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
