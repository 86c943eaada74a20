"""Lengths of time as people write and read them: `30m`, `1h30m`; `24 min`."""

from __future__ import annotations

import re
from typing import Final

_LENGTH: Final = r"(?:([0-9]{1,6})d)?(?:([0-9]{1,6})h)?(?:([0-9]{1,6})m)?(?:([0-9]{1,6})s)?"
UNLIMITED: Final = "unlimited"  # instead of a length of time: no limit
LENGTH_RULE: Final = "write a number with its unit: 90s, 30m, 2h or 1h30m, at most 7d"


def seconds_of(text: str) -> float | None:
    """Return the seconds of a length of time such as `30m` or `1h30m`; None if it is none, or not from 1 s to 7 days."""
    found = re.fullmatch(_LENGTH, text)
    units = zip(found.groups(default="0"), (86_400, 3_600, 60, 1), strict=True) if found else ()
    seconds = sum(int(number) * unit for number, unit in units)
    return float(seconds) if 1 <= seconds <= 7 * 86_400 else None


def span(seconds: float) -> str:
    """Return a length of time for people: `45 s`, `24 min`, `2 h 5 min`."""
    if seconds < 99.5:
        return f"{max(0, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"
