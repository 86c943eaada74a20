"""The input of the rules: the content, and the facts about the apps in it; `input_collection.py` fills it in."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dbswitch.envfiles.precedence import ReaderProfile
    from dbswitch.project.active import Active


class Scope(StrEnum):
    """Which content is judged."""

    INDEX = "index"
    TREE = "work tree"
    RANGE = "range"


class Secret(Struct, frozen=True):
    """One hidden text of a protected target; `label` says what it is: "password" or a variable's name."""

    label: str
    text: str

    def __repr__(self) -> str:
        return f"Secret({self.label!r})"


class ProtectedTarget(Struct, frozen=True):
    """The texts that must not appear anywhere: the secrets and hosts of one protected target."""

    target: str
    secrets: tuple[Secret, ...]
    hosts: tuple[str, ...]


class App(Struct, frozen=True):
    """One application of the repository.

    Attributes:
        folder: its path with a trailing `/`; empty for the top of the repository.
        files: the env files of the checkout, examples left out, by name relative to the app.
        examples: the example env files likewise.
        tracked: names among `files` that git tracks.
        unignored: private names that git neither tracks nor ignores.
        active: which target the checkout is on; None if unknown.
    """

    folder: str
    files: Mapping[str, bytes]
    examples: Mapping[str, bytes]
    tracked: frozenset[str]
    unignored: frozenset[str]
    url_variables: tuple[str, ...]
    target_variables: frozenset[str]
    profiles: tuple[ReaderProfile, ...]
    protected_targets: tuple[ProtectedTarget, ...]
    protected: frozenset[str]
    ambient: Mapping[str, str]
    active: Active | None = None


class CheckInput(Struct, frozen=True):
    """The input of one run.

    Attributes:
        content: path -> bytes of what is judged: the staged files, the range's or the work tree's.
        others: path -> bytes of further files findings may point into (env files of the checkout).
        every_variable: undefined variables that no target sets are findings too.
        earlier: (path, bytes) of what a commit inside a range had and the range's last commit has not.
    """

    scope: Scope
    content: Mapping[str, bytes]
    apps: tuple[App, ...]
    others: Mapping[str, bytes] = {}
    excluded: tuple[str, ...] = ()
    every_variable: bool = False
    earlier: tuple[tuple[str, bytes], ...] = ()
