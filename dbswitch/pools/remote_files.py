"""A configuration file on another machine, behind a prefix such as `ssh host`: read and replaced by ordinary commands there.

ssh gives its arguments to a shell and `kubectl exec` does not, so only arguments that mean the same to both are used.
"""

from __future__ import annotations

import posixpath
import re
import shlex
import subprocess
from typing import TYPE_CHECKING, Final

from dbswitch import redaction
from dbswitch.errors import ConfigError, EnvFileConflictError

if TYPE_CHECKING:
    from collections.abc import Sequence

LIMIT: Final = 10.0  # seconds; each command
SECOND: Final = "-2"  # ends the name of a file that is staged once more
_PLAIN: Final = re.compile(r"(/[A-Za-z0-9_.+@%,:=-]+)+")
_STATUS: Final = re.compile(rb"8[0-9a-f]{3}:\d+:\d+:1\n?")  # a regular file without a second link


def read(run: Sequence[str], path: str) -> bytes:
    """Return the content of a file there. Raises ConfigError, as all of these functions."""
    return _call(run, "cat", path)


def examine(run: Sequence[str], path: str) -> tuple[str, str]:
    """Return the real path of a file there, and what a new file must keep: mode, owner and group."""
    real = _call(run, "readlink", "-f", path).decode(errors="replace").strip()
    keeps = _status(run, real)
    if not _STATUS.fullmatch(keeps):
        raise _failed(
            run, path, "is not a regular file with one hard link", (keeps.decode(errors="replace"),)
        )
    return real, keeps.decode()


def stage(run: Sequence[str], path: str, temporary: str, content: bytes, keeps: str) -> None:
    """Write the file that is going to replace `path`, and flush it to the disk."""
    _call(run, "cp", "-p", path, temporary)
    if _call(run, "tee", temporary, content=content) != content:
        raise _failed(run, path, "cannot be written: the command does not get all of its stdin", ("tee",))
    _call(run, "sync", temporary)
    if (found := _status(run, temporary)) != keeps.encode():
        facts = (f"mode, owner, group and links: {keeps.strip()}, the new file: {found.decode().strip()}",)
        raise _failed(run, path, "would have another owner or mode", facts)


def place(run: Sequence[str], path: str, temporary: str, expected: bytes) -> None:
    """Replace `path`, which holds `expected`, by the staged file. Raises EnvFileConflictError: it holds something else."""
    # A save of another program between the comparison and the rename is lost.
    if read(run, path) != expected:
        raise EnvFileConflictError(f"{shown(run, path)} was changed by another program")
    _call(run, "mv", "-f", temporary, path)
    _call(run, "sync", posixpath.dirname(path))


def discard(run: Sequence[str], temporary: str) -> None:
    """Remove a staged file, so that a command of ours that is delayed there cannot put it in place any more."""
    _call(run, "rm", "-f", temporary + SECOND, temporary)


def shown(run: Sequence[str], path: str) -> str:
    """Return how messages and records call the file."""
    return shlex.join([*run, path])


def _status(run: Sequence[str], path: str) -> bytes:
    return _call(run, "stat", "-c", "%f:%u:%g:%h", path)


def _call(run: Sequence[str], program: str, *arguments: str, content: bytes = b"") -> bytes:
    path = arguments[-1]
    if not _PLAIN.fullmatch(path):
        raise _failed(run, path, "is not an absolute path that every shell reads as it is", ())
    try:
        # A session of its own: Ctrl-C is for dbswitch, and ssh cannot ask for a password on the terminal.
        done = subprocess.run(
            [*run, program, *arguments],
            input=content,
            capture_output=True,
            timeout=LIMIT,
            check=False,
            start_new_session=True,
        )
    except subprocess.TimeoutExpired:
        raise _failed(run, path, f"got no answer within {LIMIT:g} s", (program,)) from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in an argument
        reason = getattr(error, "strerror", None) or str(error)
        raise _failed(run, path, "cannot be reached", (f"{run[0]}: {reason}",)) from None
    if done.returncode != 0:
        lines = done.stderr.decode(errors="replace").splitlines()  # ssh ends them with CR LF
        last = redaction.redact(next((line for line in reversed(lines) if line.strip()), "no message"))
        raise _failed(
            run, path, f"cannot be used: `{program}` ended with exit code {done.returncode}", (last,)
        )
    return done.stdout


def _failed(run: Sequence[str], path: str, what: str, facts: Sequence[str]) -> ConfigError:
    return ConfigError(
        f"{shown(run, path)} {what}",
        facts=facts,
        why="the pool is switched by replacing its line in this file with `cat`, `cp`, `tee`, `sync`, `stat` and `mv`",
        fix=f"correct `run` or `config`; see what `{shlex.join([*run, 'cat', path])}` says",
    )
