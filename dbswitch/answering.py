"""What a command was asked for goes to stdout, or the person is told that it did not."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from dbswitch.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def answering() -> Iterator[None]:
    """Turn a stdout that takes nothing (a full disk) into an expected failure; a reader that went away stays one.

    Raises:
        UsageError: what was asked for could not be written. BrokenPipeError: nobody reads.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise UsageError(
            "the answer could not be written",
            facts=(f"stdout: {error.strerror}",),
            why="what was asked for did not arrive, or only its beginning",
            fix="write it to a place that has room",
        ) from None
