"""Findings as text, JSON, GitHub annotations and SARIF. Pure: findings in, text out; nothing in them is a secret."""

from __future__ import annotations

import json
from collections import Counter
from itertools import groupby
from typing import TYPE_CHECKING, Any

import typer

from dbswitch import __version__
from dbswitch.check.rules import RULES, Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

JSON_VERSION = 1
_PAGE = "docs/rules.md"
_COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.INFO: "cyan"}
_GITHUB = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}
_SARIF = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}


def text(findings: Sequence[Finding], scope: str) -> str:
    """Return the findings grouped by file, for display, with colours."""
    width = max((len(_place(one)) for one in findings), default=0)
    blocks = [
        "\n".join(
            [typer.style(printable(path), bold=True), *(line for one in group for line in _lines(one, width))]
        )
        for path, group in groupby(findings, key=lambda one: one.path)
    ]
    counts = Counter(one.severity for one in findings)
    parts = [
        f"{counts[severity]} {severity}{'s' if counts[severity] != 1 and severity != Severity.INFO else ''}"
        for severity in Severity
        if counts[severity]
    ]
    blocks.append(f"dbswitch check ({scope}): {', '.join(parts) or 'nothing found'}")
    return "\n\n".join(blocks) + "\n"


def _lines(one: Finding, width: int) -> Iterator[str]:
    label = typer.style(one.severity, fg=_COLOURS.get(one.severity or Severity.INFO))
    yield f"  {_place(one).rjust(width)}  {label} {printable(one.what)}  {typer.style(one.rule, dim=True)}"
    margin = " " * (width + 4)
    for detail in one.details:
        yield f"{margin}    {printable(detail)}"
    yield f"{margin}{typer.style('why', dim=True)} {RULES[one.rule].why}"
    yield f"{margin}{typer.style('fix', dim=True)} {printable(one.fix)}"


def _place(one: Finding) -> str:
    return f"{one.line}:{one.column}"


def as_json(findings: Sequence[Finding], scope: str) -> str:
    """Return one JSON object; `docs/reference/json.md` has its fields."""
    shown = ("rule", "severity", "path", "line", "column", "what", "details", "fix")
    rows = [
        {name: getattr(one, name) for name in shown}
        | {"why": RULES[one.rule].why, "fixable": bool(one.entries)}
        for one in findings
    ]
    return _dump({"v": JSON_VERSION, "scope": scope, "findings": rows})


def github(findings: Sequence[Finding]) -> str:
    """Return GitHub workflow commands, one line for each finding."""
    return "".join(
        f"::{_GITHUB[one.severity or Severity.INFO]} file={_property(one.path)},line={one.line},col={one.column},"
        f"title={_property('dbswitch ' + one.rule)}::{_message(_sentences(one))}\n"
        for one in findings
    )


def _sentences(one: Finding) -> str:
    return f"{one.what}{': ' if one.details else ''}{', '.join(one.details)}. {one.fix}"


def sarif(findings: Sequence[Finding]) -> str:
    """Return a SARIF 2.1.0 log (OASIS standard, sections 3.13, 3.27)."""
    used = sorted({one.rule for one in findings})
    rules = [
        {
            "id": rule.value,
            "shortDescription": {"text": RULES[rule].title},
            "fullDescription": {"text": RULES[rule].why},
            "help": {"text": f"{_PAGE}#{rule.value}"},
            "defaultConfiguration": {"level": _SARIF[RULES[rule].severity]},
        }
        for rule in used
    ]
    return _dump(
        {
            "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
            "version": "2.1.0",
            "runs": [
                {
                    "tool": {"driver": {"name": "dbswitch", "version": __version__, "rules": rules}},
                    "columnKind": "unicodeCodePoints",
                    "results": [_result(one, used.index(one.rule)) for one in findings],
                }
            ],
        }
    )


def printable(words: str) -> str:
    """Return the text with control characters made visible: a path must not steer the terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "replace").decode() for c in words)


def _result(one: Finding, index: int) -> dict[str, Any]:
    from urllib.parse import quote

    return {
        "ruleId": one.rule,
        "ruleIndex": index,
        "level": _SARIF[one.severity or Severity.INFO],
        "message": {"text": _sentences(one)},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": quote(one.path, errors="replace")},
                    "region": {"startLine": one.line, "startColumn": one.column},
                }
            }
        ],
    }


def _dump(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=2) + "\n"


def _message(words: str) -> str:
    words = "".join(c if c in "\r\n" else printable(c) for c in words)
    return words.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(words: str) -> str:
    return _message(words).replace(":", "%3A").replace(",", "%2C")
