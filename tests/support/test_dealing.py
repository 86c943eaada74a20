"""Slow tests are spread over the workers, and what belongs together stays together."""

from __future__ import annotations

import pytest

from tests.support.dealing import deal

TESTS = [f"{module}{number}" for module in "abcdef" for number in range(7)]


def dealt(workers: int) -> list[list[str]]:
    order = deal(TESTS, workers, slow=lambda test: test[0] in "bc", together=lambda test: test[0])
    slices, left = [], order
    for number in range(workers):
        size = len(left) // (workers - number)
        slices.append(left[:size])
        left = left[size:]
    return slices


@pytest.mark.parametrize("workers", [1, 2, 3, 4, 5])
def test_every_test_is_dealt_once(workers):
    assert sorted(test for part in dealt(workers) for test in part) == TESTS


def test_slow_modules_come_first_and_whole_in_half_of_the_slices():
    first, second, third, fourth = dealt(4)
    assert {test[0] for test in first[:7]} == {"b"}
    assert {test[0] for test in second[:7]} == {"c"}
    assert not {test[0] for test in third + fourth} & set("bc")


def test_neighbours_among_the_others_go_to_different_workers():
    _, _, third, fourth = dealt(4)
    assert {"a", "e", "f"} <= {test[0] for test in third}
    assert {"a", "e", "f"} <= {test[0] for test in fourth}
