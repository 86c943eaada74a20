"""Command lines become operations; compared as whole values."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbswitch.cli import operations as op
from dbswitch.cli.app import parse
from dbswitch.cli.operations import Common, Invocation
from dbswitch.cli.words import arrange
from dbswitch.errors import UsageError
from dbswitch.switch.plan import Mode


def parsed(*argv: str) -> Invocation | int:
    return parse(arrange(argv))


@pytest.mark.parametrize(
    ("argv", "operation"),
    [
        ((), op.Status()),
        (("prod",), op.Switch("prod")),
        (("-",), op.Switch("-")),
        (("prod", "--restart"), op.Switch("prod", mode=Mode.RESTART)),
        (("--hot", "prod"), op.Switch("prod", mode=Mode.HOT)),
        (("prod", "--no-restart"), op.Switch("prod", mode=Mode.NONE)),
        (
            ("prod", "--confirm", "shop", "--timeout", "2.5", "--yes", "--take-port"),
            op.Switch("prod", confirm="shop", timeout=2.5, yes=True, take_port=True),
        ),
        (("prod", "--dry-run"), op.Switch("prod", dry_run=True)),
        (("prod", "--detach", "--run-id", "a1"), op.Switch("prod", detach=True, run_id="a1")),
        (("dev", "--detach"), op.Dev(detach=True)),
        (("targets",), op.Targets()),
        (("open",), op.Open()),
        (("uninstall", "--dry-run", "--stop"), op.Uninstall(dry_run=True, stop=True)),
        (("stop",), op.Stop()),
        (("restart", "--take-port"), op.Restart(take_port=True)),
        (("logs", "-f", "-n", "5"), op.Logs(follow=True, lines=5)),
        (("wait",), op.Wait()),
        (("wait", "prod", "--timeout", "3"), op.Wait("prod", 3.0)),
        (("exec", "prod", "--", "npx", "prisma", "--help"), op.Exec("prod", ("npx", "prisma", "--help"))),
        (("history", "-n", "3"), op.History(3)),
        (("init", "--dry-run"), op.Init(dry_run=True)),
        (("generate", "route", "--check"), op.Generate(op.GeneratedKind.ROUTE, check=True)),
        (("demo", "--keep"), op.Demo(keep=True)),
    ],
)
def test_a_command_line_is_one_operation(argv: tuple[str, ...], operation: op.Operation) -> None:
    assert parsed(*argv) == Invocation(operation)


def test_common_flags_stand_before_or_behind_the_word() -> None:
    flags = ("--json", "-q", "-v", "--project", "/a")
    expected = Invocation(op.Switch("prod"), Common(json=True, quiet=True, verbose=True, project=Path("/a")))
    assert parsed(*flags, "prod") == expected
    assert parsed("prod", *flags) == expected


@pytest.mark.parametrize(
    ("argv", "what"),
    [
        (("prod", "--hot", "--restart"), "exclude each other"),
        (("prod", "--detach", "--dry-run"), "exclude each other"),
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
        parsed(*argv)
    assert what in caught.value.what
    assert caught.value.fix
