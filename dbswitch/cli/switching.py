"""`dbswitch TARGET`, `restart` and `stop`: hand the request to `dbswitch.switch.run` and its events to the renderer."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from dbswitch.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from dbswitch.cli.operations import Common, Restart, Switch
    from dbswitch.cli.renderer import Renderer
    from dbswitch.project.discovery import Project
    from dbswitch.switch.events import Event
    from dbswitch.switch.request import Question


def find_project(common: Common, renderer: Renderer) -> Project:
    """Return the project we are in, and tell the renderer which of its targets are protected.

    Raises:
        ConfigError: no project here, or its files cannot be used.
    """
    from dbswitch.project.discovery import discover
    from dbswitch.project.targets import list_targets

    project = discover(start_folder(common))
    renderer.protect(target.name for target in list_targets(project) if target.protected)
    return project


def start_folder(common: Common) -> Path:
    """Return the folder to look for the project from.

    Raises:
        UsageError: the folder this was called in has been removed.
    """
    try:
        return common.project or Path.cwd()
    except FileNotFoundError:
        raise UsageError(
            "the current folder is gone",
            why="dbswitch looks for the project from there",
            fix="cd into the app again, or give its folder with --project DIR",
        ) from None


def has_terminal() -> bool:
    """Return whether a person is there to answer: both what they read and what they type is a terminal."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def asker(common: Common, renderer: Renderer) -> Callable[[Question], str] | None:
    """Return what puts a question to a person, or None where nobody can answer."""
    if common.json or not has_terminal():
        return None

    def ask(question: Question) -> str:
        from dbswitch.cli.renderer import Style

        try:
            return renderer.question(
                [((question.text, Style.DANGER),)], f"Type {question.expected} to continue: "
            ).strip()
        except EOFError:
            return ""

    return ask


def switch(asked: Switch, common: Common, renderer: Renderer) -> int:
    """Switch; return the exit code. Raises DbswitchError for what fails before the run begins."""
    project = find_project(common, renderer)
    if asked.detach:
        from dbswitch.cli import detaching

        return detaching.detach(asked, common, project)

    from dbswitch.switch import run, run_event_files
    from dbswitch.switch.request import Request

    if asked.run_id is not None:
        _keep_events(project, asked.run_id, renderer)
    if asked.take_port:
        agree_to_take_port(common, renderer, yes=asked.yes)
    request = Request(
        target=asked.target,
        run_id=asked.run_id or run_event_files.new_id(),
        mode=asked.mode,
        confirm=asked.confirm,
        timeout=asked.timeout,
        dry_run=asked.dry_run,
        ask=asker(common, renderer),
        take_port=asked.take_port,
        ambient=dict(os.environ),
    )
    return run.switch(project, request, renderer.emit).exit


def _keep_events(project: Project, run_id: str, renderer: Renderer) -> None:
    from dbswitch.cli.json_lines import JsonRenderer
    from dbswitch.durable import ensure_state_dir
    from dbswitch.switch import run_event_files
    from dbswitch.switch.run_lock import unusable

    if isinstance(renderer, JsonRenderer):
        try:
            renderer.copy = run_event_files.RunFile(ensure_state_dir(project.state_dir), run_id)
        except OSError as error:
            raise unusable(project.state_dir, error, "the events of the run are kept there") from None
        run_event_files.prune(project.state_dir)


def agree_to_take_port(common: Common, renderer: Renderer, *, yes: bool) -> None:
    """Ask before another program is ended.

    Raises:
        UsageError: nobody agreed.
    """
    if yes:
        return
    if not common.json and has_terminal():
        from dbswitch.cli.renderer import plain

        warning = plain("--take-port ends the program that holds the server's port, whatever it is.")
        try:
            typed = renderer.question([warning], "go on? [y/N] ")
        except EOFError:
            typed = ""
        if typed.strip().lower() in {"y", "yes"}:
            return
        raise UsageError("not agreed to end the program on the port", why="nothing was changed")
    raise UsageError(
        "--take-port needs --yes where nobody can be asked",
        why="it ends a program that is not dbswitch's",
        fix="add --yes",
    )


def restart(asked: Restart, common: Common, renderer: Renderer) -> int:
    """Restart the server; return the exit code."""
    project = find_project(common, renderer)
    from dbswitch.switch import run_event_files, servers

    if asked.take_port:
        agree_to_take_port(common, renderer, yes=asked.yes)
    result = servers.restart(
        project,
        renderer.emit,
        run_id=run_event_files.new_id(),
        ambient=dict(os.environ),
        timeout=asked.timeout,
        take_port=asked.take_port,
    )
    return result.exit


def stop(common: Common, renderer: Renderer) -> int:
    """Stop the server, whatever the targets are like; return the exit code."""
    from dbswitch.project.discovery import discover
    from dbswitch.switch import run_event_files, servers

    project = discover(start_folder(common))
    return servers.stop_server(project, renderer.emit, run_id=run_event_files.new_id()).exit


def tell_unfinished(project: Project, renderer: Renderer) -> None:
    """Say what a killed run left; a command that only looks does not finish it."""
    from dbswitch.switch import lock_file, recovery

    left = recovery.unfinished(project.private_dir)
    if left is not None and lock_file.peek(project.state_dir) is None:
        renderer.note(left)


def mend(project: Project, renderer: Renderer) -> None:
    """Finish what a killed run left, its stopped server included; people are told, programs are not."""
    from dbswitch.switch import recovery

    if not recovery.pending(project.private_dir):
        return
    from dbswitch.switch import run_event_files, servers
    from dbswitch.switch.events import Notice, Result

    def told(event: Event) -> None:
        if isinstance(event, Notice):
            renderer.note(event.text)
        elif isinstance(event, Result) and event.error is not None:
            renderer.note(f"an unfinished switch could not be put in order: {event.error.what}")

    servers.repair(project, told, run_id=run_event_files.new_id(), ambient=dict(os.environ))
