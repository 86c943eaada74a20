"""Adding scripts to a package.json by changing those bytes only: indentation, order and line ends stay. Pure."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_SPACE = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder()


def add_scripts(text: str, scripts: Mapping[str, str]) -> str | None:
    """Return the text of a package.json with those `scripts` added whose names are free; the same text if none is.

    None where the text cannot be edited safely: it is no JSON object, `scripts` is none, or the result would not
    parse as the old value plus the new scripts.
    """
    try:
        value = json.loads(text)
        old = value.get("scripts", {})
        missing = {name: line for name, line in scripts.items() if name not in old}
        if not missing:
            return text
        new = _insert(text, missing, has_scripts="scripts" in value)
        wanted = {**value, "scripts": {**old, **missing}}
        return new if json.loads(new) == wanted else None
    except (ValueError, TypeError, AttributeError):
        return None


def _insert(text: str, missing: Mapping[str, str], *, has_scripts: bool) -> str:
    line_end = "\r\n" if "\r\n" in text else "\n"
    step = _indent(text)
    members = [f"{json.dumps(name)}: {json.dumps(line)}" for name, line in missing.items()]
    if not has_scripts:
        brace = text.index("{") + 1
        inner = f",{line_end}{step * 2}".join(members)
        block = f'{line_end}{step}"scripts": {{{line_end}{step * 2}{inner}{line_end}{step}}}'
        comma = "" if text[_skip(text, brace)] == "}" else ","
        return text[:brace] + block + comma + text[brace:]
    start, end = _find(text, "scripts")
    closing = end - 1
    last = len(text[:closing].rstrip()) - 1
    empty = text[last] == "{"
    if "\n" not in text[start:end] and not empty:
        return text[: last + 1] + ", " + ", ".join(members) + text[last + 1 :]
    separator = f",{line_end}{step * 2}"
    lead = "" if empty else ","
    tail = text[last + 1 :] if "\n" in text[last:closing] else f"{line_end}{step}{text[closing:]}"
    return text[: last + 1] + lead + f"{line_end}{step * 2}" + separator.join(members) + tail


def _find(text: str, wanted: str) -> tuple[int, int]:
    """Return where the value of a top-level key begins and ends; of duplicates the last, as JSON readers take it."""
    found: tuple[int, int] | None = None
    position = _skip(text, text.index("{") + 1)
    while text[position] != "}":
        key, position = _DECODER.raw_decode(text, position)
        position = _skip(text, _skip(text, position) + 1)
        _, end = _DECODER.raw_decode(text, position)
        if key == wanted:
            found = (position, end)
        position = _skip(text, end)
        if text[position] == ",":
            position = _skip(text, position + 1)
    if found is None:
        raise ValueError(wanted)
    return found


def _skip(text: str, position: int) -> int:
    match = _SPACE.match(text, position)
    return match.end() if match is not None else position


def _indent(text: str) -> str:
    first = re.search(r"\{\r?\n([ \t]+)\"", text)
    return first[1] if first is not None else "  "
