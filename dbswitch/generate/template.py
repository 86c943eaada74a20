"""Fill a template: TypeScript that compiles as it stands, in which marked lines are replaced. Pure but for the package data.

A line that ends in `// {name}` is a place; what replaces it is the value, or nothing. So the templates are type-checked
and tested as they are.
"""

from __future__ import annotations

import re
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_PLACE = re.compile(r"^.*// \{(?P<name>[a-z]+)\}$\n?", re.MULTILINE)


def read_template(name: str) -> str:
    """Return the text of a template of this package."""
    return files("dbswitch.generate").joinpath("templates", name).read_text(encoding="utf-8")


def fill(template: str, values: Mapping[str, str]) -> str:
    """Replace every marked line.

    Raises:
        ValueError: the places and the names of `values` differ; a mistake in dbswitch.
    """
    places = [match["name"] for match in _PLACE.finditer(template)]
    if sorted(places) != sorted(values):
        raise ValueError(f"the template has the places {sorted(places)}, not {sorted(values)}")

    def exchange(match: re.Match[str]) -> str:
        value = values[match["name"]]
        return f"{value}\n" if value else ""

    return _PLACE.sub(exchange, template)
