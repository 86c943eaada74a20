"""Findings as text, JSON, GitHub annotations and SARIF. Pure: findings in, text out; nothing in them is a secret."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from typing import Any
from urllib.parse import quote

import typer

from dbswitch import __version__
from dbswitch.check.rules import Finding, Severity

JSON_VERSION = 1
_COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.INFO: "cyan"}
_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}  # of SARIF


def text(findings: Sequence[Finding], scope: str) -> str:
    """Return the findings grouped by file, for display, with colours."""
    width = max((len(f"{one.line}:{one.column}") for one in findings), default=0)
    blocks = [
        "\n".join([typer.style(escaped(path), bold=True), *(_lines(one, width) for one in group)])
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


def _lines(one: Finding, width: int) -> str:
    place = f"{one.line}:{one.column}".rjust(width)
    label = typer.style(one.severity, fg=_COLOURS.get(one.severity or Severity.INFO))
    margin = " " * (width + 4)
    return "\n".join(
        (
            f"  {place}  {label} {escaped(one.what)}  {typer.style(one.rule, dim=True)}",
            *(f"{margin}    {escaped(detail)}" for detail in one.details),
            f"{margin}{typer.style('why', dim=True)} {one.rule.why}",
            f"{margin}{typer.style('fix', dim=True)} {escaped(one.fix)}",
        )
    )


def as_json(findings: Sequence[Finding], scope: str) -> str:
    """Return one JSON object; `docs/reference/json.md` has its fields."""
    shown = ("rule", "severity", "path", "line", "column", "what", "details", "fix")
    rows = [
        {name: getattr(one, name) for name in shown} | {"why": one.rule.why, "fixable": bool(one.entries)}
        for one in findings
    ]
    return _dump({"v": JSON_VERSION, "scope": scope, "findings": rows})


def github(findings: Sequence[Finding], _scope: str) -> str:
    """Return GitHub workflow commands, one line for each finding."""
    return "".join(
        f"::{_LEVELS[one.severity or Severity.INFO].replace('note', 'notice')} file={_property(one.path)},"
        f"line={one.line},col={one.column},title={_property('dbswitch ' + one.rule)}::{_message(_sentences(one))}\n"
        for one in findings
    )


def _sentences(one: Finding) -> str:
    return f"{one.what}{': ' if one.details else ''}{', '.join(one.details)}. {one.fix}"


def sarif(findings: Sequence[Finding], _scope: str) -> str:
    """Return a SARIF 2.1.0 log (OASIS standard, sections 3.13, 3.27)."""
    used = sorted({one.rule for one in findings})
    rules = [
        {
            "id": rule.value,
            "shortDescription": {"text": rule.replace("-", " ")},
            "fullDescription": {"text": rule.why},
            "help": {"text": f"docs/rules.md#{rule.value}"},
            "defaultConfiguration": {"level": _LEVELS[rule.severity]},
        }
        for rule in used
    ]
    results = [_sarif_result(one, used.index(one.rule)) for one in findings]
    tool = {"driver": {"name": "dbswitch", "version": __version__, "rules": rules}}
    runs = [{"tool": tool, "columnKind": "unicodeCodePoints", "results": results}]
    schema = "https://json.schemastore.org/sarif-2.1.0.json"
    return _dump({"$schema": schema, "version": "2.1.0", "runs": runs})


def _sarif_result(one: Finding, index: int) -> dict[str, Any]:
    artifact = {"uri": quote(one.path, errors="replace")}
    region = {"startLine": one.line, "startColumn": one.column}
    return {
        "ruleId": one.rule,
        "ruleIndex": index,
        "level": _LEVELS[one.severity or Severity.INFO],
        "message": {"text": _sentences(one)},
        "locations": [{"physicalLocation": {"artifactLocation": artifact, "region": region}}],
    }


def escaped(words: str) -> str:
    """Return the text with control characters made visible: a path must not steer the terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "replace").decode() for c in words)


def _dump(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=2) + "\n"


def _message(words: str) -> str:
    words = "".join(c if c in "\r\n" else escaped(c) for c in words)
    return words.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(words: str) -> str:
    return _message(words).replace(":", "%3A").replace(",", "%2C")
