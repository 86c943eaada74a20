"""What a command line asks for, as one value: the parser makes it, `cli/perform.py` carries it out.

Pure, so that a test compares whole command lines with whole values.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from msgspec import Struct, field

if TYPE_CHECKING:
    from pathlib import Path

    from dbswitch.switch.plan import Mode


class GeneratedKind(StrEnum):
    """What `dbswitch generate` can write."""

    CLIENT = "client"
    ROUTE = "route"
    PAGE = "page"


class CheckFormat(StrEnum):
    """How `dbswitch check` writes its findings."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"
    SARIF = "sarif"


class Common(Struct, frozen=True):
    """The flags every command takes. `project` None: the folder we are in, or the nearest above it."""

    json: bool = False
    quiet: bool = False
    verbose: bool = False
    project: Path | None = None


class Switch(Struct, frozen=True):
    """Point the app at `target`; `-` is the previous one. `timeout` is in seconds."""

    target: str
    mode: Mode | None = None
    confirm: str | None = None
    yes: bool = False
    timeout: float | None = None
    dry_run: bool = False
    detach: bool = False
    take_port: bool = False
    run_id: str | None = None


class Status(Struct, frozen=True):
    """Say which target is active and how the server is."""


class Targets(Struct, frozen=True):
    """List the targets."""


class Dev(Struct, frozen=True):
    """Run the dev server and follow it, or only start it (`detach`)."""

    detach: bool = False
    take_port: bool = False
    yes: bool = False
    timeout: float | None = None


class Stop(Struct, frozen=True):
    """Stop the dev server."""


class Restart(Struct, frozen=True):
    """Stop and start the dev server on the target it is on."""

    take_port: bool = False
    yes: bool = False
    timeout: float | None = None


class Logs(Struct, frozen=True):
    """Print the last `lines` lines of the server's log, and go on with `follow`."""

    follow: bool = False
    lines: int = 100


class Wait(Struct, frozen=True):
    """Wait until a target's database is ready; None is the active one."""

    target: str | None = None
    timeout: float | None = None


class Exec(Struct, frozen=True):
    """Run `command` with a target's variables in its environment."""

    target: str
    command: tuple[str, ...]
    confirm: str | None = None


class History(Struct, frozen=True):
    """Show the last `count` switches."""

    count: int = 10


class Init(Struct, frozen=True):
    """Look at the project and write what is missing."""

    dry_run: bool = False
    yes: bool = False
    scripts: bool = False


class Generate(Struct, frozen=True):
    """Write TypeScript into the project; `identity_only` asks for the smaller of the two routes."""

    kind: GeneratedKind
    check: bool = False
    force: bool = False
    dry_run: bool = False
    identity_only: bool = False
    path: str | None = None


class Open(Struct, frozen=True):
    """Open the admin page."""


class Check(Struct, frozen=True):
    """Judge the staged content, or the `work_tree`, or the commits of `revisions`; only `paths` of it where given.

    `every_variable`: undefined variables that no target sets are findings too.
    """

    work_tree: bool = False
    revisions: str | None = None
    format: CheckFormat = CheckFormat.TEXT
    fix: bool = False
    strict: bool = False
    every_variable: bool = False
    paths: tuple[str, ...] = ()


class Doctor(Struct, frozen=True):
    """Report on the machine, the project and its targets; `run_commands` also runs the commands of targets."""

    run_commands: bool = False


class Uninstall(Struct, frozen=True):
    """Take away what dbswitch wrote; `stop` ends the dev server first."""

    dry_run: bool = False
    yes: bool = False
    stop: bool = False


class Demo(Struct, frozen=True):
    """Show the whole thing on an embedded database."""

    keep: bool = False
    stop: bool = False


Operation = (
    Switch
    | Status
    | Uninstall
    | Open
    | Targets
    | Dev
    | Stop
    | Restart
    | Logs
    | Wait
    | Exec
    | History
    | Init
    | Generate
    | Check
    | Doctor
    | Demo
)


class Invocation(Struct, frozen=True):
    """One parsed command line."""

    operation: Operation
    common: Common = field(default_factory=Common)
