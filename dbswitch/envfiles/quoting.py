"""How a value is written so that @next/env, dotenv, python-dotenv and bash read the identical string.

A form is never trusted by rule: each candidate is read back through the four models, and the first on which all agree is
taken. A value without one is refused by name.
"""

from __future__ import annotations

import re
from enum import StrEnum
from functools import lru_cache

from dbswitch.envfiles import readers
from dbswitch.errors import EnvFileError


class Quote(StrEnum):
    """How a value is quoted in the file."""

    NONE = ""
    DOUBLE = '"'
    SINGLE = "'"
    BACKTICK = "`"


# The backtick is a quote to Node and a command to bash; a value found in it moves to double quotes.
_PREFERENCE = {
    Quote.NONE: (Quote.NONE, Quote.DOUBLE, Quote.SINGLE),
    Quote.DOUBLE: (Quote.DOUBLE, Quote.SINGLE),
    Quote.SINGLE: (Quote.SINGLE, Quote.DOUBLE),
    Quote.BACKTICK: (Quote.DOUBLE, Quote.SINGLE),
}
# No reader gives any of these a meaning outside quotes, wherever they stand in a value.
_BARE = re.compile(r"[A-Za-z0-9_./:@%+,=?-]+\Z")
_PROBE = "DBSWITCH_PROBE"


@lru_cache(maxsize=256)
def _reads_the_same(form: str, value: str) -> bool:
    data = f"{_PROBE}={form}\n".encode()
    return (
        readers.dotenv(data) == {_PROBE: value}
        and readers.next_env([(".env", data)], {}) == {_PROBE: value}
        and readers.python_dotenv(data) == {_PROBE: value}
        and readers.bash_source(data) == {_PROBE: value}
    )


def forms(value: str, quote: Quote) -> tuple[str, ...]:
    """Return every form all readers agree on, the one nearest to `quote` first; empty where there is none."""
    if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
        return ()
    candidates = (
        value if style is Quote.NONE else f"{style}{value}{style}"
        for style in _PREFERENCE[quote]
        if style is not Quote.NONE or _BARE.match(value)
    )
    return tuple(form for form in candidates if _reads_the_same(form, value))


def can_agree(value: str) -> bool:
    """Return whether there is a form of `value` that all readers read as exactly `value`."""
    return bool(forms(value, Quote.DOUBLE))


def written_form(value: str, quote_style: Quote = Quote.DOUBLE, *, key: str = "the value") -> str:
    """Return `value` as it is written behind `=`, in `quote_style` where that reads the same everywhere.

    Raises:
        EnvFileError: no form reads the same everywhere; the message names `key` and never shows the value.
    """
    found = forms(value, quote_style)
    if not found:
        raise EnvFileError(
            f"{key} cannot be written so that every reader gets the same value.",
            facts=(f"it has {_trouble(value)}",),
            why="Next.js, dotenv, python-dotenv and bash would each see a different string.",
            fix=f"Percent-encode the character if {key} is a URL, or choose a value without it.",
        )
    return found[0]


def _trouble(value: str) -> str:
    """Name the characters at fault, by kind only."""
    kinds = (
        ("\0", "a NUL character"),
        ("$", "a dollar sign that Next.js expands"),
        ("\r", "a carriage return"),
        ("`", "a backtick that bash runs as a command"),
        ("\\", "a backslash"),
        ("'", "a single quote"),
        ('"', "a double quote"),
    )
    found = [text for character, text in kinds if character in value]
    return ", ".join(found) or "a character that cannot be written in UTF-8"
