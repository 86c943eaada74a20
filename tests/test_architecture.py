"""What import-linter does not check: one meaning for each name, and no import circles, deferred imports included."""

from __future__ import annotations

import ast
from collections import Counter
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[1]
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): ast.parse(
        path.read_text()
    )
    for path in (ROOT / "dbswitch").rglob("*.py")
}


def imports(tree: ast.AST) -> set[str]:
    """The modules of the package that a module imports at run time, inside functions as well."""
    found: set[str] = set()
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            inside = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= inside & MODULES.keys() or {node.module}
        found |= imports(node)
    return found & MODULES.keys()


def test_the_import_graph_has_no_circle() -> None:
    order = TopologicalSorter({name: imports(tree) - {name} for name, tree in MODULES.items()})
    assert len(list(order.static_order())) == len(MODULES)  # raises CycleError, which names the circle


def test_no_two_public_classes_share_a_name() -> None:
    names = Counter(
        node.name
        for tree in MODULES.values()
        for node in ast.iter_child_nodes(tree)
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    assert [name for name, count in names.items() if count > 1] == []


def test_no_two_modules_share_a_file_name() -> None:
    names = Counter(name.rpartition(".")[2] for name in MODULES if name.count(".") > 1)
    packages = {
        name.rpartition(".")[2] for name in MODULES if any(one.startswith(f"{name}.") for one in MODULES)
    }
    assert [name for name, count in names.items() if count > 1 and name not in packages] == []
