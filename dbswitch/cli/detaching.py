"""`dbswitch TARGET --detach`: answer with a run id at once and let a process in a session of its own carry on.

The caller may be a route handler inside the very server that the run is going to stop. So nothing slow is done before
the answer (no database driver, no process table, no value of a target), and the run depends on nothing of the caller.
"""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from dbswitch.answering import answering
from dbswitch.cli.json_lines import object_line

if TYPE_CHECKING:
    from dbswitch.cli.operations import Common, Switch
    from dbswitch.project.discovery import Project


def detach(asked: Switch, common: Common, project: Project) -> int:
    """Start the run, print one JSON line with its id, return 0.

    Raises:
        UsageError: no such target.
        ConfigError: the targets cannot be listed, or the state folder cannot be made.
    """
    from dbswitch.durable import ensure_state_dir
    from dbswitch.project.targets import lookup
    from dbswitch.switch import history, run_event_files
    from dbswitch.switch.run_lock import unusable

    target = asked.target if asked.target == "-" else lookup(project, asked.target).name
    run_id = run_event_files.new_id()
    line = object_line("accepted", {"id": run_id, "target": target})
    try:
        run_event_files.RunFile(ensure_state_dir(project.state_dir), run_id)
        # Written before it is announced: who asks for the run at once finds it.
        history.append_line(run_event_files.path_of(project.state_dir, run_id), line)
    except OSError as error:
        raise unusable(project.state_dir, error, "the events of a detached run are kept there") from None
    subprocess.Popen(
        arguments(asked, common, project, target, run_id),
        cwd=project.root,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    with answering():
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
    return 0


def arguments(asked: Switch, common: Common, project: Project, target: str, run_id: str) -> list[str]:
    """Return the command line of the run: a fixed list, no shell."""
    from dbswitch.switch import own_command

    line = [*own_command.command(), target, "--json", "--run-id", run_id]
    line += ["--project", str(project.root)]
    if asked.mode is not None:
        line.append({"restart": "--restart", "hot": "--hot", "none": "--no-restart"}[asked.mode.value])
    if asked.confirm is not None:
        line.append(f"--confirm={asked.confirm}")
    if asked.timeout is not None:
        line.append(f"--timeout={asked.timeout:g}")
    if asked.take_port:
        line.append("--take-port")
    if asked.yes:
        line.append("--yes")
    if common.verbose:
        line.append("--verbose")
    return line
