"""Add scripts to a package.json and entries to a .gitignore, and remove them; every other byte stays. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence

from dbswitch.durable import parse_json

_IGNORE_HEADER = b"# dbswitch: values and state that belong to this machine"
_SCRIPTS = re.compile(r'"scripts"\s*:\s*(?=\{)')
_OURS = r'"db:(?P<name>(?:[^"\\]|\\.)*)"\s*:\s*"dbswitch (?P=name)"'
_LATER = re.compile(rf",\s*{_OURS}")
_ONLY = re.compile(rf"(?<=\{{)\s*{_OURS}\s*(?=\}})")
_FIRST = re.compile(rf"(?<=\{{)(?P<space>\s*){_OURS}\s*,\s*")


def add_scripts(text: str, scripts: Mapping[str, str]) -> str | None:
    """Return the text of a package.json with those `scripts` whose names are free; None where it cannot be edited safely."""
    try:
        value = parse_json(text)
        old = value.get("scripts", {})
        missing = {name: line for name, line in scripts.items() if name not in old}
        if not missing:
            return text
        wanted = {**value, "scripts": {**old, **missing}}
    except (ValueError, TypeError, AttributeError):
        return None
    # A key of that name may also stand deeper, or in a string: the result decides.
    edits = [_appended(text, place.end(), missing) for place in _SCRIPTS.finditer(text)]
    if "scripts" not in value:
        edits = [_with_new_object(text, missing)]
    return next((new for new in edits if _parses_as(new, wanted)), None)


def remove_scripts(text: str) -> str:
    """Return the text of a package.json without the scripts of :func:`add_scripts`, if it can be edited safely."""
    try:
        value = parse_json(text)
        scripts = value["scripts"].items()
        kept = {name: line for name, line in scripts if (name[:3], line) != ("db:", f"dbswitch {name[3:]}")}
    except (ValueError, TypeError, AttributeError, KeyError):
        return text
    new = _FIRST.sub(r"\g<space>", _ONLY.sub("", _LATER.sub("", text)))
    return new if _parses_as(new, {**value, "scripts": kept}) else text


def _parses_as(text: str, wanted: object) -> bool:
    try:
        return bool(parse_json(text) == wanted)
    except ValueError:
        return False


def _layout(text: str) -> tuple[str, str]:
    first = re.search(r"\{\r?\n([ \t]+)\"", text)
    return "\r\n" if "\r\n" in text else "\n", first[1] if first is not None else "  "


def _members(scripts: Mapping[str, str], between: str) -> str:
    return between.join(f"{json.dumps(name)}: {json.dumps(line)}" for name, line in scripts.items())


def _with_new_object(text: str, scripts: Mapping[str, str]) -> str:
    line_end, step = _layout(text)
    brace = text.index("{") + 1
    inner = _members(scripts, f",{line_end}{step * 2}")
    comma = "" if text[brace:].lstrip().startswith("}") else ","
    block = f'{line_end}{step}"scripts": {{{line_end}{step * 2}{inner}{line_end}{step}}}{comma}'
    return text[:brace] + block + text[brace:]


def _appended(text: str, start: int, scripts: Mapping[str, str]) -> str:
    """Return the text with `scripts` added to the end of the object at `start`."""
    line_end, step = _layout(text)
    try:
        _, end = json.JSONDecoder().raw_decode(text, start)
    except ValueError:  # the text looks like a key inside a string
        return ""
    before = text[: end - 1].rstrip()
    space = text[len(before) : end - 1]
    empty = before.endswith("{")
    if "\n" not in text[start:end] and not empty:
        return f"{before}, {_members(scripts, ', ')}{text[len(before) :]}"
    lead = f"{'' if empty else ','}{line_end}{step * 2}"
    tail = space if "\n" in space else f"{line_end}{step}"
    return before + lead + _members(scripts, f",{line_end}{step * 2}") + tail + text[end - 1 :]


def add_ignored(old: bytes, entries: Sequence[str]) -> bytes:
    """Return a .gitignore with a block of `entries` at its end; line ends as it has them."""
    line_end = b"\r\n" if b"\r\n" in old else b"\n"
    gap = (b"" if old.endswith(b"\n") else line_end) + line_end if old else b""
    return old + gap + line_end.join([_IGNORE_HEADER, *(entry.encode() for entry in entries), b""])


def remove_ignored(content: bytes, entries: Collection[str]) -> bytes:
    """Return a .gitignore without the block of :func:`add_ignored`: its header, and those of `entries` that follow."""
    lines = content.splitlines(keepends=True)
    start = next((n for n, line in enumerate(lines) if line.rstrip(b"\r\n") == _IGNORE_HEADER), None)
    if start is None:
        return content
    end = start + 1
    while end < len(lines) and lines[end].rstrip(b"\r\n").decode(errors="replace") in entries:
        end += 1
    if start and not lines[start - 1].strip():
        start -= 1  # the blank line above it
    return b"".join(lines[:start] + lines[end:])
