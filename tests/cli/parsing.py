"""What a command line asks for, without running it."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from unittest import mock

from dbswitch.cli import command_declaration, command_line

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dbswitch.cli.command_declaration import CommandContext


@dataclass(frozen=True)
class Parsed:
    """A command; `given` are the arguments that differ from their defaults."""

    command: str
    given: dict[str, Any]
    common: dict[str, bool | Path | None]


def parsed(*argv: str) -> Parsed:
    """Parse a command line. Raises UsageError."""
    found: list[Parsed] = []

    def keep(body: Callable[..., int], context: CommandContext, arguments: dict[str, Any]) -> int:
        defaults = {name: one.default for name, one in inspect.signature(body).parameters.items()}
        given = {name: value for name, value in arguments.items() if value != defaults[name]}
        flags = ("json", "quiet", "verbose", "folder")
        found.append(Parsed(body.__name__, given, {name: getattr(context, name) for name in flags}))
        return 0

    with mock.patch.object(command_declaration, "run_command", keep):
        assert command_line.parse_and_run(argv) == 0
    [one] = found
    return one
