"""How a value is quoted so that @next/env, dotenv, python-dotenv and bash read the identical string."""
# No rule decides that: each candidate is read back as the four readers read it, and the first on which all agree is used.
# A value without such a form is refused, and the message names the variable only.

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
# No reader gives these characters a special meaning outside quotes, anywhere in a value.
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
    """Return every form of `value` that all readers agree on, the one most like `quote` first; may be empty."""
    if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
        return ()
    candidates = (
        value if style is Quote.NONE else f"{style}{value}{style}"
        for style in _PREFERENCE[quote]
        if style is not Quote.NONE or _BARE.match(value)
    )
    return tuple(form for form in candidates if _reads_the_same(form, value))


def written_form(value: str, quote_style: Quote = Quote.DOUBLE, *, key: str = "the value") -> str:
    """Return `value` as it is written after `=`, in `quote_style` if every reader agrees on that. Raises EnvFileError."""
    found = forms(value, quote_style)
    if not found:
        raise EnvFileError(
            f"{key} cannot be written so that every reader gets the same value",
            facts=(f"it contains {_trouble(value)}",),
            why="Next.js, dotenv, python-dotenv and bash would not all read the same string",
            fix=f"percent-encode the character if {key} is a URL, or choose a value without it",
        )
    return found[0]


def _trouble(value: str) -> str:
    """Name the kinds of characters that the readers treat differently."""
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
