"""The command stands first, whatever the order of the words was."""

from __future__ import annotations

import importlib

import pytest

from dbswitch.cli import command_line
from dbswitch.cli.command_line import SWITCH, arrange
from dbswitch.project import target_names


@pytest.mark.parametrize(
    ("line", "arranged"),
    [
        ("", "status"),
        ("prod", f"{SWITCH} prod"),
        ("-", f"{SWITCH} -"),
        ("--json prod", f"{SWITCH} --json prod"),
        ("prod --json", f"{SWITCH} prod --json"),
        ("--timeout 5 --confirm shop prod", f"{SWITCH} --timeout 5 --confirm shop prod"),
        ("--timeout=5 prod", f"{SWITCH} --timeout=5 prod"),
        ("--json", "status --json"),
        ("--project /a/b", "status --project /a/b"),
        ("-n 5 logs", "logs -n 5"),
        ("--count 3 history", "history --count 3"),
        ("--format sarif check", "check --format sarif"),
        ("--project /a/b logs -f", "logs --project /a/b -f"),
        ("exec prod -- npx prisma --json", "exec prod -- npx prisma --json"),
        ("--json exec prod -- npx -v", "exec --json prod -- npx -v"),
        ("-- prod", f"{SWITCH} -- prod"),
        ("--help", "--help"),
        ("-h", "-h"),
        ("--json --version", "--version"),
        ("--version", "--version"),
        ("version", "--version"),
        ("help", "--help"),
        ("help logs", "logs --help"),
        ("help nonsense", "--help"),
        ("--timeout", "status --timeout"),
        ("--dry-run", f"{SWITCH} --dry-run"),
        ("switch prod", "switch prod"),
    ],
)
def test_a_line_is_arranged_with_its_command_first(line: str, arranged: str) -> None:
    assert arrange(line.split()) == arranged.split()


def test_a_word_that_is_no_command_is_a_target_even_a_hostile_one() -> None:
    for word in ("prod; rm -rf /", "../../x", "TARGET", "Status"):
        assert arrange([word]) == [SWITCH, word]


def test_every_command_is_a_name_that_no_target_may_have() -> None:
    assert {*target_names.COMMANDS, "help", "version"} <= target_names.RESERVED


def test_a_flag_that_takes_a_value_may_precede_its_command() -> None:
    for module in set(command_line.MODULES.values()):
        importlib.import_module(f"dbswitch.cli.{module}")
    for name, found in command_line._commands.items():
        for option in found.params:
            if option.param_type_name == "option" and not option.is_flag and not option.hidden:
                for flag in option.opts:
                    assert arrange([flag, "1", name]) == [name, flag, "1"]
