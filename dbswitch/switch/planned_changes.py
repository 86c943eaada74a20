"""What a plan changes for the readers of the env files, one line per variable; without secrets. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbswitch.database.url import DatabaseUrl
from dbswitch.envfiles.precedence import effective
from dbswitch.errors import UrlError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dbswitch.envfiles.placement import EditPlan
    from dbswitch.envfiles.precedence import ReaderProfile
    from dbswitch.project.targets import Target


def changed_variables(
    target: Target, plan: EditPlan, files: Mapping[str, bytes], profiles: Sequence[ReaderProfile]
) -> tuple[str, ...]:
    """Return `KEY: before -> after` for every variable that changes, and what is removed because `target` lacks it.

    Args:
        target: where the switch goes.
        plan: the edits.
        files: the env files as they are, name to content.
        profiles: the readers; the first one that sees a change is described.
    """
    after = {**files, **{edit.name: edit.new for edit in plan.edits}}
    lines: list[str] = []
    for key in sorted({key for edit in plan.edits for key in edit.keys}):
        values = [
            (effective(key, one, files, {}).value, effective(key, one, after, {}).value) for one in profiles
        ]
        old, new = next(
            ((old, new) for old, new in values if old != new), values[0] if values else (None, None)
        )
        if new is None and key not in target.variables:
            lines.append(f"{target.name} has no {key}: it is removed")
        else:
            lines.append(f"{key}: {_described(old)} -> {_described(new, old)}")
    return tuple(lines)


def _described(value: str | None, before: str | None = None) -> str:
    """Return a value without its secret: the place of a URL, else only whether it is set."""
    if not value:
        return "not set" if value is None else "empty"
    place = _place(value)
    if place is None:
        return "set" if not before or _place(before) is not None else "set to another value"
    same = before is not None and _place(before) == place
    return f"{place} (other user, password or options)" if same else place


def _place(value: str) -> str | None:
    try:
        url = DatabaseUrl.parse(value)
    except UrlError:
        return None
    return f"{url.address}/{url.database}"
