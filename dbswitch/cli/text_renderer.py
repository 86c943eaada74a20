"""The renderer for people: text on stderr, what was asked for on stdout; a live line where there is a terminal.

The base class writes plain lines, which is also what a pipe, a CI log and a dumb terminal get. rich is imported only
for a terminal.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from typing import TYPE_CHECKING, Any, assert_never

from dbswitch.cli import messages
from dbswitch.cli.renderer import Answer, Failure, Line, Style, plain
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

REPEAT_AFTER = 10.0  # seconds between two lines that say the same wait, where lines stay


def is_terminal(stream: TextIO | None) -> bool:
    """Return whether `stream` shows live text: a terminal that can move its cursor."""
    return stream is not None and stream.isatty() and os.environ.get("TERM", "") not in {"dumb", "unknown"}


def printable(text: str) -> str:
    """Return `text` without anything that steers a terminal: names and messages of others are in what we say."""
    if text.isprintable():
        return text
    # A second line of a message is indented, so that foreign text cannot pass for a line of dbswitch.
    return "".join(c if c.isprintable() else "\n    " if c == "\n" else "?" for c in text)


class PlainPeople:
    """Plain lines, no escape sequence."""

    def __init__(
        self, *, quiet: bool, verbose: bool, err: TextIO | None = None, out: TextIO | None = None
    ) -> None:
        self.quiet = quiet
        self.verbose = verbose
        self._err = err if err is not None else sys.stderr
        self._out = out if out is not None else sys.stdout
        self._protected: frozenset[str] = frozenset()
        self._target = ""
        self._planned: Planned | None = None
        self._notices: list[Notice] = []
        self._waited: tuple[str, float] = ("", 0.0)

    def protect(self, names: Iterable[str]) -> None:
        """Take note of the protected targets."""
        self._protected = frozenset(names)

    def emit(self, event: Event) -> None:
        """Say one event; a terminal that went away must not stop a switch halfway."""
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
            case PhaseChanged(phase, state, seconds, detail):
                line = messages.phase_line(phase, state, seconds, detail, verbose=self.verbose)
                self.phase(event, line)
            case Waiting():
                self.waiting(event)
            case Notice(code="stop", text=text) if not self.verbose:
                self.step(text)
            case Notice(code=code) if code in messages.NOTHING_DONE:
                self._notices.append(event)  # the verdict says it
            case Notice(text=text, level=level):
                self._notices.append(event)
                head = ("warning: ", Style.WARN) if level == "warning" else ("note: ", Style.DIM)
                self.say((head, (text, Style.PLAIN)))
            case Result():
                self.result(event)
            case _:
                assert_never(event)

    def phase(self, event: PhaseChanged, line: Line | None) -> None:
        """Say that a phase began or ended."""
        if event.state is PhaseState.STARTED:
            self._waited = ("", 0.0)
        if line is not None:
            self.say(line)

    def waiting(self, event: Waiting) -> None:
        """Say a wait once, and again now and then while it lasts."""
        said, at = self._waited
        text = f"{self.waiting_for(event)}: {event.reason}"
        if said != text or time.monotonic() - at >= REPEAT_AFTER:
            self._waited = (text, time.monotonic())
            self.say((("… ", Style.DIM), (text, Style.DIM)))

    def waiting_for(self, event: Waiting) -> str:
        """Return what is going on, and before the database answers what Ctrl-C does."""
        harmless = event.phase is Phase.PROBE and self._planned is not None
        return messages.doing(event.phase) + (" (Ctrl-C changes nothing)" if harmless else "")

    def step(self, text: str) -> None:
        """Say a small step inside a phase, where that costs no line."""

    def result(self, event: Result) -> None:
        """Say how it ended, also when quiet."""
        self.settle()
        if self._planned is not None and event.outcome is Outcome.PLANNED:
            for line in messages.plan_lines(self._planned, event.target, self._protected, dry=True):
                self.line(line)
        for line in messages.verdict(event, self._protected, self._notices):
            self.line(line)

    def answer(self, answer: Answer) -> None:
        """Print what was asked for on stdout. Raises BrokenPipeError when the reader is gone."""
        self.settle()
        with writing_to_stdout():
            for line in answer.lines:
                self._out.write(self.drawn(line, self._out) + "\n")
            self._out.flush()

    def note(self, text: str) -> None:
        """Say something in passing."""
        self.say(plain(text))

    def failure(self, failure: Failure) -> None:
        """Say an error."""
        self.settle()
        for line in messages.failure_lines(failure.error):
            self.line(line)

    def question(self, lines: Iterable[Line], prompt: str) -> str:
        """Ask on stderr, read from stdin. Raises EOFError when the input ends."""
        self.settle()
        for line in lines:
            self.line(line)
        self._err.write(prompt)
        self._err.flush()
        typed = sys.stdin.readline()
        if not typed:
            raise EOFError
        return typed.rstrip("\r\n")

    def close(self) -> None:
        """Leave the terminal as it was."""
        self.settle()

    def say(self, *lines: Line) -> None:
        """Print lines unless quiet."""
        if not self.quiet:
            for line in lines:
                self.line(line)

    def line(self, line: Line) -> None:
        """Print one line on stderr."""
        with contextlib.suppress(OSError, ValueError):
            self._err.write(self.drawn(line, self._err) + "\n")
            self._err.flush()

    def drawn(self, line: Line, stream: TextIO) -> str:
        """Return the line as text that `stream` can show."""
        text = "".join(printable(text) for text, _ in line)
        encoding = stream.encoding or "ascii"
        return text.encode(encoding, "replace").decode(encoding)

    def settle(self) -> None:
        """End whatever is still moving."""


class LivePeople(PlainPeople):
    """The same on a terminal: colours unless NO_COLOR is set, and one live line for the phase that runs."""

    def __init__(
        self, *, quiet: bool, verbose: bool, err: TextIO | None = None, out: TextIO | None = None
    ) -> None:
        super().__init__(quiet=quiet, verbose=verbose, err=err, out=out)
        from rich.console import Console

        self._console = Console(file=self._err, highlight=False, markup=False, emoji=False, soft_wrap=False)
        self._answers = Console(file=self._out, highlight=False, markup=False, emoji=False, soft_wrap=False)
        self._live: Any = None
        self._current: _CurrentPhase | None = None

    def phase(self, event: PhaseChanged, line: Line | None) -> None:
        """Draw the running phase; leave a line behind when it ends."""
        if event.state is PhaseState.STARTED and not self.quiet:
            self._begin(messages.doing(event.phase))
        elif line is not None:  # else the live line stays for the next phase: quick ones must not flicker
            self.settle()
            self.say(line)

    def waiting(self, event: Waiting) -> None:
        """Say on the live line what is waited for."""
        if self._current is None:
            super().waiting(event)
        else:
            self._current.label = self.waiting_for(event)
            self._current.reason = event.reason

    def step(self, text: str) -> None:
        """Say it on the live line."""
        if self._current is not None:
            self._current.reason = text

    def line(self, line: Line) -> None:
        """Print one line above the live one."""
        with contextlib.suppress(OSError, ValueError):
            self._console.print(_text(line), overflow="fold")

    def answer(self, answer: Answer) -> None:
        """Print what was asked for on stdout, in colour where that is a terminal too."""
        if not is_terminal(self._out):
            super().answer(answer)
            return
        self.settle()
        for line in answer.lines:
            self._answers.print(_text(line), overflow="fold")
        self._out.flush()

    def settle(self) -> None:
        """Take the live line away."""
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


_RICH = {
    Style.PLAIN: "",
    Style.DIM: "dim",
    Style.BOLD: "bold",
    Style.GOOD: "green",
    Style.WARN: "yellow",
    Style.BAD: "bold red",
    Style.DANGER: "bold red",
}


def _text(line: Line) -> Any:
    from rich.text import Text

    return Text.assemble(*((printable(text), _RICH[style]) for text, style in line))


def for_people(*, quiet: bool, verbose: bool) -> PlainPeople:
    """Return the renderer that suits the stderr we have."""
    kind = LivePeople if is_terminal(sys.stderr) else PlainPeople
    return kind(quiet=quiet, verbose=verbose)
