"""What every command talks to; there is one renderer for people and one for programs."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

from msgspec import Struct, field

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dbswitch.switch.events import ErrorInfo, Event


class Style(StrEnum):
    """What a piece of text means; the renderer for people picks the colour."""

    PLAIN = "plain"
    DIM = "dim"
    BOLD = "bold"
    GOOD = "good"
    WARN = "warn"
    BAD = "bad"
    DANGER = "danger"  # a protected target


Span = tuple[str, Style]
Line = tuple[Span, ...]


def plain(text: str) -> Line:
    """Return a line in one plain piece."""
    return ((text, Style.PLAIN),)


class Answer(Struct, frozen=True):
    """What a command that looks but changes nothing found: one JSON object, and the same as lines for people."""

    event: str
    fields: dict[str, Any] = field(default_factory=dict)
    lines: tuple[Line, ...] = ()


class Failure(Struct, frozen=True):
    """An error on its way out of the program. `target` is empty where the command has none."""

    error: ErrorInfo
    exit: int
    outcome: str
    target: str = ""
    log: str = ""  # where the traceback of a bug went


class Renderer(Protocol):
    """Says what happens. Writing to a reader that went away never stops a running switch."""

    def protect(self, names: Iterable[str]) -> None:
        """Take note of the protected targets."""

    def emit(self, event: Event) -> None:
        """Say one event of a run."""

    def answer(self, answer: Answer) -> None:
        """Say what was asked for, on stdout. Raises BrokenPipeError when the reader is gone."""

    def note(self, text: str) -> None:
        """Say something in passing; people only."""

    def failure(self, failure: Failure) -> None:
        """Say an error."""

    def question(self, lines: Iterable[Line], prompt: str) -> str:
        """Ask on the terminal and return the answer without its line end. Raises EOFError when the input ends."""

    def close(self) -> None:
        """Leave the terminal as it was."""
