"""From facts to findings. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbswitch.check.doctor import reader_rules, server_and_file_rules, target_rules, version_rules
from dbswitch.check.doctor.doctor_findings import DoctorFinding, FindingId as Id

if TYPE_CHECKING:
    from dbswitch.check.doctor.doctor_facts import Facts


def judge(facts: Facts) -> tuple[DoctorFinding, ...]:
    """Return all findings, area by area; an area with nothing worse than info also gets an ok finding."""
    found: list[DoctorFinding] = []
    for area in (
        version_rules.versions,
        reader_rules.readers,
        target_rules.targets,
        target_rules.migrations,
        server_and_file_rules.server,
        server_and_file_rules.files,
        server_and_file_rules.generated,
    ):
        found.extend(area(facts))
    found.extend(Id.PROJECT_UNCLEAR.found(notice) for notice in facts.notices)
    return tuple(found)
