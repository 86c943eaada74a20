"""`dbswitch logs`, and showing log text for it and for `dbswitch dev`."""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from dbswitch.cli.command_context import CommandContext
from dbswitch.cli.command_line import command
from dbswitch.cli.json_renderer import object_line, write_line
from dbswitch.durable import open_regular
from dbswitch.errors import ConfigError, ExitCode
from dbswitch.project import server_spec
from dbswitch.server import log
from dbswitch.stdout_guard import writing_to_stdout

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

# ECMA-48: control sequences, operating system commands, two-byte escapes.
_ESCAPE = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[0-Z\\^_`-~])")
_OPEN_ESCAPE = re.compile(rb"(?:\x1b(?:\[[0-?]{0,32}[ -/]{0,4}|\][^\x07\x1b]{0,256}\x1b?)?|\xc2)\Z")
_COLOUR = re.compile(rb"\x1b\[[0-9;:]*m")
# C0 except tab, line feed and carriage return; DEL; C1 in UTF-8.
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\xc2[\x80-\x9f]")
_TAIL = 1 << 20  # bytes; of the log's end, searched for its last lines


@command()
def logs(
    context: CommandContext,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Keep printing new lines.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many of the last lines.")] = 100,
) -> int:
    """Show the dev server's log."""
    path = server_spec.build(context.find_project()).log_path
    try:
        if not path.exists():
            context.renderer.note("there is no log yet; `dbswitch dev` starts the server")
            if not follow:
                return ExitCode.OK
        tail, position = _tail(path, lines)
    except OSError as error:
        raise ConfigError(
            "the server's log cannot be read",
            facts=(f"{path}: {error.strerror}",),
            why="it holds the server's output",
            fix=f"run it as the user that {path.parent} belongs to",
        ) from None
    show_log([tail], as_json=context.json)
    if follow:
        try:
            show_log(log.follow(path, since=position), as_json=context.json)
        except KeyboardInterrupt:  # how following ends; not an error
            return ExitCode.INTERRUPTED
    return ExitCode.OK


def _tail(path: Path, count: int) -> tuple[bytes, int]:
    try:
        with open_regular(path) as stream:
            position = stream.seek(0, os.SEEK_END)
            stream.seek(max(0, position - _TAIL))
            text = stream.read(_TAIL)
    except FileNotFoundError:
        return b"", 0
    lines = text.splitlines(keepends=True)
    return b"".join(lines[len(lines) - count :] if count < len(lines) else lines), position


def show_log(chunks: Iterable[bytes], *, as_json: bool) -> None:
    """Write log text to stdout as it comes, or as one JSON object per line. Raises BrokenPipeError."""
    if as_json:
        rest = b""
        for chunk in chunks:
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                _json_line(line)
        if rest:
            _json_line(rest)
    else:
        coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        for chunk in without_escapes(chunks, keep_colours=coloured):
            with writing_to_stdout():
                sys.stdout.buffer.write(chunk)
                sys.stdout.buffer.flush()


def _json_line(line: bytes) -> None:
    with writing_to_stdout():
        write_line(object_line("log", {"line": line.decode(errors="replace").rstrip("\r")}))


def without_escapes(chunks: Iterable[bytes], *, keep_colours: bool) -> Iterable[bytes]:
    """Yield the text without escape sequences and control characters; a sequence may be split between chunks.

    A checkout may contain a log, and the server logs what its clients send: neither may control the terminal.
    """
    rest = b""
    for chunk in chunks:
        text = rest + chunk
        cut = _OPEN_ESCAPE.search(text)
        rest = b"" if cut is None else text[cut.start() :]
        yield _cleaned(text[: len(text) - len(rest)], keep_colours=keep_colours)


def _cleaned(text: bytes, *, keep_colours: bool) -> bytes:
    parts, end = [], 0
    for found in _ESCAPE.finditer(text):
        parts.append(_CONTROL.sub(b"", text[end : found.start()]))
        if keep_colours and _COLOUR.fullmatch(found[0]):
            parts.append(found[0])
        end = found.end()
    return b"".join((*parts, _CONTROL.sub(b"", text[end:])))
