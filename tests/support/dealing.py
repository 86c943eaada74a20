"""The order of the tests: xdist gives each worker an equal slice of it, and idle workers steal from the end of a slice.

Without this the slow tests, which are neighbours, are one worker's. Tests that start Next.js come first, in half of the
slices (a start takes more than one core), and those of a module, or of an app that modules share, stay together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

T = TypeVar("T")


def deal(
    tests: Sequence[T], workers: int, *, slow: Callable[[T], bool], together: Callable[[T], Hashable]
) -> list[T]:
    """Return `tests` in the order to give to xdist."""
    belong: dict[Hashable, list[T]] = {}
    for test in filter(slow, tests):
        belong.setdefault(together(test), []).append(test)
    groups = sorted(belong.values(), key=len, reverse=True)
    slices: list[list[T]] = [[] for _ in range(workers)]
    for number, group in enumerate(groups):
        slices[number % max(1, workers // 2)].extend(group)
    sizes, left = [], len(tests)
    for number in range(workers):  # as xdist cuts
        sizes.append(left // (workers - number))
        left -= sizes[-1]
    turn = 0
    for test in tests:
        if slow(test):
            continue
        room = [part for part, size in zip(slices, sizes, strict=True) if len(part) < size]
        (room or slices)[turn % len(room or slices)].append(test)
        turn += 1
    return [test for part in slices for test in part]
