"""npm version ranges, as `engines` uses them: is a version inside? Pure; pre-release tags count as the release."""

from __future__ import annotations

import re

_VERSION = re.compile(r"[vV=]?(\d+)(?:\.(\d+))?(?:\.(\d+))?")
_GAP = re.compile(r"([<>=^~]+)\s+")  # npm allows `>= 18`, the library does not


def parse_version(text: str) -> tuple[int, int, int] | None:
    """Return major, minor and patch of `v20.19.1`, of `20` as well; None for anything else."""
    found = _VERSION.match(text.strip())
    return (int(found[1]), int(found[2] or 0), int(found[3] or 0)) if found is not None else None


def satisfies(version: str, wanted: str) -> bool | None:
    """Return whether `version` is inside the range; None where one of the two cannot be read."""
    from semantic_version import NpmSpec, Version

    numbers = parse_version(version)
    if numbers is None:
        return None
    release = Version("{}.{}.{}".format(*numbers))
    inside: list[bool | None] = []
    for part in wanted.split("||"):
        try:
            inside.append(release in NpmSpec(_GAP.sub(r"\1", part.strip()) or "*"))
        except ValueError:
            inside.append(None)
    return True if True in inside else None if None in inside else False
