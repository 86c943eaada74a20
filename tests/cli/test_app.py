"""A command line is one command with its arguments; compared as whole values."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from dbswitch.cli import command_line
from dbswitch.errors import UsageError
from tests.cli import parsing, running

EVERY = {"json": False, "quiet": False, "verbose": False, "folder": None}


@pytest.mark.parametrize(
    ("argv", "command", "arguments"),
    [
        ((), "status", {}),
        (("targets",), "targets", {}),
        (("prod",), "switch", {"target": "prod"}),
        (("switch", "prod"), "switch", {"target": "prod"}),
        (("switch",), "switch", {}),
        (("--dry-run",), "switch", {"dry_run": True}),
        (("-",), "switch", {"target": "-"}),
        (("--hot", "prod"), "switch", {"target": "prod", "hot": True}),
        (("prod", "--no-restart"), "switch", {"target": "prod", "no_restart": True}),
        (
            ("prod", "--confirm", "shop", "--timeout", "2.5", "--yes", "--take-port"),
            "switch",
            {"target": "prod", "confirm": "shop", "timeout": 2.5, "yes": True, "take_port": True},
        ),
        (
            ("prod", "--detach", "--run-id", "a1"),
            "switch",
            {"target": "prod", "detach": True, "run_id": "a1"},
        ),
        (("dev", "--detach"), "dev", {"detach": True}),
        (("stop",), "stop", {}),
        (("restart", "--take-port"), "restart", {"take_port": True}),
        (("logs", "-f", "-n", "5"), "logs", {"follow": True, "lines": 5}),
        (("wait", "prod", "--timeout", "3"), "wait", {"target": "prod", "timeout": 3.0}),
        (
            ("exec", "prod", "--", "npx", "prisma", "--help"),
            "execute",
            {"target": "prod", "command": ["npx", "prisma", "--help"]},
        ),
        (("history", "-n", "3"), "history", {"count": 3}),
        (("init", "--dry-run"), "init", {"dry_run": True}),
        (("generate", "route", "--check"), "generate", {"kind": "route", "check": True}),
        (("open",), "open_page", {}),
        (("demo", "--keep"), "demo", {"keep": True}),
        (("uninstall", "--dry-run", "--stop"), "uninstall", {"dry_run": True, "stop": True}),
    ],
)
def test_a_command_line_is_one_command_with_its_arguments(
    argv: tuple[str, ...], command: str, arguments: dict[str, Any]
) -> None:
    found = parsing.parsed(*argv)
    assert (found.command, found.given, found.common) == (command, arguments, EVERY)


def test_common_flags_stand_before_or_behind_the_word() -> None:
    flags = ("--json", "-q", "-v", "--project", "/a")
    for argv in ((*flags, "prod"), ("prod", *flags)):
        found = parsing.parsed(*argv)
        assert found.given == {"target": "prod"}
        assert found.common == {"json": True, "quiet": True, "verbose": True, "folder": Path("/a")}


@pytest.mark.parametrize(
    ("argv", "what"),
    [
        (("prod", "--bogus"), "No such option: --bogus"),
        (("prod", "extra"), "extra"),
        (("--timeout", "soon", "prod"), "soon"),
        (("--timeout", "0", "prod"), "range"),
        (("generate", "everything"), "everything"),
        (("exec", "prod"), "Missing argument"),
        (("generate",), "Missing argument"),
    ],
)
def test_a_line_that_cannot_be_understood_is_a_usage_error_that_says_where_to_look(
    argv: tuple[str, ...], what: str
) -> None:
    with pytest.raises(UsageError) as caught:
        command_line.parse_and_run(argv)
    assert what in caught.value.what
    assert caught.value.fix


@pytest.mark.parametrize(
    "argv",
    [
        ("prod", "--hot", "--restart"),
        ("prod", "--detach", "--dry-run"),
        ("check", "--all", "--rev", "a..b"),
        ("generate", "page", "--identity-only"),
        ("generate", "page", "--path", "x.ts"),
    ],
)
def test_flags_that_exclude_each_other_are_a_usage_error(argv: tuple[str, ...], tmp_path: Path) -> None:
    done = running.run(*argv, cwd=tmp_path)
    assert done.returncode == 2
    assert re.search(r"cannot be used together|can be used only with", done.stderr)
