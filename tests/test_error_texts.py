"""The parts of an error (what, facts, why, fix) end without a full stop: the renderer sets them as items of a list."""

from __future__ import annotations

import ast
import builtins
from pathlib import Path

from dbswitch import errors
from dbswitch.database.url_parsing import UrlProblem

ROOT = Path(__file__).parents[1]
CLASSES = {name for name in dir(errors) if name.endswith("Error") and not hasattr(builtins, name)}
PARTS = {"what", "facts", "why", "fix"}


def endings(node: ast.expr) -> list[str]:
    """The ends of the texts that an expression may give, as far as they are written there."""
    match node:
        case ast.Constant(value=str(text)):
            return [text]
        case ast.JoinedStr(values=[*_, last]) | ast.BinOp(right=last):
            return endings(last)
        case ast.IfExp(body=one, orelse=other):
            return [*endings(one), *endings(other)]
        case ast.Tuple(elts=parts) | ast.List(elts=parts):
            return [text for part in parts for text in endings(part)]
    return []


def parts(call: ast.Call) -> list[ast.expr]:
    name = getattr(call.func, "id", getattr(call.func, "attr", ""))
    told = [keyword.value for keyword in call.keywords if keyword.arg in PARTS]
    return [*(call.args[:1] if told or name in CLASSES else []), *told]


def test_no_part_of_an_error_ends_with_a_full_stop() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{part.lineno} {text}"
        for path in sorted((ROOT / "dbswitch").rglob("*.py"))
        for call in ast.walk(ast.parse(path.read_text()))
        if isinstance(call, ast.Call)
        for part in parts(call)
        for text in endings(part)
        if text.endswith(".") and not text.endswith("..")
    ]
    assert found == []
    assert [one.name for one in UrlProblem if any(text.endswith(".") for text in one.value)] == []
