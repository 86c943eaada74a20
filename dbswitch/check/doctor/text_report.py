"""The report as text: tables of what was seen, then the findings. rich is imported only here."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final

from dbswitch.check.doctor.database_comparison import Agreement, agreement
from dbswitch.check.doctor.doctor_facts import Answer, ServerView, Trouble
from dbswitch.check.doctor.doctor_findings import Level, in_order
from dbswitch.check.report_formats import printable
from dbswitch.database.tls import libpq_view, node_view

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import RenderableType
    from rich.table import Table

    from dbswitch.check.doctor.doctor_facts import Facts, TargetFacts
    from dbswitch.check.doctor.doctor_findings import Finding

_STYLES: Final = {
    Level.OK: "green",
    Level.INFO: "cyan",
    Level.WARNING: "yellow",
    Level.PROBLEM: "bold red",
}
_AGREEMENT: Final = {Agreement.SAME: "green", Agreement.DIFFERENT: "bold red", Agreement.NO_URL: "dim"}
_Cell = tuple[str, str]
# Without a terminal lines are as long as they need to be: a log has no width.
_ENDLESS: Final = 10_000


def draw(
    facts: Facts, findings: tuple[Finding, ...], *, colour: bool, width: int | None, tables: bool = True
) -> str:
    """Return the report.

    Args:
        facts: what was seen.
        findings: the findings about it.
        colour: whether to use escape sequences.
        width: of the terminal in columns; None where there is none.
        tables: whether to show the facts and the ok findings too.
    """
    from rich.console import Console

    console = Console(
        file=io.StringIO(),
        force_terminal=colour,
        no_color=not colour,
        color_system="standard" if colour else None,
        width=width or _ENDLESS,
        highlight=False,
        markup=False,
        emoji=False,
    )
    shown = in_order(findings)
    if tables:
        for title, table in _sections(facts):
            console.print(_text((title, "bold")))
            console.print(table)
            console.print()
    else:
        shown = tuple(one for one in shown if one.level.rank >= Level.WARNING.rank)
    for one in shown:
        _print_finding(console.print, one)
    console.print(_text((_summary(facts, findings), "bold")))
    file = console.file
    assert isinstance(file, io.StringIO)
    return "".join(f"{line.rstrip()}\n" for line in file.getvalue().splitlines())


def _text(*parts: _Cell) -> RenderableType:
    from rich.text import Text

    return Text.assemble(*((printable(text), style) for text, style in parts), overflow="fold")


def _print_finding(say: object, one: Finding) -> None:
    from rich.padding import Padding

    assert callable(say)
    label = one.level.value.ljust(len(Level.PROBLEM.value))
    say(_text((f"{label}  ", _STYLES[one.level]), (f"{one.what}  ", ""), (one.id.value, "dim")))
    margin = len(label) + 2
    for fact in one.facts:
        say(Padding(_text((fact, "dim")), (0, 0, 0, margin + 2), expand=False))
    if one.fix:
        say(Padding(_text(("fix: ", "dim"), (one.fix, "")), (0, 0, 0, margin), expand=False))


def _summary(facts: Facts, findings: tuple[Finding, ...]) -> str:
    counts = {level: sum(one.level is level for one in findings) for level in Level}
    words = {Level.PROBLEM: "problem", Level.WARNING: "warning", Level.INFO: "note"}
    parts = [
        f"{counts[level]} {word}{'s' if counts[level] != 1 else ''}"
        for level, word in words.items()
        if counts[level]
    ]
    return f"dbswitch doctor: {', '.join(parts) or 'all well'} ({facts.seconds:.1f} s)"


def _sections(facts: Facts) -> Iterable[tuple[str, Table]]:
    yield (
        "versions",
        _table(
            ((one.name, ""), (one.version or "-", "" if one.version else "yellow"), (one.source, "dim"))
            for one in facts.machine.versions
        ),
    )
    if facts.readers:
        yield "which database each reader would use", _table(_readers(facts), _READERS)
    if facts.targets:
        yield "targets", _table(_targets(facts), _TARGETS)
        yield "TLS and migrations", _table(_tls(facts), _TLS)
    if isinstance(facts.server, ServerView):
        yield "server", _table(_server(facts.server))
    if facts.files:
        yield "files", _table(_files(facts), _FILES)
    if facts.generated:
        yield (
            "generated files",
            _table(((one.path, ""), (one.kind, "dim"), (one.state.value, "")) for one in facts.generated),
        )


_READERS: Final = ("reader", "target", "database", "variable", "from")
_TARGETS: Final = ("target", "answer", "server", "database", "")
_TLS: Final = ("target", "libpq", "node-postgres", "seen", "migrations")
_FILES: Final = ("file", "mode", "owner", "others", "git")


def _table(rows: Iterable[tuple[_Cell, ...]], heads: tuple[str, ...] = ()) -> Table:
    from rich.table import Table
    from rich.text import Text

    rows = list(rows)
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=True, show_header=bool(heads), header_style="dim")
    for number in range(max((len(row) for row in rows), default=len(heads))):
        table.add_column(Text(heads[number] if heads else ""), overflow="fold")
    for row in rows:
        table.add_row(*(_text(cell) for cell in row))
    return table


def _readers(facts: Facts) -> Iterable[tuple[_Cell, ...]]:
    for row in facts.readers:
        found = agreement(facts, row)
        style = _AGREEMENT[found]
        target = " = ".join(row.targets) or ("?" if row.url is not None or row.unusable else "-")
        database = str(row.url) if row.url is not None else row.unusable or "no URL"
        yield (
            (row.reader, ""),
            (target, style),
            (database, style if found is Agreement.DIFFERENT else ""),
            (row.variable, "dim"),
            (row.source or "-", "dim"),
        )


def _targets(facts: Facts) -> Iterable[tuple[_Cell, ...]]:
    for target in facts.targets:
        name = (
            f"{target.name}{' (protected)' if target.protected else ''}",
            "bold red" if target.protected else "",
        )
        yield (name, *_answer(facts, target))


def _answer(facts: Facts, target: TargetFacts) -> tuple[_Cell, ...]:
    url = target.url
    if url is None:
        why = "its command was not run" if target.skipped else "cannot be used"
        return (("-", "dim"), ("", ""), (why, "yellow"), ("", ""))
    answer = facts.answers.get(url)
    active = ("active", "green") if target.name in facts.active else ("", "")
    if not isinstance(answer, Answer):
        return (("no", "bold red"), ("", ""), (str(url), ""), active)
    who = answer.identity
    server = f"PostgreSQL {who.server_version.split()[0]}"
    if who.system_identifier is not None:
        server += f", system {who.system_identifier}"
    return ((f"{answer.milliseconds:.0f} ms", "green"), (server, ""), (str(url), ""), active)


def _tls(facts: Facts) -> Iterable[tuple[_Cell, ...]]:
    for target in facts.targets:
        url = target.url
        if url is None:
            continue
        answer = facts.answers.get(url)
        seen = ("encrypted" if answer.encrypted else "plain") if isinstance(answer, Answer) else "-"
        yield (
            (target.name, ""),
            (str(libpq_view(url)), ""),
            (str(node_view(url)), ""),
            (seen, ""),
            _migrations(target),
        )


def _migrations(target: TargetFacts) -> _Cell:
    state = target.migrations
    if state is None:
        return ("-", "dim")
    if isinstance(state, Trouble):
        return ("could not be compared", "yellow")
    if state.in_step:
        return ("in step", "green")
    counts = {
        "failed": state.failed,
        "edited": state.edited,
        "pending": state.pending,
        "unknown here": state.missing,
    }
    words = ", ".join(f"{len(names)} {word}" for word, names in counts.items() if names)
    return (words, "bold red" if state.failed else "yellow")


def _server(view: ServerView) -> Iterable[tuple[_Cell, ...]]:
    by = ", started by dbswitch" if view.by_us else ""
    pids = f", pid {', '.join(map(str, view.pids))}" if view.pids else ""
    yield ("state", "dim"), (f"{view.state.value}{f' at {view.url}' if view.url else ''}{pids}{by}", "")
    others = dict(view.foreign)
    for port in dict.fromkeys((*view.listening, *view.watched)):
        if port in view.listening:
            who: _Cell = ("this project's server", "green")
        elif port in others:
            who = (others[port].partition(": ")[2] or others[port], "yellow")
        else:
            who = ("free", "dim")
        yield (f"port {port}", "dim"), who
    yield ("Next.js lock", "dim"), (view.next_lock.value, "")
    switch = view.switch or (
        "a killed switch has not been finished" if view.unfinished else "no switch is running"
    )
    yield ("dbswitch lock", "dim"), (switch, "")


def _files(facts: Facts) -> Iterable[tuple[_Cell, ...]]:
    for file in facts.files:
        if file.private_place and "/" in file.name and not (file.readable or file.writable):
            continue  # covered by the finding about the folder
        rights = ", ".join(word for word, has in (("read", file.readable), ("write", file.writable)) if has)
        yield (
            (file.name, ""),
            (f"{file.mode:04o}", ""),
            (file.owner, "dim"),
            (rights or "nothing", "yellow" if file.writable else ""),
            ("tracked" if file.tracked else "", "yellow"),
        )
