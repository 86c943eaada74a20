"""Which variables source code reads, and which an env file binds."""

from __future__ import annotations

import pytest

from dbswitch.check.checkout_rules import variables_bound, variables_read


@pytest.mark.parametrize(
    ("source", "name"),
    [
        (b"process.env.A", "A"),
        (b"use(process.env.A)", "A"),
        (b"process.env['A']", "A"),
        (b'process.env[ "A" ]', "A"),
        (b"env('A')", "A"),
        (b"url: env<string>('A')", "A"),
    ],
)
def test_a_read_is_found_with_its_name_and_place(source, name):
    ((found, start, end),) = variables_read(source)
    assert found == name
    assert source[start:end].startswith((b"process.env", b"env"))
    assert source[start:end].rstrip(b")]'\" ").endswith(b"A")


@pytest.mark.parametrize(
    "source",
    [
        b"subprocess.env.A", b"window.process.env.A", b"$process.env.A", b"import.meta.env.A", b"process.env[key]",
        b"process.env.1a", b"myenv('A')", b"config.env('A')", b"env('A\")", b"process.env('A')", b"env(A)",
    ],
)  # fmt: skip
def test_what_only_looks_like_a_read_is_not_one(source):
    assert list(variables_read(source)) == []


def test_lines_that_bind_a_variable_are_found_however_they_are_written():
    content = b"A=1\n  export B = 2\r\nC: 3\n# D=4\nE\nF-G.H=\nexportI=5\n"
    assert variables_bound(content) == {"A", "B", "C", "F-G.H", "exportI"}
