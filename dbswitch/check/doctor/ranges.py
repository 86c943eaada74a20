"""npm version ranges, as `engines` uses them: is a version inside? Pure.

Source: the grammar of npm's `semver` ("Ranges", "Advanced Range Syntax"). Pre-release tags count as the release.
"""

from __future__ import annotations

import re

_Triple = tuple[int, int, int]
_INFINITE = 1 << 30
_VERSION = re.compile(r"[vV=]?(\d+)(?:\.(\d+))?(?:\.(\d+))?")
_PARTIAL = re.compile(
    r"(?P<operator>\^|~>?|>=|<=|>|<|=)?\s*[vV]?(?P<major>\d+|[xX*])(?:\.(?P<minor>\d+|[xX*]))?(?:\.(?P<patch>\d+|[xX*]))?"
    r"(?:[-+][0-9A-Za-z.+-]*)?"
)
_HYPHEN = re.compile(r"\s+-\s+")


def parse_version(text: str) -> _Triple | None:
    """Return major, minor and patch of `v20.19.1`, of `20` as well; None for anything else."""
    found = _VERSION.match(text.strip())
    return (int(found[1]), int(found[2] or 0), int(found[3] or 0)) if found is not None else None


def satisfies(version: str, wanted: str) -> bool | None:
    """Return whether `version` is inside the range; None where either is written in a way not known here."""
    triple = parse_version(version)
    if triple is None:
        return None
    verdicts = [_inside(triple, part.strip()) for part in wanted.split("||")]
    if True in verdicts:
        return True
    return None if None in verdicts else False


def _inside(version: _Triple, comparators: str) -> bool | None:
    ends = _HYPHEN.split(comparators)
    if len(ends) == 2:
        comparators = f">={ends[0]} <={ends[1]}"
    position = 0
    good = True
    text = comparators.strip()
    while position < len(text):
        found = _PARTIAL.match(text, position)
        if found is None:
            return None
        low, high = _bounds(found)
        good = good and low <= version < high
        position = found.end()
        if position < len(text) and not text[position].isspace() and text[position] not in "<>=^~":
            return None
        while position < len(text) and text[position].isspace():
            position += 1
    return good


def _bounds(found: re.Match[str]) -> tuple[_Triple, _Triple]:
    """Return the first version inside and the first above."""
    parts = [
        int(part) if part and part.isdecimal() else None for part in found.group("major", "minor", "patch")
    ]
    known = parts.index(None) if None in parts else 3
    numbers = [part or 0 for part in parts]
    base = (numbers[0], numbers[1] if known > 1 else 0, numbers[2] if known > 2 else 0)
    nowhere, everywhere = (0, 0, 0), (_INFINITE, 0, 0)
    after = _after(base, known)
    match found["operator"]:
        case ">=":
            return base, everywhere
        case ">":
            return after, everywhere
        case "<":
            return nowhere, base
        case "<=":
            return nowhere, after
        case "^":
            # Up to the next change of the leftmost number that is not zero.
            first = next((i for i in range(min(known, 3)) if base[i]), max(known - 1, 0))
            return base, _after(base, first + 1) if known else everywhere
        case "~" | "~>":
            return base, _after(base, min(known, 2))
        case _:
            return base, after


def _after(base: _Triple, known: int) -> _Triple:
    """Return the first version behind all that begin with the first `known` numbers of `base`."""
    match known:
        case 0:
            return (_INFINITE, 0, 0)
        case 1:
            return (base[0] + 1, 0, 0)
        case 2:
            return (base[0], base[1] + 1, 0)
        case _:
            return (base[0], base[1], base[2] + 1)
