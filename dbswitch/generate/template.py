"""Fill a template: TypeScript that compiles as it stands, in which marked lines are replaced. Pure but for the package data.

A line that ends in `// {name}` is a place; what replaces it is the value, or nothing; in an import only the module is
replaced. So the templates are type-checked and tested as they are.
"""

from __future__ import annotations

import json
import re
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_PLACE = re.compile(r"^(?P<line>.*?) ?// \{(?P<name>[a-z]+)\}$\n?", re.MULTILINE)
_SOURCE = re.compile(r'(?<=from )"[^"]*"')


def read_template(name: str) -> str:
    """Return the text of a template of this package."""
    return files("dbswitch.generate").joinpath("templates", name).read_text(encoding="utf-8")


def fill(template: str, values: Mapping[str, str], modules: Mapping[str, str] | None = None) -> str:
    """Replace every marked line: by its value, or its module by the path in `modules`, which may have more names.

    Raises:
        ValueError: a place has no value, or a value no place; a mistake in dbswitch.
    """
    known = modules or {}
    places = {match["name"] for match in _PLACE.finditer(template)}
    if places - known.keys() != values.keys():
        raise ValueError(f"the template has the places {sorted(places)}, not {sorted(values)}")

    def exchange(match: re.Match[str]) -> str:
        name = match["name"]
        value = values.get(name)
        if value is None:
            value = _SOURCE.sub(lambda _: json.dumps(known[name]), match["line"])
        return f"{value}\n" if value else ""

    return _PLACE.sub(exchange, template)
