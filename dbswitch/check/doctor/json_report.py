"""The report as one JSON object; `docs/reference/json.md` has its fields. Pure; no secret in it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec

from dbswitch.check.doctor.database_comparison import agreement
from dbswitch.check.doctor.doctor_facts import Answer, ServerView, Trouble
from dbswitch.check.doctor.doctor_findings import Level, in_order, worst
from dbswitch.database.tls import libpq_view, node_view

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dbswitch.check.doctor.doctor_facts import Facts, ReaderFacts, TargetFacts
    from dbswitch.check.doctor.doctor_findings import Finding

VERSION = 1


def report(facts: Facts, findings: tuple[Finding, ...]) -> str:
    """Return the object's text."""
    return _dump(
        {
            "v": VERSION,
            "project": str(facts.root),
            "level": worst(findings).value,
            "seconds": round(facts.seconds, 3),
            "versions": facts.machine.versions,
            "readers": [_reader(facts, row) for row in facts.readers],
            "targets": [_target(facts, target) for target in facts.targets],
            "server": _server(facts),
            "files": [
                {
                    "path": file.name,
                    "mode": f"{file.mode:04o}",
                    "owner": file.owner,
                    "others_read": file.readable,
                    "others_write": file.writable,
                    "tracked": file.tracked,
                }
                for file in facts.files
            ],
            "generated": facts.generated,
            "findings": in_order(findings),
        }
    )


def is_failing(findings: Sequence[Finding]) -> bool:
    """Return whether a finding makes the exit code 1."""
    return worst(tuple(findings)).rank >= Level.WARNING.rank


def _dump(value: dict[str, Any]) -> str:
    # json, and not msgspec, writes the text: its output is ASCII.
    return json.dumps(msgspec.to_builtins(value)) + "\n"


def _reader(facts: Facts, row: ReaderFacts) -> dict[str, Any]:
    return {
        "reader": row.reader,
        "variable": row.variable,
        "target": row.targets[0] if row.targets else None,
        "database": str(row.url) if row.url is not None else None,
        "source": row.source,
        "shadowed": list(row.shadowed),
        "agreement": agreement(facts, row).value,
    }


def _target(facts: Facts, target: TargetFacts) -> dict[str, Any]:
    url = target.url
    answer = facts.answers.get(url) if url is not None else None
    reached = isinstance(answer, Answer)
    trouble = answer.what if isinstance(answer, Trouble) else None
    if target.trouble is not None:
        trouble = target.trouble.what
    return {
        "name": target.name,
        "protected": target.protected,
        "source": target.source,
        "active": target.name in facts.active,
        "database": str(url) if url is not None else None,
        "reachable": reached if answer is not None else None,
        "milliseconds": round(answer.milliseconds, 1) if isinstance(answer, Answer) else None,
        "encrypted": answer.encrypted if isinstance(answer, Answer) else None,
        "identity": answer.identity.to_json() if isinstance(answer, Answer) else {},
        "tls_libpq": str(libpq_view(url)) if url is not None else None,
        "tls_node": str(node_view(url)) if url is not None else None,
        "migrations": _migrations(target),
        "trouble": trouble,
    }


def _migrations(target: TargetFacts) -> dict[str, Any] | None:
    state = target.migrations
    if state is None or isinstance(state, Trouble):
        return None
    return {key: getattr(state, key) for key in ("pending", "failed", "edited", "missing")}


def _server(facts: Facts) -> dict[str, Any] | None:
    view = facts.server
    if not isinstance(view, ServerView):
        return None
    return {
        "state": view.state.value,
        "url": view.url,
        "port": view.port,
        "pids": list(view.pids),
        "started_by_dbswitch": view.by_us,
        "foreign": [text for _, text in view.foreign],
        "next_lock": view.next_lock.value,
        "switch": view.switch,
        "unfinished": view.unfinished,
    }
