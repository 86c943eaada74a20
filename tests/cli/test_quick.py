"""The quick reader and the whole parser read the same."""

from __future__ import annotations

import pytest
from hypothesis import given, settings, strategies as st

from dbswitch.cli import app, quick
from dbswitch.cli.operations import Invocation
from dbswitch.cli.words import arrange
from dbswitch.errors import UsageError

WORDS = st.sampled_from(
    [
        *(
            "prod",
            "local",
            "-",
            "status",
            "stop",
            "restart",
            "logs",
            "--",
            "",
            "-x",
            "--bogus",
            "-qv",
            "--hel",
            "--json=1",
        ),
        *(
            "--json",
            "--quiet",
            "-q",
            "--verbose",
            "-v",
            "--yes",
            "-y",
            "--dry-run",
            "--detach",
            "--take-port",
        ),
        *("--restart", "--hot", "--no-restart", "--confirm", "--timeout", "--run-id", "--project"),
        *(
            "--confirm=shop",
            "--timeout=5",
            "--timeout=0",
            "--timeout=nan",
            "--timeout=inf",
            "--project=/a b",
            "7",
        ),
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(WORDS, max_size=7))
def test_what_is_read_quickly_is_what_the_whole_parser_reads(argv: list[str]) -> None:
    line = arrange(argv)
    quickly = quick.read(line)
    if quickly is None:
        return
    try:
        wholly = app.parse(line)
    except UsageError as error:
        pytest.fail(f"{argv} is refused by the whole parser: {error.what}")
    assert quickly == wholly


@pytest.mark.parametrize(
    "argv",
    [
        ("prod",),
        (),
        ("-", "--json"),
        ("stop",),
        ("restart", "--timeout=5"),
        ("--timeout", "5", "prod", "--detach"),
    ],
)
def test_the_everyday_lines_are_read_quickly(argv: tuple[str, ...]) -> None:
    assert isinstance(quick.read(arrange(argv)), Invocation)


@pytest.mark.parametrize(
    "line",
    [
        "prod --help",
        "prod extra",
        "prod --hot --restart",
        "logs",
        "prod --timeout 0",
        "restart now",
        "restart --hot",
    ],
)
def test_whatever_needs_an_answer_in_words_is_left_to_the_whole_parser(line: str) -> None:
    assert quick.read(arrange(line.split())) is None
