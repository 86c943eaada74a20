"""`dbswitch logs`, and showing log text for it and for `dbswitch dev`."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Iterable
from typing import Annotated

from dbswitch.cli.command_declaration import CommandContext, command, flag
from dbswitch.cli.renderer import object_line, write_line
from dbswitch.errors import ConfigError, EnvFileError, ExitCode
from dbswitch.project import server_launch, targets
from dbswitch.project.discovery import Project
from dbswitch.project.target_sources import bound_variables
from dbswitch.redaction import redact_values
from dbswitch.server import log
from dbswitch.stdout_guard import writing_to_stdout

# ECMA-48: control sequences, operating system commands, two-byte escapes.
_ESCAPE = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[0-Z\\^_`-~])")
_COLOUR = re.compile(rb"\x1b\[[0-9;:]*m")
# C0 except tab, line feed and carriage return; DEL; C1 in UTF-8.
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\xc2[\x80-\x9f]")
_LONGEST_LINE = 1 << 20  # bytes; an unfinished line that is longer is shown at once


_Lines = Annotated[int, flag("--lines", "-n", "How many lines to show, from the end.", metavar="N", min=0)]


@command()
def logs(
    context: CommandContext,
    follow: Annotated[bool, flag("--follow", "-f", "Keep printing new lines.")] = False,
    lines: _Lines = 100,
) -> int:
    """Show the dev server's log."""
    project = context.find_project()
    path = server_launch.build(project).log_path
    try:
        if not path.exists():
            context.renderer.note("there is no log yet; `dbswitch dev` starts the server")
            if not follow:
                return ExitCode.OK
        tail, position = log.tail(path, lines)
    except OSError as error:
        raise ConfigError(
            "the server's log cannot be read",
            facts=(f"{path}: {error.strerror}",),
            why="it holds the server's output",
            fix=f"run it as the user who owns {path.parent}",
        ) from None
    values = secret_values(project)
    show_log([tail], values, as_json=context.json)
    if follow:
        try:
            show_log(log.follow(path, since=position), values, as_json=context.json)
        except KeyboardInterrupt:  # how following ends; not an error
            return ExitCode.INTERRUPTED
    return ExitCode.OK


def secret_values(project: Project) -> frozenset[str]:
    """Return what the project's targets, and its env files for the same variables, hold, as far as they can be read."""
    with contextlib.suppress(ConfigError, EnvFileError):
        refs = targets.list_targets(project)
        names = targets.variable_names(project, refs)
        bound, _ = bound_variables(project.root)
        known = targets.known_values(project, refs, os.environ)
        return frozenset().union(*known.values(), (bound[name] for name in names if name in bound))
    return frozenset()


def show_log(chunks: Iterable[bytes], values: frozenset[str], *, as_json: bool) -> None:
    """Write log text without `values` to stdout as it comes, or as one JSON object per line. Raises BrokenPipeError."""
    coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    for text in whole_lines(chunks):
        with writing_to_stdout():
            if as_json:
                for line in redacted(text, values).removesuffix(b"\n").split(b"\n"):
                    write_line(object_line("log", {"line": line.decode(errors="replace").rstrip("\r")}))
            else:
                sys.stdout.buffer.write(redacted(without_escapes(text, keep_colours=coloured), values))
                sys.stdout.buffer.flush()


def redacted(text: bytes, values: frozenset[str]) -> bytes:
    """Return whole lines without `values`."""
    return redact_values(text.decode(errors="surrogateescape"), values).encode(errors="surrogateescape")


def whole_lines(chunks: Iterable[bytes]) -> Iterable[bytes]:
    """Yield the text in whole lines, since a chunk may end in the middle of a value or an escape sequence."""
    rest = b""
    for chunk in chunks:
        lines, end, rest = (rest + chunk).rpartition(b"\n")
        if end:
            yield lines + end
        if len(rest) > _LONGEST_LINE:
            whole = rest.removesuffix(b"\xc2")  # half of a control character
            yield whole
            rest = rest[len(whole) :]
    if rest:
        yield rest


def without_escapes(text: bytes, *, keep_colours: bool) -> bytes:
    """Return lines without escape sequences: a checkout's log or the server's clients must not control the terminal."""
    parts, end = [], 0
    for found in _ESCAPE.finditer(text):
        parts.append(_CONTROL.sub(b"", text[end : found.start()]))
        if keep_colours and _COLOUR.fullmatch(found[0]):
            parts.append(found[0])
        end = found.end()
    return b"".join((*parts, _CONTROL.sub(b"", text[end:])))
