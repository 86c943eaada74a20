"""The report of doctor, as JSON (`docs/reference/json.md` has its fields) or as text. No secret in it."""

from __future__ import annotations

import io
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, TextIO

import msgspec

from dbswitch.check.doctor import doctor_facts as f
from dbswitch.check.doctor.doctor_facts import INFO, PROBLEM, WARNING, DoctorFinding
from dbswitch.check.report_formats import escaped
from dbswitch.database.migrations import MigrationState
from dbswitch.database.probe import Ready
from dbswitch.database.tls import libpq_view, node_view
from dbswitch.errors import DbswitchError

if TYPE_CHECKING:
    from rich.text import Text

VERSION = 1
_STYLES: Final = dict(zip(f.Level, ("green", "cyan", "yellow", "bold red"), strict=True))
_AGREEMENT: Final = {f.Agreement.SAME: "green", f.Agreement.DIFFERENT: "bold red", f.Agreement.NO_URL: "dim"}
# Without a terminal lines are as long as they need to be: a log has no width.
_ENDLESS: Final = 10_000
_Cell = str | tuple[str, str]  # a text, or a text and its style


def is_failing(findings: Sequence[DoctorFinding]) -> bool:
    """Return whether a finding makes the exit code 1."""
    return f.worst(tuple(findings)).rank >= WARNING.rank


def as_json(facts: f.Facts, findings: tuple[DoctorFinding, ...]) -> str:
    """Return the object's text."""
    view = facts.server
    report = {
        "v": VERSION,
        "project": str(facts.project.root),
        "level": f.worst(findings),
        "seconds": round(facts.seconds, 3),
        "versions": facts.machine.versions,
        "readers": [
            _fields(row, "reader", "variable", "source", "shadowed")
            | {"target": next(iter(row.targets), None), "database": row.url and str(row.url)}
            | {"agreement": f.agreement(facts, row)}
            for row in facts.readers
        ],
        "targets": [_target(facts, target) for target in facts.targets],
        "server": _fields(view.seen, "state", "url")
        | _fields(view, "port", "pids", "next_lock", "switch", "unfinished")
        | {"started_by_dbswitch": view.seen.by_us, "foreign": [one.describe() for one in view.seen.foreign]}
        if isinstance(view, f.ServerFacts)
        else None,
        "files": [
            _fields(file, "owner", "tracked")
            | {"path": file.name, "mode": f"{file.mode:04o}"}
            | {"others_read": file.readable, "others_write": file.writable}
            for file in facts.files
        ],
        "generated": facts.generated,
        "findings": f.in_order(findings),
    }
    # json, and not msgspec, writes the text: its output is ASCII.
    return json.dumps(msgspec.to_builtins(report)) + "\n"


def _fields(value: msgspec.Struct, *names: str) -> dict[str, Any]:
    return {name: getattr(value, name) for name in names}


def _target(facts: f.Facts, target: f.TargetFacts) -> dict[str, Any]:
    url, state = target.url, target.migrations
    reply = facts.answers.get(url) if url is not None else None
    answer = reply if isinstance(reply, Ready) else None
    trouble = target.trouble or (reply if isinstance(reply, DbswitchError) else None)
    names = ("pending", "rolled_back", "failed", "edited", "missing")
    return _fields(target.ref, "name", "protected", "source") | {
        "active": target.ref.name in facts.active,
        "database": url and str(url),
        "reachable": reply and answer is not None,
        "milliseconds": answer and round(answer.latency * 1000, 1),
        "encrypted": answer and answer.encrypted,
        "identity": answer.identity.to_json() if answer is not None else {},
        "tls_libpq": url and str(libpq_view(url)),
        "tls_node": url and str(node_view(url)),
        "migrations": _fields(state, *names) if isinstance(state, MigrationState) else None,
        "trouble": trouble and trouble.what,
    }


def as_text(
    facts: f.Facts, findings: tuple[DoctorFinding, ...], stream: TextIO, *, quiet: bool, verbose: bool
) -> str:
    """Return the report as `stream` can show it: `quiet` only warnings and problems, `verbose` every table."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = io.StringIO()
    console = Console(
        file=drawn,
        force_terminal=stream.isatty(),
        color_system=None if os.environ.get("NO_COLOR") else "auto",
        width=None if stream.isatty() else _ENDLESS,
        highlight=False,
        markup=False,
        emoji=False,
    )
    listed = Table.grid(padding=(0, 2, 0, 0))
    for one in f.in_order(findings):
        if not quiet or one.level.rank >= WARNING.rank:
            lines = [_text(f"{one.what}  ", (one.id, "dim"))]
            lines += (_text((f"  {fact}", "dim")) for fact in one.facts)
            lines += [_text(("fix: ", "dim"), one.fix)] if one.fix else []
            listed.add_row(_text((one.level, _STYLES[one.level])), Text("\n").join(lines))
    counts = Counter(one.level for one in findings)
    words = {PROBLEM: "problem", WARNING: "warning", INFO: "note"}
    told = ((counts[level], word) for level, word in words.items())
    parts = [f"{count} {word}{'s'[: count > 1]}" for count, word in told if count]
    summary = f"dbswitch doctor: {', '.join(parts) or 'no problems found'} ({facts.seconds:.1f} s)"
    for title, heads, rows in () if quiet else _tables(facts, verbose=verbose):
        table = Table(*heads, box=None, padding=(0, 2, 0, 0), show_header=bool(heads), header_style="dim")
        for row in rows:
            table.add_row(*map(_text, row))
        if table.row_count:
            console.print(_text((title, "bold")), table, "", sep="\n")
    console.print(listed, _text((summary, "bold")), sep="\n")
    return "".join(f"{line.rstrip()}\n" for line in drawn.getvalue().splitlines())


def _text(*parts: _Cell) -> Text:
    from rich.text import Text

    pairs = ((part, "") if isinstance(part, str) else part for part in parts)
    return Text.assemble(*((escaped(text), style) for text, style in pairs), overflow="fold")


def _tables(
    facts: f.Facts, *, verbose: bool
) -> Iterator[tuple[str, tuple[str, ...], Iterable[tuple[_Cell, ...]]]]:
    """Yield title, heads and rows of each table."""
    heads = ("reader", "target", "database", "variable", "from")
    yield "which database each reader would use", heads, _readers(facts)
    yield "targets", ("target", "answer", "server", "database", ""), _targets(facts)
    if not verbose:
        return
    versions = facts.machine.versions
    rows = ((one.name, one.version or ("-", "yellow"), (one.source, "dim")) for one in versions)
    yield "versions", (), rows
    yield "TLS and migrations", ("target", "libpq", "node-postgres", "seen", "migrations"), _tls(facts)
    yield "server", (), _server(facts.server) if isinstance(facts.server, f.ServerFacts) else ()
    yield "files", ("file", "mode", "owner", "others", "git"), _files(facts)
    yield "generated files", (), ((one.path, (one.kind, "dim"), one.state) for one in facts.generated)


def _readers(facts: f.Facts) -> Iterator[tuple[_Cell, ...]]:
    for row in facts.readers:
        style = _AGREEMENT[f.agreement(facts, row)]
        target = " = ".join(row.targets) or ("?" if row.url is not None or row.unusable else "-")
        database = str(row.url) if row.url is not None else row.unusable or "no URL"
        yield row.reader, (target, style), database, (row.variable, "dim"), (row.source or "-", "dim")


def _targets(facts: f.Facts) -> Iterator[tuple[_Cell, ...]]:
    for target in facts.targets:
        ref = target.ref
        name: _Cell = (f"{ref.name} (protected)", "bold red") if ref.protected else ref.name
        active = ("active", "green") if ref.name in facts.active else ""
        answer = facts.answers.get(target.url) if target.url is not None else None
        if target.url is None:
            why = "its command was not run" if target.trouble is None else "cannot be used"
            yield name, ("-", "dim"), "", (why, "yellow"), ""
        elif isinstance(answer, Ready):
            server = answer.identity.product
            if answer.identity.system_identifier is not None:
                server += f", system {answer.identity.system_identifier}"
            yield name, (f"{answer.latency * 1000:.0f} ms", "green"), server, str(target.url), active
        else:
            yield name, ("no", "bold red"), "", str(target.url), active


def _tls(facts: f.Facts) -> Iterator[tuple[_Cell, ...]]:
    for target in facts.targets:
        if (url := target.url) is not None:
            answer = facts.answers.get(url)
            encrypted = "encrypted" if isinstance(answer, Ready) and answer.encrypted else "plain"
            seen = encrypted if isinstance(answer, Ready) else "-"
            yield target.ref.name, str(libpq_view(url)), str(node_view(url)), seen, _migrations(target)


def _migrations(target: f.TargetFacts) -> _Cell:
    state = target.migrations
    if state is None:
        return ("-", "dim")
    if isinstance(state, DbswitchError):
        return ("could not be compared", "yellow")
    of_kinds = (state.failed, state.edited, state.pending, state.missing)
    kinds = ("failed", "edited", "pending", "unknown here")
    words = ", ".join(f"{len(names)} {kind}" for names, kind in zip(of_kinds, kinds, strict=True) if names)
    return (words, "bold red" if state.failed else "yellow") if words else ("up to date", "green")


def _server(view: f.ServerFacts) -> Iterator[tuple[_Cell, ...]]:
    seen = view.seen
    by = ", started by dbswitch" if seen.by_us else ""
    pids = f", pid {', '.join(map(str, view.pids))}" if view.pids else ""
    yield ("state", "dim"), f"{seen.state}{f' at {seen.url}' if seen.url else ''}{pids}{by}"
    others = {one.port: one.describe() for one in seen.foreign}
    for port in dict.fromkeys((*sorted(seen.listening), *view.spec.watched_ports(seen.port))):
        who: _Cell = ("free", "dim")
        if port in seen.listening:
            who = ("this project's server", "green")
        elif port in others:
            who = (others[port].partition(": ")[2] or others[port], "yellow")
        yield (f"port {port}", "dim"), who
    yield ("Next.js lock", "dim"), view.next_lock
    idle = "a killed switch has not been finished" if view.unfinished else "no switch is running"
    yield ("dbswitch lock", "dim"), view.switch or idle


def _files(facts: f.Facts) -> Iterator[tuple[_Cell, ...]]:
    for file in facts.files:
        rights = ", ".join(word for word, has in (("read", file.readable), ("write", file.writable)) if has)
        if file.private_place and "/" in file.name and not rights:
            continue  # covered by the finding about the folder
        others: _Cell = (rights or "nothing", "yellow" if file.writable else "")
        git = ("tracked" if file.tracked else "", "yellow")
        yield file.name, f"{file.mode:04o}", (file.owner, "dim"), others, git
