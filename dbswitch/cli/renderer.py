"""What commands print to: styled lines, and the interface of the two renderers (for people, for programs)."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dbswitch.switch.events import ErrorInfo, Event


class Style(StrEnum):
    """What a piece of text means; the values are styles of rich."""

    PLAIN = ""
    DIM = "dim"
    BOLD = "bold"
    GOOD = "green"
    WARN = "yellow"
    BAD = "bold red"
    DANGER = "red bold"  # a protected target


Line = tuple[tuple[str, Style], ...]


def plain(text: str) -> Line:
    """Return a line in one plain piece."""
    return ((text, Style.PLAIN),)


def labelled(label: str, text: str, style: Style = Style.DIM, text_style: Style = Style.PLAIN) -> Line:
    """Return a line of a label (with its own spaces) and a text."""
    return ((label, style), (text, text_style))


def note(text: str) -> Line:
    """Return a note."""
    return labelled("note: ", text)


def warning(text: str) -> Line:
    """Return a warning."""
    return labelled("warning: ", text, Style.WARN)


class Answer(Struct, frozen=True):
    """The output of a read-only command: one JSON object, and the same as lines for people."""

    event: str
    fields: dict[str, Any] = field(default_factory=dict)
    lines: Iterable[Line] = ()


class Failure(Struct, frozen=True):
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

    def answer(self, answer: Answer) -> None:
        """Print the result of a command on stdout. Raises BrokenPipeError."""

    def note(self, text: str) -> None:
        """Print a remark, for people only."""

    def failure(self, failure: Failure) -> None:
        """Print an error."""

    def question(self, lines: Iterable[Line], prompt: str) -> str:  # noqa: ARG002  for subclasses
        """Ask on the terminal and return the answer without its line end. Raises EOFError when the input ends."""
        raise EOFError

    def close(self) -> None:
        """Leave the terminal as it was."""
