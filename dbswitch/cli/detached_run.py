"""`dbswitch TARGET --detach`: answer with a run id at once and let a process in a session of its own carry on.

The caller may be a route handler inside the very server that the run is going to stop. So nothing slow is done before
the answer (no database driver, no process table, no value of a target), and the run depends on nothing of the caller.
"""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from dbswitch.cli.json_renderer import object_line
from dbswitch.stdout_guard import writing_to_stdout

if TYPE_CHECKING:
    from dbswitch.cli.command_context import CommandContext
    from dbswitch.cli.switch_command import SwitchOptions
    from dbswitch.project.discovery import Project


def detach(target: str, options: SwitchOptions, context: CommandContext, project: Project) -> int:
    """Start the run, print one JSON line with its id, return 0.

    Raises:
        UsageError: no such target.
        ConfigError: the targets cannot be listed, or the state folder cannot be made.
    """
    from dbswitch.durable import ensure_state_dir
    from dbswitch.project.targets import lookup
    from dbswitch.switch import history, run_event_files
    from dbswitch.switch.run_lock import unusable

    target = target if target == "-" else lookup(project, target).name
    run_id = run_event_files.new_id()
    line = object_line("accepted", {"id": run_id, "target": target})
    try:
        run_event_files.RunFile(ensure_state_dir(project.state_dir), run_id)
        # Written before it is announced: who asks for the run at once finds it.
        history.append_line(run_event_files.path_of(project.state_dir, run_id), line)
    except OSError as error:
        raise unusable(project.state_dir, error, "the events of a detached run are kept there") from None
    subprocess.Popen(
        arguments(options, context, project, target, run_id),
        cwd=project.root,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    with writing_to_stdout():
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
    return 0


def arguments(
    options: SwitchOptions, context: CommandContext, project: Project, target: str, run_id: str
) -> list[str]:
    """Return the command line of the run: a fixed list, no shell."""
    from dbswitch.switch import own_command

    line = [*own_command.command(), target, "--json", "--run-id", run_id]
    line += ["--project", str(project.root)]
    if options.mode is not None:
        line.append({"restart": "--restart", "hot": "--hot", "none": "--no-restart"}[options.mode.value])
    if options.confirm is not None:
        line.append(f"--confirm={options.confirm}")
    if options.timeout is not None:
        line.append(f"--timeout={options.timeout:g}")
    if options.take_port:
        line.append("--take-port")
    if options.read_only is not None:
        line.append("--read-only" if options.read_only else "--write")
    if options.yes:
        line.append("--yes")
    if context.verbose:
        line.append("--verbose")
    return line
