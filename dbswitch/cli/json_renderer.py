"""The renderer for programs: one JSON object per line on stdout, nothing else anywhere."""

from __future__ import annotations

import contextlib
import json
import sys
from typing import TYPE_CHECKING, Any

from dbswitch.stdout_guard import writing_to_stdout
from dbswitch.switch.events import VERSION, Outcome, Result, to_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import TextIO

    from dbswitch.cli.renderer import Answer, Failure, Line
    from dbswitch.switch.events import Event


def object_line(event: str, fields: dict[str, Any]) -> str:
    """Return one line of the wire form: `v` and `event` first."""
    return json.dumps({"v": VERSION, "event": event, **fields}, separators=(",", ":"))


class JsonRenderer:
    """Writes NDJSON. `copy`, where it is set, gets every event too (the file of a detached run)."""

    def __init__(self, *, run_id: str = "", stream: TextIO | None = None) -> None:
        self._stream = stream if stream is not None else sys.stdout
        self._run_id = run_id
        self.copy: Callable[[Event], None] | None = None
        self._reader_left = False

    def protect(self, names: Iterable[str]) -> None:
        """Do nothing: colours are for people."""

    def emit(self, event: Event) -> None:
        """Write one event. A reader that went away must not stop a switch halfway."""
        if self.copy is not None:
            # A full disk, or a name that is no text, must not stop a switch halfway.
            with contextlib.suppress(OSError, ValueError):
                self.copy(event)
        if self._reader_left:
            return
        try:
            self._write(to_line(event))
        except (OSError, ValueError):
            self._reader_left = True

    def answer(self, answer: Answer) -> None:
        """Write one object. Raises BrokenPipeError when the reader is gone."""
        with writing_to_stdout():
            self._write(object_line(answer.event, answer.fields))

    def note(self, text: str) -> None:
        """Do nothing: what programs need is in the events."""

    def failure(self, failure: Failure) -> None:
        """Write the error as the `result` that ends every run."""
        self.emit(
            Result(
                id=self._run_id,
                outcome=Outcome(failure.outcome),
                exit=failure.exit,
                target=failure.target,
                previous=None,
                mode="none",
                seconds=0.0,
                error=failure.error,
            )
        )

    def question(self, lines: Iterable[Line], prompt: str) -> str:  # noqa: ARG002  the protocol's signature
        """Refuse: a program is not asked questions."""
        raise EOFError

    def close(self) -> None:
        """Do nothing."""

    def _write(self, line: str) -> None:
        # One write per line: two writers on one file never mix within a line.
        self._stream.write(line + "\n")
        self._stream.flush()
