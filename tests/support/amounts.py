"""How many cases a test tries: a seeded slice in `make test`, all of them in `make test-all`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable


def slice_and_sweep(name: str, some: int, all_of_them: int) -> pytest.MarkDecorator:
    """Parametrize `name` with a small number and, as a sweep, with the full one."""
    return pytest.mark.parametrize(name, [some, pytest.param(all_of_them, marks=pytest.mark.sweep)])


def first_and_sweep(names: Iterable[object]) -> list[object]:
    """Return parameters of which only the first is no sweep."""
    first, *others = names
    return [first, *(pytest.param(one, marks=pytest.mark.sweep) for one in others)]
