"""From facts to findings. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbswitch.check.doctor import judging_machine, judging_project, judging_readers, judging_targets
from dbswitch.check.doctor.findings import Finding, FindingId, Level

if TYPE_CHECKING:
    from dbswitch.check.doctor.facts import Facts


def judge(facts: Facts) -> tuple[Finding, ...]:
    """Return everything there is to say, area by area; an area without anything worse than info also says that it is well."""
    found: list[Finding] = []
    for area in (
        judging_machine.versions,
        judging_readers.readers,
        judging_targets.targets,
        judging_targets.migrations,
        judging_project.server,
        judging_project.files,
        judging_project.generated,
    ):
        found.extend(area(facts))
    found.extend(Finding(FindingId.PROJECT_UNCLEAR, Level.INFO, notice) for notice in facts.notices)
    return tuple(found)
