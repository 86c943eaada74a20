"""Adding scripts to a package.json and removing them by changing those bytes only: indentation, order and line ends stay. Pure."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from dbswitch.json_text import parse_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_SPACE = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder()


def add_scripts(text: str, scripts: Mapping[str, str]) -> str | None:
    """Return the text of a package.json with those `scripts` added whose names are free; the same text if none is.

    None where the text cannot be edited safely: it or its `scripts` is not a JSON object, or the result would not
    parse as the old value plus the new scripts.
    """
    try:
        value = parse_json(text)
        old = value.get("scripts", {})
        missing = {name: line for name, line in scripts.items() if name not in old}
        if not missing:
            return text
        new = _insert(text, missing, has_scripts="scripts" in value)
        wanted = {**value, "scripts": {**old, **missing}}
        return new if parse_json(new) == wanted else None
    except (ValueError, TypeError, AttributeError):
        return None


def remove_scripts(text: str) -> str:
    """Return the text of a package.json without the scripts that :func:`add_scripts` added for dbswitch.

    Unchanged if there are none, or if it cannot be edited safely.
    """
    try:
        value = parse_json(text)
        old = value.get("scripts", {})
        ours = {name for name, line in old.items() if _is_ours(name, line)}
        if not ours:
            return text
        start, end = _find(text, "scripts")
        members = list(_members(text, start))
        kept = [one for one in members if one[0] not in ours]
        if not kept:
            new = text[: start + 1] + text[end - 1 :]
        elif members[0][0] in ours:  # the space before the first member is kept
            first = text[start + 1 : members[0][1]]
            inner = _joined(text, kept)
            new = text[: start + 1] + first + inner + text[members[-1][2] :]
        else:
            new = text[: members[0][1]] + _joined(text, kept) + text[members[-1][2] :]
        wanted = {**value, "scripts": {name: line for name, line in old.items() if name not in ours}}
        return new if parse_json(new) == wanted else text
    except (ValueError, TypeError, AttributeError):
        return text


def _is_ours(name: str, line: object) -> bool:
    return isinstance(line, str) and name.startswith("db:") and line == f"dbswitch {name[3:]}"


def _joined(text: str, members: Sequence[tuple[str, int, int]]) -> str:
    """Return the members with the comma and the space that stand between the first two of the text's own."""
    first, *rest = members
    pieces = [text[first[1] : first[2]]]
    for one in rest:
        lead = text.rindex(",", 0, one[1])
        pieces.append(text[lead : one[2]])
    return "".join(pieces)


def _members(text: str, start: int) -> Iterator[tuple[str, int, int]]:
    """Yield the name of each member of the object at `start`, and where it begins and ends."""
    position = _skip(text, start + 1)
    while text[position] != "}":
        begin = position
        key, position = _DECODER.raw_decode(text, position)
        position = _skip(text, _skip(text, position) + 1)
        _, end = _DECODER.raw_decode(text, position)
        yield key, begin, end
        position = _skip(text, end)
        if text[position] == ",":
            position = _skip(text, position + 1)


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
    found = [(begin, end) for key, begin, end in _members(text, text.index("{")) if key == wanted]
    if not found:
        raise ValueError(wanted)
    begin, end = found[-1]
    _, colon = _DECODER.raw_decode(text, begin)
    return _skip(text, _skip(text, colon) + 1), end


def _skip(text: str, position: int) -> int:
    match = _SPACE.match(text, position)
    return match.end() if match is not None else position


def _indent(text: str) -> str:
    first = re.search(r"\{\r?\n([ \t]+)\"", text)
    return first[1] if first is not None else "  "
