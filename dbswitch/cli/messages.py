"""The words for people: phases, plans, verdicts and errors as styled lines. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from dbswitch.cli.renderer import Line, Style, plain
from dbswitch.switch.events import ErrorInfo, Outcome, Phase, PhaseState, Planned, Result

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from dbswitch.switch.events import Notice

CONFIRMED = "confirmed by the app"
NOTHING_DONE = frozenset(
    {"already-running", "not-running"}
)  # codes of notices that say why nothing was to do

_DOING = {
    Phase.LOCK: "waiting for the lock",
    Phase.RECOVER: "looking for an unfinished switch",
    Phase.OBSERVE: "looking at the project",
    Phase.PLAN: "planning",
    Phase.GUARD: "asking for confirmation",
    Phase.PROBE: "asking the database",
    Phase.STOP: "stopping the server",
    Phase.PORTS: "waiting for the ports",
    Phase.UNLOCK: "removing the Next.js lock",
    Phase.WRITE: "writing the env files",
    Phase.REPROBE: "asking the database again",
    Phase.START: "starting the server",
    Phase.ANSWER: "waiting for the server's answer",
    Phase.VERIFY: "asking the app which database it is on",
    Phase.ROLLBACK: "rolling back",
}
_DONE = {
    Phase.LOCK: "lock taken",
    Phase.RECOVER: "no unfinished switch left",
    Phase.OBSERVE: "project looked at",
    Phase.PLAN: "planned",
    Phase.GUARD: "confirmed",
    Phase.PROBE: "database is ready",
    Phase.STOP: "server is down",
    Phase.PORTS: "ports are free",
    Phase.UNLOCK: "Next.js lock removed",
    Phase.WRITE: "env files written",
    Phase.REPROBE: "database is still ready",
    Phase.START: "server started",
    Phase.ANSWER: "server answers",
    Phase.VERIFY: "app asked",
    Phase.ROLLBACK: "rolled back",
}
# Nothing to read in these when they are quick; a slow one explains a wait.
_BACKSTAGE = frozenset(
    {Phase.LOCK, Phase.RECOVER, Phase.OBSERVE, Phase.PLAN, Phase.GUARD, Phase.PORTS, Phase.UNLOCK}
)
WORTH_SAYING = 0.3  # seconds


def doing(phase: Phase) -> str:
    """Return what is going on, for the live line."""
    return _DOING[phase]


def duration(seconds: float) -> str:
    """Return a time for people: `0.1 s`, `12 s`, `2 min 5 s`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60} s"


def phase_line(phase: Phase, state: PhaseState, seconds: float, detail: str, *, verbose: bool) -> Line | None:
    """Return the line that stays on the screen, or None if it would tell nothing new."""
    tail = f" ({detail})" if detail else ""
    match state:
        case PhaseState.STARTED:
            return None
        case PhaseState.SKIPPED:
            return (("- ", Style.DIM), (f"{doing(phase)}: skipped{tail}", Style.DIM)) if verbose else None
        case PhaseState.FAILED:
            return (
                ("✗ ", Style.BAD),
                (f"{doing(phase)}: failed after {duration(seconds)}{tail}", Style.PLAIN),
            )
        case PhaseState.DONE:
            if phase in _BACKSTAGE and seconds < WORTH_SAYING and not verbose:
                return None
            return (
                ("✓ ", Style.GOOD),
                (_DONE[phase], Style.PLAIN),
                (f" {duration(seconds)}", Style.DIM),
                (tail, Style.DIM),
            )


def target_style(name: str | None, protected: Container[str]) -> Style:
    """Return the style of a target's name: protected ones are unmistakable."""
    return Style.DANGER if name in protected else Style.BOLD


def plan_lines(planned: Planned, target: str, protected: Container[str], *, dry: bool) -> list[Line]:
    """Return what is going to be done, or with `dry` what would be."""
    lines: list[Line] = [
        (
            ("would switch " if dry else "switching ", Style.PLAIN),
            (planned.previous or "(none of the known targets)", target_style(planned.previous, protected)),
            (" -> ", Style.PLAIN),
            (target, target_style(target, protected)),
        )
    ]
    files = ", ".join(planned.files) or "none has to change"
    variables = planned.changes or planned.variables or ("none has to change",)
    return [
        *lines,
        (("  env files: ", Style.DIM), (files, Style.PLAIN)),
        *(
            (("  variables: " if index == 0 else " " * 13, Style.DIM), (text, Style.PLAIN))
            for index, text in enumerate(variables)
        ),
        (("  server:    ", Style.DIM), (planned.server, Style.PLAIN)),
    ]


def verdict(result: Result, protected: Container[str], notices: Sequence[Notice] = ()) -> list[Line]:
    """Return the last lines of a run: one line when it went well, the error's parts when it did not.

    `notices` are those of the run, one of which may say why nothing was done or why the app could not be asked.
    """
    who: Line = ((result.target, target_style(result.target, protected)), (": ", Style.PLAIN))
    place = _place(result.identity)
    took = f" in {duration(result.seconds)}"
    match result.outcome:
        case Outcome.SWITCHED:
            return [_switched(result, who, place, notices)]
        case Outcome.UNCHANGED if not result.identity:
            why = next((one.text for one in notices if one.code in NOTHING_DONE), None)
            if why is not None:
                return [plain(why)]
            return [((who if result.target else ()) + (("nothing to do", Style.PLAIN),))]
        case Outcome.UNCHANGED:
            confirmed = f", {CONFIRMED}" if result.verified else ""
            return [(*who, (f"nothing to do, already on {place}{confirmed}", Style.PLAIN))]
        case Outcome.READY:
            return [(*who, (f"{place}, ", Style.PLAIN), ("ready", Style.GOOD), (took, Style.PLAIN))]
        case Outcome.PLANNED:
            return [(*who, ("dry run, nothing was changed", Style.PLAIN))]
        case Outcome.STARTED | Outcome.STOPPED | Outcome.RESTARTED:
            head = who if result.target and result.outcome is not Outcome.STOPPED else ()
            return [(*head, (f"server {result.outcome}", Style.GOOD), (took, Style.PLAIN))]
        case Outcome.REPAIRED:
            return [(("an unfinished switch was put in order", Style.PLAIN), (took, Style.PLAIN))]
        case (
            Outcome.REFUSED
            | Outcome.BUSY
            | Outcome.OVERTAKEN
            | Outcome.FAILED
            | Outcome.ROLLED_BACK
            | Outcome.ROLLBACK_FAILED
            | Outcome.INTERRUPTED
            | Outcome.BUG
        ):
            error = result.error or ErrorInfo(str(result.outcome), f"the command ended as {result.outcome}")
            return failure_lines(error)
        case _:
            assert_never(result.outcome)


def _switched(result: Result, who: Line, place: str, notices: Sequence[Notice]) -> Line:
    aside = (f" ({result.mode}, {duration(result.seconds)})", Style.DIM)
    if result.verified:
        return (*who, (f"{place}, ", Style.PLAIN), (CONFIRMED, Style.GOOD), aside)
    if result.verified is False:
        text = f"{place}, but the app answers from another database"
        return (*who, (text, Style.BAD), aside)
    if result.mode == "none":
        absent = next((one.text for one in notices if one.code == "no-server"), "no app was asked")
        return (*who, (f"{place}; {absent}", Style.PLAIN), (f" ({duration(result.seconds)})", Style.DIM))
    told = any(one.code == "not-asked" for one in notices)  # it says why
    advice = "" if told else ": `dbswitch generate route` adds the check"
    return (
        ("Switched to ", Style.PLAIN),
        who[0],
        (f" ({place}). ", Style.PLAIN),
        (f"The app could not confirm it{advice}.", Style.WARN),
        aside,
    )


def _place(identity: dict[str, str]) -> str:
    name, address = identity.get("database", ""), identity.get("address", "")
    place = f"{address}/{name}" if name and address else name or "its database"
    return f"{place}, read-only" if identity.get("readOnly") == "true" else place


def failure_lines(error: ErrorInfo) -> list[Line]:
    """Return the four parts of an error, each where it is always found."""
    lines: list[Line] = [(("error: ", Style.BAD), (error.what, Style.BOLD))]
    lines += [plain(f"  {fact}") for fact in error.facts]
    if error.why:
        lines.append((("  why: ", Style.DIM), (error.why, Style.PLAIN)))
    if error.fix:
        lines.append((("  fix: ", Style.DIM), (error.fix, Style.PLAIN)))
    return lines
