"""Findings as text, JSON, GitHub annotations and SARIF. Pure: findings in, text out; nothing in them is a secret."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from dbswitch import __version__
from dbswitch.check.findings import RULES, Judged, Severity

if TYPE_CHECKING:
    from collections.abc import Sequence

JSON_VERSION = 1
_PAGE = "docs/rules.md"
_COLOURS = {Severity.ERROR: "31", Severity.WARNING: "33", Severity.INFO: "36", Severity.OFF: "0"}
_GITHUB = {
    Severity.ERROR: "error",
    Severity.WARNING: "warning",
    Severity.INFO: "notice",
    Severity.OFF: "notice",
}
_SARIF = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note", Severity.OFF: "none"}


def text(findings: Sequence[Judged], scope: str, *, colour: bool) -> str:
    """Return the findings grouped by file, for people."""

    def paint(code: str, words: str) -> str:
        return f"\033[{code}m{words}\033[0m" if colour else words

    lines: list[str] = []
    width = max((len(f"{one.finding.line}:{one.finding.column}") for one in findings), default=0)
    path = None
    for one in findings:
        finding = one.finding
        if finding.path != path:
            path = finding.path
            lines += ["", paint("1", printable(path))] if lines else [paint("1", printable(path))]
        place = f"{finding.line}:{finding.column}".rjust(width)
        margin = " " * (width + 4)
        label = paint(_COLOURS[one.severity], one.severity.value)
        lines.append(f"  {place}  {label} {printable(finding.what)}  {paint('2', finding.rule.value)}")
        lines.append(f"{margin}{paint('2', 'why')} {RULES[finding.rule].why}")
        lines.append(f"{margin}{paint('2', 'fix')} {printable(finding.fix)}")
    lines.append(summary(findings, scope) if not lines else f"\n{summary(findings, scope)}")
    return "\n".join(lines) + "\n"


def summary(findings: Sequence[Judged], scope: str) -> str:
    """Return one line: how many of each severity."""
    counts = {severity: sum(one.severity is severity for one in findings) for severity in Severity}
    parts = [
        f"{count} {severity.value}{'s' if count != 1 and severity is not Severity.INFO else ''}"
        for severity, count in counts.items()
        if count
    ]
    return f"dbswitch check ({scope}): {', '.join(parts) or 'nothing found'}"


def as_json(findings: Sequence[Judged], scope: str) -> str:
    """Return one JSON object; `docs/reference/json.md` has its fields."""
    return _dump(
        {
            "v": JSON_VERSION,
            "scope": scope,
            "findings": [
                {
                    "rule": one.finding.rule.value,
                    "severity": one.severity.value,
                    "path": one.finding.path,
                    "line": one.finding.line,
                    "column": one.finding.column,
                    "what": one.finding.what,
                    "why": RULES[one.finding.rule].why,
                    "fix": one.finding.fix,
                    "fixable": bool(one.finding.entry),
                }
                for one in findings
            ],
        }
    )


def github(findings: Sequence[Judged]) -> str:
    """Return GitHub workflow commands, one line for each finding."""
    return "".join(
        f"::{_GITHUB[one.severity]} file={_property(one.finding.path)},line={one.finding.line},col={one.finding.column},"
        f"title={_property('dbswitch ' + one.finding.rule.value)}::{_message(f'{one.finding.what}. {one.finding.fix}')}\n"
        for one in findings
    )


def sarif(findings: Sequence[Judged]) -> str:
    """Return a SARIF 2.1.0 log (OASIS standard, sections 3.13, 3.27)."""
    used = sorted({one.finding.rule for one in findings})
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
                    "results": [_result(one, used.index(one.finding.rule)) for one in findings],
                }
            ],
        }
    )


def printable(words: str) -> str:
    """Return the text with control characters made visible: a path must not steer the terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "replace").decode() for c in words)


def _result(one: Judged, index: int) -> dict[str, Any]:
    from urllib.parse import quote

    finding = one.finding
    return {
        "ruleId": finding.rule.value,
        "ruleIndex": index,
        "level": _SARIF[one.severity],
        "message": {"text": f"{finding.what}. {finding.fix}"},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": quote(finding.path, errors="replace")},
                    "region": {"startLine": finding.line, "startColumn": finding.column},
                }
            }
        ],
    }


def _dump(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=2) + "\n"


def _message(words: str) -> str:
    return words.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(words: str) -> str:
    return _message(words).replace(":", "%3A").replace(",", "%2C")
