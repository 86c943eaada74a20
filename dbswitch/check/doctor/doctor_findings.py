"""The findings of doctor, as values. Pure. `docs/how-to/doctor.md` has a line for every id."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from dbswitch.errors import DbswitchError


class Level(StrEnum):
    """How much it matters; from `warning` on the exit code is 1."""

    OK = "ok"
    INFO = "info"
    WARNING = "warning"
    PROBLEM = "problem"

    @property
    def rank(self) -> int:
        """0 for ok, up to 3 for a problem."""
        return tuple(Level).index(self)

    def found(self, name: str, what: str, *facts: str, fix: str = "") -> DoctorFinding:
        """Return a finding of this level; see :class:`DoctorFinding`. Empty facts are left out."""
        return DoctorFinding(name, self, what.rstrip("."), tuple(filter(None, facts)), fix)

    def failed(self, name: str, error: DbswitchError, before: str = "", fix: str = "") -> DoctorFinding:
        """Return the finding that something could not be inspected or used."""
        return self.found(name, f"{before}{error.what}", *error.facts, fix=fix or error.fix)


OK, INFO, WARNING, PROBLEM = Level


class DoctorFinding(Struct, frozen=True):
    """One finding. It contains no secret."""

    id: str
    level: Level
    what: str  # one sentence
    facts: tuple[str, ...] = ()  # short lines with what was seen
    fix: str = ""  # the command or edit that helps; empty if there is nothing to do


def worst(findings: tuple[DoctorFinding, ...]) -> Level:
    """Return the highest level among `findings`."""
    return max((one.level for one in findings), key=lambda level: level.rank, default=Level.OK)


def in_order(findings: tuple[DoctorFinding, ...]) -> tuple[DoctorFinding, ...]:
    """Return the findings with the worst first, otherwise in the order in which they were found."""
    return tuple(sorted(findings, key=lambda one: -one.level.rank))
