"""The parts of an error (what, facts, why, fix) begin in lower case and end without a full stop, as items of a list."""

from __future__ import annotations

import ast
import builtins
import re
from pathlib import Path

from dbswitch import errors
from dbswitch.database.url_parsing import UrlProblem

ROOT = Path(__file__).parents[1]
CLASSES = {name for name in dir(errors) if name.endswith("Error") and not hasattr(builtins, name)}
PARTS = {"what", "facts", "why", "fix"}


SENTENCE = re.compile(
    r"(?:The|A|An|There|After|Another|Its|This|That|Those|It|You|No|Write|Move|Break|Run|Use|Only|If)\b|.*[^.]\.$",
    re.DOTALL,
)


def texts(node: ast.expr) -> list[str]:
    """The texts that an expression may give, with `{}` for what is computed."""
    match node:
        case ast.Constant(value=str(text)):
            return [text]
        case ast.JoinedStr(values=parts):
            return ["".join(part.value if isinstance(part, ast.Constant) else "{}" for part in parts)]
        case ast.BinOp(left=left, right=right):
            return [f"{one}{other}" for one in texts(left) or ["{}"] for other in texts(right) or ["{}"]]
        case ast.IfExp(body=one, orelse=other):
            return [*texts(one), *texts(other)]
        case ast.Tuple(elts=parts) | ast.List(elts=parts):
            return [text for part in parts for text in texts(part)]
    return []


def parts(call: ast.Call) -> list[ast.expr]:
    name = getattr(call.func, "id", getattr(call.func, "attr", ""))
    told = [keyword.value for keyword in call.keywords if keyword.arg in PARTS]
    return [*(call.args[:1] if told or name in CLASSES else []), *told]


def test_no_part_of_an_error_is_written_as_a_sentence() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{part.lineno} {text}"
        for path in sorted((ROOT / "dbswitch").rglob("*.py"))
        for call in ast.walk(ast.parse(path.read_text()))
        if isinstance(call, ast.Call)
        for part in parts(call)
        for text in texts(part)
        if SENTENCE.match(text)
    ]
    assert found == []
    assert [text for one in UrlProblem for text in one.value if SENTENCE.match(text)] == []
