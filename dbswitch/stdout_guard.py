"""What a command was asked for goes to stdout, or an error says that it could not be written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from dbswitch.errors import UsageError


@contextmanager
def writing_to_stdout() -> Iterator[None]:
    """Raise UsageError where the block's writes fail (ENOSPC, EIO); BrokenPipeError, of a reader that left, passes."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise UsageError(
            "the output could not be written",
            facts=(f"stdout: {error.strerror}",),
            why="it is missing or incomplete",
            fix="redirect the output to a disk with free space",
        ) from None
