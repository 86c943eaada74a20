"""Running dbswitch's own commands the way a program does: `--json` in, events out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import dbswitch
from dbswitch.errors import ServerError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_ROLL_BACK_SECONDS: Final = 60
# An exported variable would override the app's env files and lead to the user's own databases.
_NOT_INHERITED: Final = ("DATABASE_URL", "DIRECT_URL", "BLOB_BUCKET", "PORT", "NODE_ENV", "NODE_OPTIONS")


@dataclass(frozen=True, slots=True)
class PhaseTime:
    """One phase of a run: when it began and how long it took, in seconds from the start of the command."""

    name: str
    began: float
    seconds: float
    state: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class CommandRun:
    """The result of one command."""

    shown: str
    exit: int
    seconds: float
    phases: tuple[PhaseTime, ...] = ()
    result: Mapping[str, Any] = field(default_factory=dict)
    notices: tuple[str, ...] = ()
    stderr: str = ""

    @property
    def problem(self) -> tuple[str, ...]:
        """The command's error, for display."""
        error = self.result.get("error") or {}
        lines = [error.get("what", ""), *error.get("facts", ()), error.get("fix", "")]
        return tuple(line for line in lines if line) or tuple(self.stderr.strip().splitlines()[-6:])


def environment() -> dict[str, str]:
    """Return the environment of everything the demo starts."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in _NOT_INHERITED and not name.startswith(("DATABASE_URL_", "BLOB_BUCKET_", "npm_", "PG"))
    }
    if Path(dbswitch.__file__).parents[1] == Path.cwd():
        # Run from a checkout without installing; the commands work in another folder.
        kept["PYTHONPATH"] = os.pathsep.join(filter(None, (str(Path.cwd()), kept.get("PYTHONPATH"))))
    return kept | {"NEXT_TELEMETRY_DISABLED": "1", "CHECKPOINT_DISABLE": "1"}


def run(*arguments: str, folder: Path, env: Mapping[str, str]) -> None:
    """Run `dbswitch ARGUMENTS` in `folder` for its effect.

    Raises:
        ServerError: it failed; the facts are its output.
    """
    done = subprocess.run(
        [sys.executable, "-m", "dbswitch", *arguments],
        cwd=folder,
        env=dict(env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise ServerError(
            f"`dbswitch {' '.join(arguments)}` failed in the demo (exit {done.returncode}).",
            facts=done.stderr.strip().splitlines()[-6:],
        )


def perform(
    *arguments: str, folder: Path, env: Mapping[str, str], on_phase: Callable[[str], None] = lambda _: None
) -> CommandRun:
    """Run `dbswitch ARGUMENTS --json` in `folder`; return the result.

    An exception that arrives meanwhile (Ctrl-C) is passed on to the command as SIGINT, which rolls back, and then raised.
    """
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "dbswitch", *arguments, "--json"],
        cwd=folder,
        env=dict(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,  # one Ctrl-C reaches it once, from here
        text=True,
        errors="replace",
    )
    assert process.stdout is not None
    assert process.stderr is not None
    events: list[tuple[float, dict[str, Any]]] = []
    with process, process.stdout, process.stderr:
        try:
            for line in process.stdout:
                event = _event(line)
                if event.get("event") == "phase" and event.get("state") == "started":
                    on_phase(str(event.get("phase", "")))
                events.append((time.monotonic() - began, event))
            stderr = process.stderr.read()
        except BaseException:
            _interrupt(process)
            raise
        code = process.wait()
    return CommandRun(
        shown=" ".join(("dbswitch", *arguments)),
        exit=code,
        seconds=time.monotonic() - began,
        phases=_phases(events),
        result=next((event for _, event in reversed(events) if event.get("event") == "result"), {}),
        notices=tuple(
            str(e.get("text", ""))
            for _, e in events
            if e.get("event") == "notice" and e.get("level") == "warning"
        ),
        stderr=stderr,
    )


def _interrupt(process: subprocess.Popen[str]) -> None:
    import signal

    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(_ROLL_BACK_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()


def _event(line: str) -> dict[str, Any]:
    try:
        event = json.loads(line)
    except ValueError:
        return {}
    return event if isinstance(event, dict) else {}


def _phases(events: list[tuple[float, dict[str, Any]]]) -> tuple[PhaseTime, ...]:
    ended = []
    for at, event in events:
        if event.get("event") == "phase" and event.get("state") in {"done", "failed"}:
            seconds = float(event.get("seconds", 0))
            ended.append(
                PhaseTime(
                    str(event.get("phase", "")),
                    max(0.0, at - seconds),
                    seconds,
                    str(event["state"]),
                    str(event.get("detail", "")),
                )
            )
    return tuple(ended)
