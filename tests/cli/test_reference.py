"""The reference pages say what the program does, word for word."""

from __future__ import annotations

import json
import re
import subprocess
import types
import typing
from enum import Enum
from typing import TYPE_CHECKING, Any

import pytest
from msgspec import Struct
from msgspec.structs import fields as fields_of

from dbswitch import errors
from dbswitch.errors import DbswitchError, ExitCode
from dbswitch.project.target_names import COMMANDS
from dbswitch.switch import events
from tests.cli import reference, running

if TYPE_CHECKING:
    from tests.cli.conftest import Folder

DOCS = running.ROOT / "docs" / "reference"
JSON_PAGE = (DOCS / "json.md").read_text(encoding="utf-8")
EVENTS = (events.Started, events.Planned, events.PhaseChanged, events.Waiting, events.Notice, events.Result)


def help_blocks() -> list[tuple[str, str]]:
    return [
        (block["line"], block["help"])
        for block in reference.BLOCK.finditer(reference.PAGE.read_text("utf-8"))
    ]


@pytest.mark.parametrize(("line", "shown"), help_blocks(), ids=[line for line, _ in help_blocks()])
def test_a_help_text_is_in_the_reference_as_it_is_printed(line: str, shown: str) -> None:
    assert reference.help_text(line) == shown, "run `python -m tests.cli.reference`"


def test_every_command_is_in_the_reference() -> None:
    lines = {line.split()[0] for line, _ in help_blocks()}
    assert set(COMMANDS) <= lines


def test_the_help_lists_every_command_in_the_order_of_the_code() -> None:
    listed = re.findall(
        r"^  ([a-z]+) {2,}", reference.help_text("--help").partition("Commands:")[2], re.MULTILINE
    )
    assert tuple(listed) == COMMANDS


def table(name: str) -> dict[str, str]:
    """The field table under a heading: name to type."""
    section = re.search(rf"^### `{re.escape(name)}`\n(.*?)(?=^#|\Z)", JSON_PAGE, re.DOTALL | re.MULTILINE)
    assert section is not None, f"docs/reference/json.md has no section for {name}"
    return dict(re.findall(r"^\| `(\w+)` \| ([^|]+?) \|", section[1], re.MULTILINE))


def words(name: str, field: str) -> set[str]:
    """The values a field may have, as the table names them."""
    row = re.search(
        rf"^### `{re.escape(name)}`\n.*?^\| `{field}` \| [^|]+ \|([^|]*)\|",
        JSON_PAGE,
        re.DOTALL | re.MULTILINE,
    )
    assert row is not None
    return set(re.findall(r"`([\w-]+)`", row[1]))


def type_name(annotation: Any) -> str:
    """How the page calls a Python type."""
    if isinstance(annotation, types.UnionType):
        first, *rest = typing.get_args(annotation)
        assert rest == [type(None)]
        return f"{type_name(first)} or null"
    if isinstance(annotation, type) and issubclass(annotation, Enum | str):
        return "string"
    if isinstance(annotation, type) and issubclass(annotation, Struct):
        return "object"
    named = {float: "number", int: "integer", bool: "boolean", tuple[str, ...]: "list of strings"}
    return named.get(annotation) or {dict[str, str]: "object of strings"}[annotation]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.__name__)
def test_an_event_has_exactly_the_documented_fields_and_types(event: type[Any]) -> None:
    hints = typing.get_type_hints(event)
    fields = {field.name: type_name(hints[field.name]) for field in fields_of(event)}
    assert fields == table(event.__struct_config__.tag)


def test_the_error_of_a_result_has_exactly_the_documented_fields() -> None:
    hints = typing.get_type_hints(events.ErrorInfo)
    assert {name: type_name(hint) for name, hint in hints.items()} == table("result.error")


def test_every_phase_state_outcome_and_error_code_is_documented() -> None:
    assert words("phase", "phase") == {phase.value for phase in events.Phase}
    assert words("phase", "state") == {state.value for state in events.PhaseState}
    assert words("result", "outcome") == {outcome.value for outcome in events.Outcome}
    kinds = [
        kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, DbswitchError)
    ]
    codes = {kind("x").code for kind in kinds if kind is not DbswitchError}
    codes |= {errors.InterruptedSwitchError().code, "bug"}
    assert words("result.error", "code") == codes


def test_every_exit_code_is_documented() -> None:
    page = (DOCS / "exit-codes.md").read_text(encoding="utf-8")
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", page, re.MULTILINE)} == set(map(int, ExitCode))


KINDS = {
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
    "object": lambda value: isinstance(value, dict),
    "object of strings": lambda value: (
        isinstance(value, dict) and all(isinstance(v, str) for v in value.values())
    ),
    "list of strings": lambda value: isinstance(value, list) and all(isinstance(v, str) for v in value),
    "list of integers": lambda value: isinstance(value, list) and all(isinstance(v, int) for v in value),
    "list of objects": lambda value: isinstance(value, list) and all(isinstance(v, dict) for v in value),
}


def assert_documented(name: str, value: dict[str, Any]) -> None:
    """Hold a real object against its table, and its parts against theirs."""
    documented = table(name)
    assert set(value) - {"v", "event"} == set(documented), name
    for field, kind in documented.items():
        plain, _, null = kind.partition(" or ")
        assert KINDS[plain](value[field]) or (null == "null" and value[field] is None), (
            name,
            field,
            value[field],
        )
        parts = value[field] if isinstance(value[field], list) else [value[field]]
        if f"### `{name}.{field}`" in JSON_PAGE:
            for part in parts:
                if part is not None:
                    assert_documented(f"{name}.{field}", part)


def test_what_the_commands_print_is_what_is_documented(folder: Folder) -> None:
    seen: set[str] = set()
    lines = [
        ("status",),
        ("prod", "--dry-run"),
        ("wait", "--timeout", "0.4"),
        ("prod", "--confirm", "shop_prod", "--timeout", "0.4"),
        ("history",),
        ("targets",),
        ("uninstall", "--dry-run"),
        ("init",),
        ("generate", "client"),
        ("nosuch",),
        ("local", "--detach", "--timeout", "0.4"),
    ]
    (folder.root / ".dbswitch").mkdir(0o700)
    (folder.root / ".dbswitch" / "server.log").write_text("a line\n")
    for argv in [*lines, ("logs",)]:
        done = folder.run(*argv, "--json")
        for line in done.stdout.splitlines():
            value = json.loads(line)
            assert list(value)[:2] == ["v", "event"]
            assert value["v"] == events.VERSION
            assert_documented(value["event"], value)
            seen.add(value["event"])
    expected = {
        "start",
        "plan",
        "phase",
        "waiting",
        "notice",
        "result",
        "status",
        "history",
        "targets",
        "uninstall",
        "init",
        "log",
        "accepted",
    }
    assert expected <= seen


def test_what_check_prints_is_what_is_documented(folder: Folder) -> None:
    (folder.root / ".git").rmdir()
    folder.write("bad.ts", 'export const url = "postgresql://shop:pa-ss-w0rd@db.example.com:5432/shop"\n')
    for words in (["init", "-q"], ["add", "bad.ts"]):
        subprocess.run(["git", *words], cwd=folder.root, check=True, capture_output=True)
    done = folder.run("check", "--json")
    value = json.loads(done.stdout)
    assert done.returncode == 1
    assert value["findings"]
    assert_documented("check", value)


def test_the_example_on_the_page_is_in_the_documented_form() -> None:
    block = re.search(r"```console\n\$ [^\n]*\n(.*?)```", JSON_PAGE, re.DOTALL)
    assert block is not None
    for line in block[1].splitlines():
        value = json.loads(line)
        assert_documented(value["event"], value)
