"""What every command gets besides its own arguments: the common flags, the renderer, the project, questions."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from dbswitch.errors import DbswitchError, UsageError
from dbswitch.project.discovery import discover
from dbswitch.project.targets import list_targets
from dbswitch.switch import time_limit

if TYPE_CHECKING:
    from collections.abc import Callable

    from dbswitch.cli.renderer import Renderer
    from dbswitch.project.discovery import Project
    from dbswitch.switch.confirmation import Question


class CommandContext(Struct, frozen=True):
    """The flags that every command takes. `folder` None: the current folder, or the nearest project above it."""

    renderer: Renderer
    json: bool = False
    quiet: bool = False
    verbose: bool = False
    folder: Path | None = None

    def find_project(self, *, list_names: bool = True, past_limit: bool = True) -> Project:
        """Return the project; say that a time limit has passed, unless the command acts on it itself (`past_limit` False).

        `list_names`: tell the renderer which targets are protected; a command that must work with a wrong one does without.
        Raises ConfigError: no project here, or its files cannot be used.
        """
        project = discover(self.start_folder())
        if list_names:
            self.renderer.protect(target.name for target in list_targets(project) if target.protected)
        if past_limit:
            self.tell_past_limit(project)
        return project

    def start_folder(self) -> Path:
        """Return the folder to look for the project from. Raises UsageError: the current folder has been removed."""
        try:
            return self.folder or Path.cwd()
        except FileNotFoundError:
            raise UsageError(
                "the current folder is gone",
                why="dbswitch looks for the project from there",
                fix="cd into the app again, or give its folder with --project DIR",
            ) from None

    @property
    def interactive(self) -> bool:
        """Whether questions can be asked: stdin and stderr are terminals, and the output is not JSON."""
        return not self.json and sys.stdin.isatty() and sys.stderr.isatty()

    def asker(self) -> Callable[[Question], str] | None:
        """Return what asks a question on the terminal, or None without one."""
        if not self.interactive:
            return None

        def ask(question: Question) -> str:
            try:
                prompt = f"Type {question.expected} to continue: "
                return self.renderer.question([question.text], prompt).strip()
            except EOFError:
                return ""

        return ask

    def agrees(self, prompt: str, *, default: bool) -> bool:
        """Ask a yes-or-no question; the end of the input is a no. Only where `interactive`."""
        try:
            typed = self.renderer.question([], prompt).strip().lower()
        except EOFError:
            return False
        return typed in {"y", "yes"} or (default and not typed)

    def agree_to_take_port(self, *, yes: bool) -> None:
        """Ask before a foreign program is ended. Raises UsageError: it was not confirmed."""
        if yes:
            return
        if not self.interactive:
            raise UsageError(
                "--take-port needs --yes without a terminal",
                why="it ends a program that is not dbswitch's",
                fix="add --yes",
            )
        self.renderer.note("--take-port ends the program that holds the server's port, whatever it is.")
        if not self.agrees("Continue? [y/N] ", default=False):
            raise UsageError("--take-port was not confirmed", why="nothing was changed")

    def note(self, text: str | None) -> None:
        """Print a remark for people, where there is one."""
        if text is not None:
            self.renderer.note(text)

    def tell_past_limit(self, project: Project) -> None:
        """Say that a time limit has passed, and which command goes back."""
        with contextlib.suppress(DbswitchError):  # files that cannot be read are the command's to report
            if (limit := time_limit.passed(project)) is not None:
                self.renderer.note(limit.text)
