"""What commands print to: the interface of the two renderers (for people, for programs)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dbswitch.switch.events import ErrorInfo, Event


class CommandOutput(Struct, frozen=True):
    """The output of a read-only command: one JSON object, and the same as lines for people."""

    event: str
    fields: dict[str, Any] = field(default_factory=dict)
    lines: Iterable[str] = ()


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

    def answer(self, answer: CommandOutput) -> None:
        """Print the result of a command on stdout. Raises BrokenPipeError."""

    def note(self, text: str) -> None:
        """Print a remark, for people only."""

    def failure(self, failure: CommandFailure) -> None:
        """Print an error."""

    def question(self, lines: Iterable[str], prompt: str) -> str:  # noqa: ARG002  for subclasses
        """Ask on the terminal and return the answer without its line end. Raises EOFError when the input ends."""
        raise EOFError

    def close(self) -> None:
        """Remove the live line."""
