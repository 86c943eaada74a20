"""The first word of a command line."""

from __future__ import annotations

import pytest

from dbswitch.cli.words import COMMANDS, TARGET, arrange, wants_json
from dbswitch.project import names


@pytest.mark.parametrize(
    ("line", "arranged"),
    [
        ("", "status"),
        ("prod", f"{TARGET} prod"),
        ("-", f"{TARGET} -"),
        ("--json prod", f"{TARGET} --json prod"),
        ("prod --json", f"{TARGET} prod --json"),
        ("--timeout 5 --confirm shop prod", f"{TARGET} --timeout 5 --confirm shop prod"),
        ("--timeout=5 prod", f"{TARGET} --timeout=5 prod"),
        ("--json", "status --json"),
        ("--project /a/b", "status --project /a/b"),
        ("--project /a/b logs -f", "logs --project /a/b -f"),
        ("exec prod -- npx prisma --json", "exec prod -- npx prisma --json"),
        ("--json exec prod -- npx -v", "exec --json prod -- npx -v"),
        ("-- prod", f"{TARGET} -- prod"),
        ("--help", "--help"),
        ("-h", "-h"),
        ("--json --version", "--version"),
        ("--version", "--version"),
        ("version", "--version"),
        ("help", "--help"),
        ("help logs", "logs --help"),
        ("help nonsense", "--help"),
        ("--timeout", "status --timeout"),
    ],
)
def test_a_line_is_arranged_with_its_command_first(line: str, arranged: str) -> None:
    assert arrange(line.split()) == arranged.split()


def test_a_word_that_is_no_command_is_a_target_even_a_hostile_one() -> None:
    for word in ("prod; rm -rf /", "../../x", "TARGET", "Status"):
        assert arrange([word]) == [TARGET, word]


def test_json_after_the_double_dash_belongs_to_the_command_that_is_run() -> None:
    assert wants_json(["prod", "--json"])
    assert not wants_json(["exec", "prod", "--", "x", "--json"])


def test_every_command_is_a_name_that_no_target_may_have() -> None:
    assert {*COMMANDS, "help", "version"} <= names.RESERVED
