"""What commands print to: for people text on stderr and results on stdout, for programs one JSON object per line on stdout."""
# Colours and a live line only on a terminal: rich takes 60 ms to import.

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any, TextIO, assert_never

from dbswitch.cli import messages
from dbswitch.redaction import printable
from dbswitch.stdout_guard import writing_to_stdout
from dbswitch.switch import events
from dbswitch.switch.events import Event

REPEAT_AFTER = 10.0  # seconds between two lines about the same wait, where there is no live line
_LABELS = "active|app|env files|files|fix|lines|next|note|poolers?|running|server|targets|until|variables|why"
_STYLES = {  # pattern in a line: style of rich
    r"^(- |… |keep |current ).*": "dim",
    rf"^ *({_LABELS}): ": "dim",
    r" \d[\d.]*( min \d+)? s( \(.*\))?$": "dim",
    r"^✓|confirmed (by the app|through the pool)|\(in use\)|^\* |^(write|edit|written) ": "green",
    r"^ *warning: |^remove |could not confirm it.*?\.": "yellow",
    r"^error: .*": "bold",
    r"^✗|^error: |but the app answers from another database": "bold red",
}


class Renderer:
    """Prints nothing. A reader that closed its end never stops a running switch."""

    run_id = ""  # of the run that a command was told to carry out
    copy: Callable[[Event], None] | None = None  # gets every event too, of JSON (the file of a detached run)

    def protect(self, names: Iterable[str]) -> None:
        """Set which targets are protected: their names are red."""

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
    return json.dumps({"v": events.VERSION, "event": event, **fields}, separators=(",", ":"))


def renderer_of(*, json: bool, quiet: bool = False, verbose: bool = False, run_id: str = "") -> Renderer:
    """Return the renderer that these flags ask for."""
    return _JsonRenderer(run_id) if json else _TextRenderer(quiet=quiet, verbose=verbose)


class _JsonRenderer(Renderer):
    """Writes NDJSON."""

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        self._reader_left = False

    def emit(self, event: Event) -> None:
        if self.copy is not None:
            # ENOSPC, or a name that is not text, must not stop a switch halfway.
            with contextlib.suppress(OSError, ValueError):
                self.copy(event)
        if not self._reader_left:
            try:
                write_line(events.to_line(event))
            except (OSError, ValueError):
                self._reader_left = True

    def answer(self, event: str, fields: dict[str, Any], lines: Iterable[str]) -> None:  # noqa: ARG002  for people
        with writing_to_stdout():
            write_line(object_line(event, fields))


def write_line(line: str) -> None:
    """Write a line to stdout in one write, so that two writers to one file never mix within a line. Raises OSError."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def is_terminal(stream: TextIO) -> bool:
    """Return whether `stream` is a terminal that can move its cursor."""
    return stream.isatty() and os.environ.get("TERM", "") not in {"dumb", "unknown"}


def _message_lines(text: str) -> str:
    """Return `text` without control characters other than line ends."""
    # A second line of a message is indented, so that foreign text cannot pass for a line of dbswitch.
    return "\n    ".join(map(printable, text.split("\n")))


class _TextRenderer(Renderer):
    """Prints what `messages` says."""

    def __init__(self, *, quiet: bool, verbose: bool) -> None:
        self._quiet = quiet
        self._verbose = verbose
        self._styles = _STYLES
        self._target = ""
        self._planned: events.Planned | None = None
        self._notices: list[events.Notice] = []
        self._waited: tuple[str, float] = ("", 0.0)
        self._live: Any = None
        self._current: _CurrentPhase | None = None

    def protect(self, names: Iterable[str]) -> None:
        if words := "|".join(map(re.escape, names)):
            self._styles = {**_STYLES, rf"(?<![\w.-])({words})(?![\w.-])": "bold red"}

    def emit(self, event: Event) -> None:
        with contextlib.suppress(OSError, ValueError):  # a closed terminal must not stop a switch halfway
            self._show(event)

    def _show(self, event: Event) -> None:
        match event:
            case events.Started(target=target):
                self._target = target
            case events.Planned():
                self._planned = event
                if self._verbose:
                    self._say(*messages.plan_lines(event, self._target, dry=False))
            case events.PhaseChanged(phase=phase, state=events.PhaseState.STARTED):
                self._waited = ("", 0.0)
                self._begin(messages.DOING[phase])
            case events.PhaseChanged():
                # Without a line of its own, the live one stays for the next phase: quick ones must not flicker.
                if (line := messages.phase_line(event, verbose=self._verbose)) is not None:
                    self.close()
                    self._say(line)
            case events.Waiting():
                self._wait(event)
            case events.Notice(code="stop", text=text) if not self._verbose:
                if self._current is not None:
                    self._current.reason = text
            case events.Notice(code=code, text=text, level=level):
                self._notices.append(event)
                if code not in messages.IN_VERDICT:
                    self._say(f"{'warning' if level == 'warning' else 'note'}: {text}")
            case events.Result():
                self.close()
                if self._planned is not None and event.outcome is events.Outcome.PLANNED:
                    self._print(*messages.plan_lines(self._planned, event.target, dry=True))
                self._print(*messages.verdict(event, self._notices))
            case _:
                assert_never(event)

    def _wait(self, event: events.Waiting) -> None:
        label = messages.DOING[event.phase]
        if event.phase is events.Phase.PROBE and self._planned is not None:
            label += " (nothing changed yet)"
        if self._current is not None:
            self._current.label, self._current.reason = label, event.reason
            return
        said, at = self._waited
        text = f"… {label}: {event.reason}"
        if said != text or time.monotonic() - at >= REPEAT_AFTER:
            self._waited = (text, time.monotonic())
            self._say(text)

    def answer(self, event: str, fields: dict[str, Any], lines: Iterable[str]) -> None:  # noqa: ARG002  for programs
        self.close()
        with writing_to_stdout():
            self._write(sys.stdout, lines)

    def note(self, text: str) -> None:
        self._say(text)

    def question(self, lines: Iterable[str], prompt: str) -> str:
        self.close()
        self._print(*lines)
        sys.stderr.write(prompt)
        sys.stderr.flush()
        typed = sys.stdin.readline()
        if not typed:
            raise EOFError
        return typed.rstrip("\r\n")

    def close(self) -> None:
        live, self._live, self._current = self._live, None, None
        if live is not None:
            with contextlib.suppress(OSError, ValueError):
                live.stop()

    def _say(self, *lines: str) -> None:
        if not self._quiet:
            self._print(*lines)

    def _print(self, *lines: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._write(sys.stderr, lines)

    def _write(self, stream: TextIO, lines: Iterable[str]) -> None:
        if is_terminal(stream):
            from rich.text import Text

            live = self._live if stream is sys.stderr else None
            console = live.console if live is not None else _console(stream)
            for line in lines:
                text = Text(_message_lines(line))
                for pattern, style in self._styles.items():
                    text.highlight_regex(pattern, style)
                console.print(text, overflow="fold")
        else:
            encoding = stream.encoding or "ascii"
            for line in lines:
                stream.write(_message_lines(line).encode(encoding, "replace").decode(encoding) + "\n")
        stream.flush()

    def _begin(self, label: str) -> None:
        if self._quiet or not is_terminal(sys.stderr):
            return
        from rich.live import Live

        self._current = _CurrentPhase(label, plain_spinner=not sys.stderr.encoding.startswith("utf"))
        if self._live is None:
            self._live = Live(
                console=_console(sys.stderr),
                transient=True,
                refresh_per_second=10,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._live.start()
        self._live.update(self._current)


def _console(stream: TextIO) -> Any:
    from rich.console import Console

    return Console(file=stream, highlight=False, markup=False, emoji=False)


class _CurrentPhase:
    """What rich draws again and again: spinner, label, seconds, what is waited for; never wider than the terminal."""

    def __init__(self, label: str, *, plain_spinner: bool) -> None:
        self.label = label
        self.reason = ""
        self._began = time.monotonic()
        self._frames = "|/-\\" if plain_spinner else "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"

    def __rich__(self) -> Any:
        from rich.text import Text

        elapsed = time.monotonic() - self._began
        frame = self._frames[int(elapsed * 10) % len(self._frames)]
        reason = printable(self.reason.replace("\n", " "))
        return Text.assemble(
            (frame, "cyan"),
            f" {self.label} ",
            (f"{messages.duration(elapsed)} {reason}", "dim"),
            no_wrap=True,
            overflow="ellipsis",
        )
