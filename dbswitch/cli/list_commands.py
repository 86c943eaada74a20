"""`dbswitch targets` and `dbswitch history`, each as one JSON object and as lines for people."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

from dbswitch.cli.messages import duration
from dbswitch.cli.renderer import Answer, Line, Style, plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from dbswitch.cli.command_context import CommandContext
    from dbswitch.project.targets import TargetRef
    from dbswitch.switch.history import Past


def targets(context: CommandContext) -> int:
    """List the targets; runs no command of a target. Return the exit code."""
    project = context.find_project()
    from dbswitch.project.active import active
    from dbswitch.project.targets import list_targets

    refs = list_targets(project)
    found = active(project, os.environ)
    databases = dict(found.databases)
    fields = {
        "target": found.target,
        "targets": target_fields(refs, databases),
    }
    context.renderer.answer(Answer("targets", fields, tuple(_target_lines(refs, found.target, databases))))
    return 0


def target_fields(refs: Sequence[TargetRef], databases: Mapping[str, str | None]) -> list[dict[str, Any]]:
    """Return the list `targets` of a JSON object; `docs/reference/json.md` documents it."""
    return [
        {
            "name": ref.name,
            "aliases": list(ref.aliases),
            "protected": ref.protected,
            "database": databases.get(ref.name),
            "places": sorted(place.text for place in ref.places),
            "source": ref.source,
        }
        for ref in refs
    ]


def _target_lines(
    refs: Sequence[TargetRef], active: str | None, databases: Mapping[str, str | None]
) -> Iterable[Line]:
    if not refs:
        yield plain("none yet; `dbswitch init` says how to add them")
    wide = max((len(ref.name) for ref in refs), default=0)
    for ref in refs:
        places = ", ".join(sorted({place.text for place in ref.places}))
        yield (
            ("* " if ref.name == active else "  ", Style.GOOD),
            (ref.name.ljust(wide), Style.DANGER if ref.protected else Style.BOLD),
            (f"  {places or databases.get(ref.name) or 'not known before it is used'}", Style.PLAIN),
            (f"  from {ref.source}{', protected' if ref.protected else ''}", Style.DIM),
        )


def history(context: CommandContext, *, count: int) -> int:
    """Show the last switches, newest first; return the exit code."""
    project = context.find_project()
    from dbswitch.switch import history as past

    entries = past.read(project.state_dir)[-count:][::-1]
    fields = {
        "entries": [
            {
                "id": one.id,
                "at": one.at,
                "from": one.previous,
                "to": one.target,
                "outcome": one.outcome.value,
                "seconds": one.seconds,
                "mode": one.mode,
                "verified": one.verified,
            }
            for one in entries
        ]
    }
    context.renderer.answer(Answer("history", fields, tuple(_history_lines(entries))))
    return 0


def _history_lines(entries: Sequence[Past]) -> Iterable[Line]:
    if not entries:
        yield plain("nothing was switched here yet")
    for one in entries:
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(one.at))
        proof = {True: ", verified", False: ", not on it", None: ""}[one.verified]
        good = one.outcome.value in {"switched", "unchanged"}
        yield (
            (f"{when}  ", Style.DIM),
            (f"{one.previous or '?'} -> {one.target}  ", Style.BOLD),
            (f"{one.outcome.value}{proof}", Style.PLAIN if good else Style.BAD),
            (f"  {duration(one.seconds)}  {one.mode}", Style.DIM),
        )
