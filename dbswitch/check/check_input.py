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


class SecretValue(Struct, frozen=True):
    """One hidden text of a protected target; `label` says what it is: "password" or a variable's name."""

    label: str
    text: str

    def __repr__(self) -> str:
        return f"Secret({self.label!r})"


class ProtectedTarget(Struct, frozen=True):
    """The texts that must not appear anywhere: the secrets and hosts of one protected target."""

    target: str
    secrets: tuple[SecretValue, ...]
    hosts: tuple[str, ...]


class App(Struct, frozen=True):
    """One application of the repository."""

    folder: str  # its path with a trailing `/`; empty for the top of the repository
    files: Mapping[
        str, bytes
    ]  # the env files of the checkout, examples left out, by name relative to the app
    examples: Mapping[str, bytes]  # the example env files likewise
    tracked: frozenset[str]  # names among `files` that git tracks
    unignored: frozenset[str]  # private names that git neither tracks nor ignores
    url_variables: tuple[str, ...]
    target_variables: frozenset[str]
    profiles: tuple[ReaderProfile, ...]
    protected_targets: tuple[ProtectedTarget, ...]
    protected: frozenset[str]
    ambient: Mapping[str, str]
    active: Active | None = None  # which target the checkout is on; None if unknown

    @property
    def gitignore(self) -> str:
        """The path of its ignore file."""
        return f"{self.folder}.gitignore"


class CheckInput(Struct, frozen=True):
    """The input of one run."""

    scope: Scope
    content: Mapping[str, bytes]  # what is judged, by path: the staged files, the range's or the work tree's
    apps: tuple[App, ...]
    others: Mapping[str, bytes] = {}  # further files that findings may point into: env files of the checkout
    excluded: tuple[str, ...] = ()
    every_variable: bool = False  # undefined variables that no target sets are findings too
    earlier: tuple[
        tuple[str, bytes], ...
    ] = ()  # what a commit inside a range had and its last commit has not
