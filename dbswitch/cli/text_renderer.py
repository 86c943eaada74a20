"""The renderer for people: text on stderr, results on stdout; one live line where stderr is a terminal.

A pipe, a CI log and a dumb terminal get plain lines. rich is imported only for a terminal: 60 ms.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from typing import TYPE_CHECKING, Any, assert_never

from dbswitch.cli import messages
from dbswitch.cli.renderer import Answer, Failure, Line, Renderer, note, plain, warning
from dbswitch.stdout_guard import writing_to_stdout
from dbswitch.switch.events import (
    Notice,
    Outcome,
    Phase,
    PhaseChanged,
    PhaseState,
    Planned,
    Result,
    Started,
    Waiting,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import TextIO

    from dbswitch.switch.events import Event

REPEAT_AFTER = 10.0  # seconds between two lines about the same wait, where there is no live line


def is_terminal(stream: TextIO) -> bool:
    """Return whether `stream` is a terminal that can move its cursor."""
    return stream.isatty() and os.environ.get("TERM", "") not in {"dumb", "unknown"}


def printable(text: str) -> str:
    """Return `text` without control characters: it may hold names and messages of other programs."""
    if text.isprintable():
        return text
    # A second line of a message is indented, so that foreign text cannot pass for a line of dbswitch.
    return "".join(c if c.isprintable() else "\n    " if c == "\n" else "?" for c in text)


class PlainRenderer(Renderer):
    """Plain lines, no escape sequence."""

    def __init__(self, *, quiet: bool, verbose: bool) -> None:
        self.quiet = quiet
        self.verbose = verbose
        self._protected: frozenset[str] = frozenset()
        self._target = ""
        self._planned: Planned | None = None
        self._notices: list[Notice] = []
        self._waited: tuple[str, float] = ("", 0.0)

    def protect(self, names: Iterable[str]) -> None:
        """Set which targets are protected."""
        self._protected = frozenset(names)

    def emit(self, event: Event) -> None:
        """Print one event; a closed terminal must not stop a switch halfway."""
        with contextlib.suppress(OSError, ValueError):
            self._show(event)

    def _show(self, event: Event) -> None:
        match event:
            case Started(target=target):
                self._target = target
            case Planned():
                self._planned = event
                if self.verbose:
                    self.say(*messages.plan_lines(event, self._target, self._protected, dry=False))
            case PhaseChanged():
                self.phase(event, messages.phase_line(event, verbose=self.verbose))
            case Waiting():
                self.waiting(event, self._waiting_for(event))
            case Notice(code="stop", text=text) if not self.verbose:
                self.step(text)
            case Notice(code=code) if code in messages.IN_VERDICT:
                self._notices.append(event)  # it becomes part of the verdict
            case Notice(text=text, level=level):
                self._notices.append(event)
                self.say(warning(text) if level == "warning" else note(text))
            case Result():
                self._result(event)
            case _:
                assert_never(event)

    def _waiting_for(self, event: Waiting) -> str:
        harmless = event.phase is Phase.PROBE and self._planned is not None
        return messages.DOING[event.phase] + (" (Ctrl-C changes nothing)" if harmless else "")

    def _result(self, event: Result) -> None:
        self.close()
        lines = messages.verdict(event, self._protected, self._notices)
        if self._planned is not None and event.outcome is Outcome.PLANNED:
            lines = [*messages.plan_lines(self._planned, event.target, self._protected, dry=True), *lines]
        for line in lines:
            self.line(line)

    def phase(self, event: PhaseChanged, line: Line | None) -> None:
        """Print that a phase began or ended."""
        if event.state is PhaseState.STARTED:
            self._waited = ("", 0.0)
        if line is not None:
            self.say(line)

    def waiting(self, event: Waiting, label: str) -> None:
        """Print what is waited for once, and again now and then."""
        said, at = self._waited
        text = f"{label}: {event.reason}"
        if said != text or time.monotonic() - at >= REPEAT_AFTER:
            self._waited = (text, time.monotonic())
            self.say(messages.dim(f"… {text}"))

    def step(self, text: str) -> None:
        """Print a small step inside a phase, on the live line only."""

    def answer(self, answer: Answer) -> None:
        """Print the result of a command on stdout. Raises BrokenPipeError."""
        self.close()
        with writing_to_stdout():
            for line in answer.lines:
                sys.stdout.write(_text(line, sys.stdout) + "\n")
            sys.stdout.flush()

    def note(self, text: str) -> None:
        """Print a remark."""
        self.say(plain(text))

    def failure(self, failure: Failure) -> None:
        """Print an error."""
        self.close()
        for line in messages.failure_lines(failure.error):
            self.line(line)

    def question(self, lines: Iterable[Line], prompt: str) -> str:
        """Ask on stderr, read from stdin. Raises EOFError when the input ends."""
        self.close()
        for line in lines:
            self.line(line)
        sys.stderr.write(prompt)
        sys.stderr.flush()
        typed = sys.stdin.readline()
        if not typed:
            raise EOFError
        return typed.rstrip("\r\n")

    def say(self, *lines: Line) -> None:
        """Print lines unless quiet."""
        if not self.quiet:
            for line in lines:
                self.line(line)

    def line(self, line: Line) -> None:
        """Print one line on stderr."""
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(_text(line, sys.stderr) + "\n")
            sys.stderr.flush()


def _text(line: Line, stream: TextIO) -> str:
    text = "".join(printable(text) for text, _ in line)
    encoding = stream.encoding or "ascii"
    return text.encode(encoding, "replace").decode(encoding)


class TerminalRenderer(PlainRenderer):
    """Colours unless NO_COLOR is set, and one live line for the current phase."""

    def __init__(self, *, quiet: bool, verbose: bool) -> None:
        super().__init__(quiet=quiet, verbose=verbose)
        from rich.console import Console

        self._console = Console(stderr=True, highlight=False, markup=False, emoji=False)
        self._live: Any = None
        self._current: _CurrentPhase | None = None

    def phase(self, event: PhaseChanged, line: Line | None) -> None:
        """Show the phase on the live line; print a line when it ends."""
        if event.state is PhaseState.STARTED and not self.quiet:
            self._begin(messages.DOING[event.phase])
        elif line is not None:  # else the live line stays for the next phase: quick ones must not flicker
            self.close()
            self.say(line)

    def waiting(self, event: Waiting, label: str) -> None:
        """Show on the live line what is waited for."""
        if self._current is None:
            super().waiting(event, label)
        else:
            self._current.label, self._current.reason = label, event.reason

    def step(self, text: str) -> None:
        """Show it on the live line."""
        if self._current is not None:
            self._current.reason = text

    def line(self, line: Line) -> None:
        """Print one line above the live one."""
        with contextlib.suppress(OSError, ValueError):
            self._console.print(_rich_text(line), overflow="fold")

    def answer(self, answer: Answer) -> None:
        """Print the result of a command on stdout, in colour where that is a terminal too."""
        if not is_terminal(sys.stdout):
            super().answer(answer)
            return
        from rich.console import Console

        self.close()
        console = Console(highlight=False, markup=False, emoji=False)
        for line in answer.lines:
            console.print(_rich_text(line), overflow="fold")
        sys.stdout.flush()

    def close(self) -> None:
        """Remove the live line."""
        live, self._live, self._current = self._live, None, None
        if live is not None:
            with contextlib.suppress(OSError, ValueError):
                live.stop()

    def _begin(self, label: str) -> None:
        from rich.live import Live

        self._current = _CurrentPhase(label, plain_spinner=not self._console.encoding.startswith("utf"))
        if self._live is not None:
            self._live.update(self._current)
            return
        self._live = Live(
            self._current,
            console=self._console,
            transient=True,
            refresh_per_second=10,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._live.start()


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
        text = Text(no_wrap=True, overflow="ellipsis")
        text.append(frame, style="cyan")
        text.append(f" {self.label} ")
        text.append(messages.duration(elapsed), style="dim")
        if self.reason:
            text.append(f" {printable(self.reason)}".replace("\n", " "), style="dim")
        return text


def _rich_text(line: Line) -> Any:
    from rich.text import Text

    return Text.assemble(*((printable(text), style.value) for text, style in line))


def for_people(*, quiet: bool, verbose: bool) -> PlainRenderer:
    """Return the renderer that suits this process's stderr."""
    kind = TerminalRenderer if is_terminal(sys.stderr) else PlainRenderer
    return kind(quiet=quiet, verbose=verbose)
