"""The texts for people: phases, plans, verdicts and errors, as lines. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from dbswitch.switch.events import (
    ErrorInfo,
    Notice,
    Outcome,
    Phase,
    PhaseChanged,
    PhaseState,
    Planned,
    Result,
)

if TYPE_CHECKING:
    from dbswitch.project.target_sources import TargetRef

CONFIRMED = "confirmed by the app"
CONFIRMED_BY_CLIENT = "confirmed through the pool"
NOTHING_DONE = frozenset({"already-running", "not-running"})  # codes of notices that explain "nothing to do"
IN_VERDICT = frozenset({*NOTHING_DONE, "migrations"})  # codes of notices that the verdict tells

_PHASES = {  # while it lasts, when it is done
    Phase.LOCK: ("waiting for the lock", "lock taken"),
    Phase.RECOVER: ("looking for an unfinished switch", "no unfinished switch left"),
    Phase.OBSERVE: ("examining the project", "project examined"),
    Phase.PLAN: ("planning", "planned"),
    Phase.GUARD: ("asking for confirmation", "confirmed"),
    Phase.PROBE: ("asking the database", "database is ready"),
    Phase.BASELINE: ("asking the app for its current database", "app asked for its current database"),
    Phase.STOP: ("stopping the server", "server stopped"),
    Phase.PORTS: ("waiting for the ports", "ports are free"),
    Phase.UNLOCK: ("removing the Next.js lock", "Next.js lock removed"),
    Phase.PAUSE: ("pausing the pool", "pool is paused"),
    Phase.WRITE: ("writing the files", "files written"),
    Phase.RELOAD: ("reloading PgBouncer", "PgBouncer reloaded"),
    Phase.RESUME: ("lifting the pause", "pause lifted"),
    Phase.REPROBE: ("asking the database again", "database is still ready"),
    Phase.START: ("starting the server", "server started"),
    Phase.ANSWER: ("waiting for the server's answer", "server answers"),
    Phase.VERIFY: ("asking the app which database it is on", "app checked"),
    Phase.ROLLBACK: ("rolling back", "rolled back"),
}
DOING = {phase: doing for phase, (doing, _) in _PHASES.items()}
# These are shown only when slow: then they explain a wait.
_USUALLY_QUICK = frozenset(
    {Phase.LOCK, Phase.RECOVER, Phase.OBSERVE, Phase.PLAN, Phase.GUARD, Phase.BASELINE, Phase.PORTS, Phase.UNLOCK}
)  # fmt: skip
_SLOW = 0.3  # seconds


def duration(seconds: float) -> str:
    """Return a time for people: `0.1 s`, `12 s`, `2 min 5 s`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60} s"


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return each row as a line, its cells aligned with those of the other rows."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]


def target_rows(
    refs: Sequence[TargetRef], databases: Mapping[str, str | None] = MappingProxyType({})
) -> list[tuple[str, str, str]]:
    """Return name, place and source of each target, for people."""
    return [
        (
            ref.name,
            ", ".join(sorted({place.text for place in ref.places}))
            or databases.get(ref.name)
            or "not known before it is used",
            f"from {ref.source}{', protected' if ref.protected else ''}",
        )
        for ref in refs
    ]


def phase_line(event: PhaseChanged, *, verbose: bool) -> str | None:
    """Return the line that stays on the screen, or None if there is nothing to say."""
    doing, done = _PHASES[event.phase]
    took = duration(event.seconds)
    tail = f" ({event.detail})" if event.detail not in {"", done} else ""
    match event.state:
        case PhaseState.STARTED:
            return None
        case PhaseState.SKIPPED:
            return f"- {doing}: skipped{tail}" if verbose else None
        case PhaseState.FAILED:
            return f"✗ {doing}: failed after {took}{tail}"
        case PhaseState.DONE:
            if event.phase in _USUALLY_QUICK and event.seconds < _SLOW and not verbose:
                return None
            return f"✓ {done} {took}{tail}"


def plan_lines(planned: Planned, target: str, *, dry: bool) -> list[str]:
    """Return what is going to be done, or with `dry` what would be."""
    pool = planned.mode == "pool"
    first, *others = planned.changes or planned.variables or ("no changes needed",)
    return [
        f"{'would switch' if dry else 'switching'} {planned.previous or '(none of the known targets)'} -> {target}",
        f"  {'files:     ' if pool else 'env files: '}{', '.join(planned.files) or 'no changes needed'}",
        f"  {'lines:     ' if pool else 'variables: '}{first}",
        *(f"             {text}" for text in others),
        f"  {'poolers:   ' if pool else 'server:    '}{planned.server}",
    ]


def verdict(result: Result, notices: Sequence[Notice] = ()) -> list[str]:
    """Return the last lines of a run, given its notices: one line when it went well, the error's parts when it did not."""
    if result.exit or result.error is not None:
        ended = f"the command ended with the outcome {result.outcome}"
        lines = failure_lines(result.error or ErrorInfo(result.outcome, ended))
    else:
        lines = [_success(result, notices)]
    return [*lines, *(f"warning: {one.text}" for one in notices if one.code == "migrations")]


def _success(result: Result, notices: Sequence[Notice]) -> str:
    told = {one.code: one.text for one in reversed(notices)}
    place, took = _place(result.identity), duration(result.seconds)
    confirmed = CONFIRMED_BY_CLIENT if result.mode == "pool" else CONFIRMED
    text = ""
    match result.outcome:
        case Outcome.SWITCHED if result.verified:
            text = f"{place}, {confirmed} ({result.mode}, {took})"
        case Outcome.SWITCHED if result.verified is False:
            text = f"{place}, but the app answers from another database ({result.mode}, {took})"
        case Outcome.SWITCHED if result.mode == "none":
            unasked = "no app was asked"
            why = unasked if "server-appeared" in told else told.get("no-server", unasked)
            text = f"{place}; {why} ({took})"
        case Outcome.SWITCHED:
            # The notice `not-asked` has said why.
            advice = "" if "not-asked" in told else ": `dbswitch generate route` adds the check"
            return f"Switched to {result.target} ({place}). The app could not confirm it{advice}. ({result.mode}, {took})"
        case Outcome.UNCHANGED if result.identity:
            text = f"nothing to do, already on {place}" + (f", {confirmed}" if result.verified else "")
        case Outcome.UNCHANGED:
            if why := next((one.text for one in notices if one.code in NOTHING_DONE), ""):
                return why
            text = "nothing to do"
        case Outcome.READY:
            text = f"{place}, ready in {took}"
        case Outcome.PLANNED:
            text = "dry run, nothing was changed"
        case Outcome.REPAIRED:
            return f"finished an interrupted switch in {took}"
        case _:
            text = f"server {result.outcome} in {took}"
    return f"{result.target}: {text}" if result.target else text


def _place(identity: dict[str, str]) -> str:
    name, address = identity.get("database", ""), identity.get("address", "")
    place = f"{address}/{name}" if name and address else name or "its database"
    return f"{place}, read-only" if identity.get("readOnly") == "true" else place


def failure_lines(error: ErrorInfo) -> list[str]:
    """Return the four parts of an error, each where it is always found."""
    return [
        f"error: {error.what}",
        *(f"  {fact}" for fact in error.facts),
        *([f"  why: {error.why}"] if error.why else ()),
        *([f"  fix: {error.fix}"] if error.fix else ()),
    ]
