"""How a value is written: a form that reads the same everywhere, or none."""

from __future__ import annotations

import pytest
from hypothesis import given, settings, strategies as st

from dbswitch.envfiles.quoting import Quote, forms, written_form
from dbswitch.errors import EnvFileError


@pytest.mark.parametrize(
    ("value", "quote", "written"),
    [
        ("postgres://u:p@h/db", Quote.NONE, "postgres://u:p@h/db"),
        ("postgres://u:p@h/db?a=1&b=2", Quote.NONE, '"postgres://u:p@h/db?a=1&b=2"'),
        ("x", Quote.SINGLE, "'x'"),
        ("x", Quote.DOUBLE, '"x"'),
        ("x", Quote.BACKTICK, '"x"'),
        ("", Quote.NONE, '""'),
        ("it's", Quote.SINGLE, '"it\'s"'),
        ('say "hi"', Quote.DOUBLE, "'say \"hi\"'"),
        ("a#b c", Quote.NONE, '"a#b c"'),
        ("cost $ 5", Quote.SINGLE, "'cost $ 5'"),
    ],
)
def test_the_quote_style_is_kept_if_the_value_allows_it(value: str, quote: Quote, written: str) -> None:
    assert written_form(value, quote) == written


@pytest.mark.parametrize("value", ["a$HOME", "${X}", "\0", "a\rb", 'it\'s "both"', "\\$", "`x`'", "\ud800"])
def test_a_value_on_which_the_readers_disagree_is_refused_by_name_and_never_shown(value: str) -> None:
    assert not forms(value, Quote.DOUBLE)
    with pytest.raises(EnvFileError, match="TOKEN") as refusal:
        written_form(value, key="TOKEN")
    assert value not in refusal.value.what + "".join(refusal.value.facts)


@settings(deadline=None)
@given(st.text(alphabet="ABCabc019-._%:/@?=&+,", max_size=40), st.sampled_from(Quote))
def test_a_percent_encoded_url_can_always_be_written(value: str, quote: Quote) -> None:
    assert forms(value, quote)
