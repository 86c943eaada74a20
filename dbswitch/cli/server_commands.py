"""`dbswitch stop` and `restart`, and what several commands do about ports and unfinished switches."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from dbswitch.errors import UsageError

if TYPE_CHECKING:
    from dbswitch.cli.command_context import CommandContext
    from dbswitch.cli.renderer import Renderer
    from dbswitch.project.discovery import Project
    from dbswitch.switch.events import Event


def agree_to_take_port(context: CommandContext, *, yes: bool) -> None:
    """Ask before another program is ended.

    Raises:
        UsageError: it was not confirmed.
    """
    if yes:
        return
    if context.interactive:
        context.renderer.note("--take-port ends the program that holds the server's port, whatever it is.")
        if context.agrees("go on? [y/N] ", default=False):
            return
        raise UsageError("not agreed to end the program on the port", why="nothing was changed")
    raise UsageError(
        "--take-port needs --yes without a terminal",
        why="it ends a program that is not dbswitch's",
        fix="add --yes",
    )


def restart(context: CommandContext, *, take_port: bool, yes: bool, timeout: float | None) -> int:
    """Restart the server; return the exit code."""
    project = context.find_project()
    from dbswitch.switch import run_event_files, servers

    if take_port:
        agree_to_take_port(context, yes=yes)
    result = servers.restart(
        project,
        context.renderer.emit,
        run_id=run_event_files.new_id(),
        ambient=dict(os.environ),
        timeout=timeout,
        take_port=take_port,
    )
    return result.exit


def stop(context: CommandContext) -> int:
    """Stop the server, whatever the targets are like; return the exit code."""
    from dbswitch.project.discovery import discover
    from dbswitch.switch import run_event_files, servers

    project = discover(context.start_folder())
    return servers.stop_server(project, context.renderer.emit, run_id=run_event_files.new_id()).exit


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
