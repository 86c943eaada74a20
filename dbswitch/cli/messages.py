"""The texts for people: phases, plans, verdicts and errors as styled lines. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from dbswitch.cli.renderer import Line, Style, labelled, plain
from dbswitch.switch.events import ErrorInfo, Outcome, Phase, PhaseState, Planned, Result

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from dbswitch.switch.events import Notice, PhaseChanged

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
    Phase.STOP: ("stopping the server", "server is down"),
    Phase.PORTS: ("waiting for the ports", "ports are free"),
    Phase.UNLOCK: ("removing the Next.js lock", "Next.js lock removed"),
    Phase.PAUSE: ("pausing the pool", "pool is paused"),
    Phase.WRITE: ("writing the files", "files written"),
    Phase.RELOAD: ("reloading PgBouncer", "PgBouncer reloaded"),
    Phase.RESUME: ("lifting the pause", "pause lifted"),
    Phase.REPROBE: ("asking the database again", "database is still ready"),
    Phase.START: ("starting the server", "server started"),
    Phase.ANSWER: ("waiting for the server's answer", "server answers"),
    Phase.VERIFY: ("asking the app which database it is on", "app asked"),
    Phase.ROLLBACK: ("rolling back", "rolled back"),
}
DOING = {phase: doing for phase, (doing, _) in _PHASES.items()}
# These are shown only when slow: then they explain a wait.
_USUALLY_QUICK = frozenset(
    {Phase.LOCK, Phase.RECOVER, Phase.OBSERVE, Phase.PLAN, Phase.GUARD, Phase.PORTS, Phase.UNLOCK}
)
_SLOW = 0.3  # seconds


def duration(seconds: float) -> str:
    """Return a time for people: `0.1 s`, `12 s`, `2 min 5 s`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60} s"


def dim(text: str) -> Line:
    """Return a line in one dim piece."""
    return ((text, Style.DIM),)


def phase_line(event: PhaseChanged, *, verbose: bool) -> Line | None:
    """Return the line that stays on the screen, or None if there is nothing to say."""
    doing, done = _PHASES[event.phase]
    tail = f" ({event.detail})" if event.detail else ""
    match event.state:
        case PhaseState.STARTED:
            return None
        case PhaseState.SKIPPED:
            return dim(f"- {doing}: skipped{tail}") if verbose else None
        case PhaseState.FAILED:
            return labelled("✗ ", f"{doing}: failed after {duration(event.seconds)}{tail}", Style.BAD)
        case PhaseState.DONE:
            if event.phase in _USUALLY_QUICK and event.seconds < _SLOW and not verbose:
                return None
            return (("✓ ", Style.GOOD), (done, Style.PLAIN), (f" {duration(event.seconds)}{tail}", Style.DIM))


def target_style(name: str | None, protected: Container[str]) -> Style:
    """Return the style of a target's name: protected ones are unmistakable."""
    return Style.DANGER if name in protected else Style.BOLD


def plan_lines(planned: Planned, target: str, protected: Container[str], *, dry: bool) -> list[Line]:
    """Return what is going to be done, or with `dry` what would be."""
    files = ", ".join(planned.files) or "none has to change"
    first, *others = planned.changes or planned.variables or ("none has to change",)
    head, what = (
        ("  files:     ", "  lines:     ") if planned.mode == "pool" else ("  env files: ", "  variables: ")
    )
    return [
        (
            ("would switch " if dry else "switching ", Style.PLAIN),
            (planned.previous or "(none of the known targets)", target_style(planned.previous, protected)),
            (" -> ", Style.PLAIN),
            (target, target_style(target, protected)),
        ),
        labelled(head, files),
        labelled(what, first),
        *(plain(f"             {text}") for text in others),
        labelled("  poolers:   " if planned.mode == "pool" else "  server:    ", planned.server),
    ]


def verdict(result: Result, protected: Container[str], notices: Sequence[Notice] = ()) -> list[Line]:
    """Return the last lines of a run: one line when it went well, the error's parts when it did not.

    `notices` are those of the run: why nothing was done, why the app could not be asked, how the migrations differ.
    """
    return [
        *_outcome(result, protected, notices),
        *(
            (("warning: ", Style.WARN), (one.text, Style.PLAIN))
            for one in notices
            if one.code == "migrations"
        ),
    ]


def _outcome(result: Result, protected: Container[str], notices: Sequence[Notice]) -> list[Line]:
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
            confirmed = f", {_confirmed(result)}" if result.verified else ""
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


def _confirmed(result: Result) -> str:
    return CONFIRMED_BY_CLIENT if result.mode == "pool" else CONFIRMED


def _switched(result: Result, who: Line, place: str, notices: Sequence[Notice]) -> Line:
    aside = (f" ({result.mode}, {duration(result.seconds)})", Style.DIM)
    if result.verified:
        return (*who, (f"{place}, ", Style.PLAIN), (_confirmed(result), Style.GOOD), aside)
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
    return [
        labelled("error: ", error.what, Style.BAD, Style.BOLD),
        *(plain(f"  {fact}") for fact in error.facts),
        *([labelled("  why: ", error.why)] if error.why else ()),
        *([labelled("  fix: ", error.fix)] if error.fix else ()),
    ]
