"""The demo's output on stderr."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import Console

    from dbswitch.demo.answers import Answers
    from dbswitch.demo.commands import CommandRun

_LABEL: Final = 32  # columns; with the bar and the time a line fits into 80
_BAR: Final = 32
_DOING: Final = {
    "lock": "taking the lock",
    "recover": "checking for an unfinished switch",
    "observe": "checking the server",
    "plan": "planning",
    "guard": "checking the confirmation",
    "probe": "probing the new database",
    "stop": "stopping the server",
    "ports": "waiting for the port",
    "unlock": "removing Next's lock",
    "write": "changing the env files",
    "reprobe": "probing the database again",
    "start": "starting the server",
    "answer": "waiting for the app's answer",
    "verify": "asking the app for its database",
    "rollback": "rolling back",
}


class Display:
    """Writes lines, live ones where there is a terminal."""

    def __init__(self) -> None:
        from rich.console import Console

        self.console: Console = Console(stderr=True, highlight=False)
        self.fold = self.console.is_terminal  # in a log, a line of JSON stays one line

    def title(self) -> None:
        """Say what this is."""
        self.console.print(
            "[bold]dbswitch demo[/]: two databases, one Next.js and Prisma app, two switches\n"
        )

    def say(self, text: str = "") -> None:
        """Write one line of rich markup."""
        self.console.print(text)

    @contextmanager
    def step(self, text: str) -> Iterator[Callable[[str], None]]:
        """Show a spinner while the block runs, then a tick with its time; yield what changes the spinner's text."""
        began = time.monotonic()
        with self.console.status(text) as status:
            yield lambda detail: status.update(f"{text} [dim]{detail}[/]")
        self.done(text, time.monotonic() - began)

    @contextmanager
    def packages(self) -> Iterator[Callable[[int, int], None]]:
        """Show a progress bar while the packages are installed; yield what advances it."""
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            SpinnerColumn,
            TextColumn,
            TimeElapsedColumn,
        )

        began, wanted = time.monotonic(), 0
        progress = Progress(
            SpinnerColumn(),
            TextColumn("npm packages"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,  # a log gets the line with the result only
        )
        with progress:
            task = progress.add_task("npm", total=None)

            def move(there: int, total: int) -> None:
                nonlocal wanted
                wanted = total
                progress.update(task, completed=there, total=total)

            yield move
        self.done(f"{wanted} npm packages", time.monotonic() - began)

    def done(self, text: str, seconds: float) -> None:
        """Write a tick, what was done and how long it took."""
        self.console.print(f"[green]✓[/] {text} [dim]{seconds:.1f} s[/]")

    def command(self, shown: str) -> None:
        """Write the command that runs now."""
        self.console.print(f"\n[bold]$ {shown}[/]")

    def doing(self, phase: str) -> str:
        """Return the description of a phase."""
        return _DOING.get(phase, phase)

    def timeline(self, run: CommandRun) -> None:
        """Draw the phases of a command on one scale of time."""
        whole = max(run.seconds, 0.001)
        for phase in run.phases:
            if phase.seconds < 0.001 and phase.state == "done":
                continue
            left = min(_BAR - 1, round(phase.began / whole * _BAR))
            width = max(1, min(_BAR - left, round(phase.seconds / whole * _BAR)))
            bar = " " * left + "━" * width
            colour = "cyan" if phase.state == "done" else "red"
            self.console.print(
                f"  {self.doing(phase.name):<{_LABEL}} [{colour}]{bar:<{_BAR}}[/] [dim]{phase.seconds * 1000:7.0f} ms[/]"
            )
        match run.result.get("verified"):
            case True:
                said = ", verified through the app's own Prisma client"
            case False:
                said = ", not verified"
            case _:
                said = ""
        self.console.print(f"  [green]✓[/] done in {run.seconds:.1f} s{said}")

    def answers(self, answers: Answers, port: int) -> None:
        """Show the app's current answer."""
        from rich.markup import escape
        from rich.padding import Padding

        rows = "".join(f" · {row}" for row in answers.rows)
        for path, text in (
            ("/", f"[bold]{escape(answers.headline)}[/]{escape(rows)}"),
            ("/api/items", escape(answers.route)),
        ):
            self.console.print(f"  [dim]GET http://localhost:{port}{path}[/]")
            if self.fold:
                self.console.print(Padding(text, (0, 0, 0, 6)))
            else:
                self.console.print(f"      {text}", soft_wrap=True)
