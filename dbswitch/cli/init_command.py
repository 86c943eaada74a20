"""`dbswitch init`: say what was found and what is missing, ask, write it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dbswitch.cli.renderer import Answer, Line, Style, plain
from dbswitch.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dbswitch.cli.command_context import CommandContext
    from dbswitch.generate.scaffold import InitItem, InitPlan


def init(context: CommandContext, *, dry_run: bool, yes: bool, scripts: bool) -> int:
    """Show what was found, ask on a terminal, write; return the exit code.

    A target called `dev` or the like must not keep `init` from explaining the project, so the targets are not listed
    for colours here.
    """
    from dbswitch.generate.scaffold import apply_init, plan_init
    from dbswitch.project.discovery import discover

    root = discover(context.start_folder()).root
    plan = plan_init(root, scripts=scripts)
    written: tuple[str, ...] = ()
    agreed = True
    if not context.json:
        context.renderer.answer(Answer("init", lines=tuple(_plan_lines(plan))))
        if plan.changes and not yes and not dry_run and context.interactive:
            agreed = context.agrees("write this? [Y/n] ", default=True)
    if plan.changes and agreed and not dry_run:
        written = apply_init(plan)
    if context.json:
        context.renderer.answer(Answer("init", _plan_fields(plan, written)))
    elif written:
        context.renderer.note(f"written: {', '.join(written)}")
    else:
        context.renderer.note("nothing to do" if not plan.changes else "nothing was written")
    if agreed:
        for index, text in enumerate(plan.next_steps):
            context.renderer.note(f"{'next: ' if index == 0 else '      '}{text}")
    return ExitCode.OK


def _plan_fields(plan: InitPlan, written: Sequence[str]) -> dict[str, Any]:
    return {
        "project": str(plan.root),
        "found": [{"what": what, "value": value} for what, value in plan.found],
        "items": [
            {"name": item.name, "action": item.action.value, "detail": item.detail} for item in plan.items
        ],
        "written": list(written),
        "notices": list(plan.notices),
        "next": list(plan.next_steps),
    }


def _plan_lines(plan: InitPlan) -> Iterable[Line]:
    for sentence in plan.summary:
        yield plain(sentence)
    yield plain("")
    for item in plan.items:
        yield _item_line(item)
    for text in plan.notices:
        yield (("note: ", Style.WARN), (text, Style.PLAIN))


def _item_line(item: InitItem) -> Line:
    kept = item.action.value == "keep"
    return (
        (item.action.value.ljust(7), Style.DIM if kept else Style.GOOD),
        (item.name, Style.DIM if kept else Style.BOLD),
        (f"  {item.detail}", Style.DIM),
    )
